"""Compiles a folder of a layer. Both layers have this file, because `sam build` copies the folder of each layer alone.

Lambda cannot store bytecode: a layer without it is compiled again at each cold start. Bytecode is usually compared with
the time of its source, and `sam` sets the time of each file to 1980. So this bytecode is not compared with its source.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# The first bytes of the bytecode of CPython 3.13, which is the Python of the functions.
MAGIC_NUMBER = "f30d0d0a"

# Where version managers keep a Python that is not in PATH: pyenv and uv.
MANAGED = (".pyenv/versions/3.13.*/bin/python3.13", ".local/share/uv/python/cpython-3.13.*/bin/python3.13")


def compile_folder(folder: Path, path_on_lambda: str) -> None:
    """Compile every module of a folder, or print that the bytecode is left out. Tracebacks name the path on Lambda."""
    python = find_compiler()
    if python is None:
        print(
            "No Python 3.13 was found, so this layer has no bytecode and each cold start takes about twice as long."
            " Install Python 3.13, then run `sam build --no-cached`."
        )
        return
    subprocess.run(
        [python, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "-d", path_on_lambda, "."],
        cwd=folder,
        env=os.environ | {"PYTHONHASHSEED": "0"},  # the order of sets: the same sources give the same layer
        check=True,
    )


def find_compiler() -> str | None:
    """Return a Python that writes the bytecode of Lambda. A candidate can be a script of pyenv that always fails."""
    managed = [str(python) for pattern in MANAGED for python in sorted(Path.home().glob(pattern))]
    for python in (sys.executable, "python3.13", "python3", *managed):
        command = [python, "-c", "import importlib.util; print(importlib.util.MAGIC_NUMBER.hex())"]
        try:
            magic_number = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        except OSError:
            continue
        if magic_number == MAGIC_NUMBER:
            return python
    return None
