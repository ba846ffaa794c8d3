"""Builds the layer with our package, for `sam build`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from bytecode import compile_folder


def main() -> None:
    """Copy the sources into the folder ARTIFACTS_DIR and compile them."""
    python = Path(os.environ["ARTIFACTS_DIR"]) / "python"
    # Only sources: what a test run leaves beside them would change the layer's hash.
    for source in Path("shotgrid_login").glob("*.py"):
        target = python / source
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    compile_folder(python, "/opt/python")


if __name__ == "__main__":
    main()
