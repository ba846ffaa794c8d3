"""One copy of each layer for all functions.

MiniStack extracts all layers again for each instance of a function: 600 files. Python then compiles the modules again,
because it stores the results beside them. This took a third of each cold start, and longer at the end to delete.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
import zipfile
from pathlib import Path

_extract_all = zipfile.ZipFile.extractall
_lock = threading.Lock()
_copies: dict[str, str] = {}


def share() -> None:
    """Let MiniStack link to the shared copy of a layer where it would extract the layer into `layer_<number>`."""
    zipfile.ZipFile.extractall = _link_or_extract  # type: ignore[assignment,method-assign]


def _link_or_extract(archive: zipfile.ZipFile, path: str) -> None:
    target = Path(path)
    if not target.name.startswith("layer_"):
        _extract_all(archive, target)
        return
    assert archive.filename
    digest = hashlib.sha256(Path(archive.filename).read_bytes()).hexdigest()
    with _lock:
        if digest not in _copies:
            _copies[digest] = tempfile.mkdtemp(prefix="layer-")
            _extract_all(archive, _copies[digest])
    target.rmdir()  # MiniStack has just created it
    target.symlink_to(_copies[digest])
