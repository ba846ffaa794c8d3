"""One copy of each layer for all functions.

MiniStack extracts all layers again for each instance of a function: 12 MB in 1,000 files. Python then compiles the
modules again, because it stores the results beside them. This took more than half of each cold start, and longer at the
end to delete.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import Any

from ministack.services import lambda_svc

_MARK = b"copy of a layer: "  # the comment of an archive that stands for a copy

_extract_all = zipfile.ZipFile.extractall
_content_of = lambda_svc._resolve_layer_zip  # noqa: SLF001
_lock = threading.Lock()
# The archive that stands for the copy of a layer: by the digest of its content, and by the id of the content, with the
# content itself. MiniStack keeps the content, and a digest takes some milliseconds.
_by_digest: dict[bytes, bytes] = {}
_by_id: dict[int, tuple[bytes, bytes]] = {}


def share() -> None:
    """Let MiniStack find an archive without files as the content of a layer, and link to the copy instead."""
    lambda_svc._resolve_layer_zip = _archive  # noqa: SLF001
    zipfile.ZipFile.extractall = _link_or_extract  # type: ignore[assignment,method-assign]


def _archive(attachment: Any) -> bytes | None:
    content: bytes | None = _content_of(attachment)
    if content is None:
        return None
    with _lock:
        if id(content) not in _by_id:
            digest = hashlib.sha256(content).digest()
            if digest not in _by_digest:
                _by_digest[digest] = _archive_of_copy(content)
            _by_id[id(content)] = content, _by_digest[digest]
        return _by_id[id(content)][1]


def _archive_of_copy(content: bytes) -> bytes:
    folder, archive = tempfile.mkdtemp(prefix="layer-"), io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as layer:
        _extract_all(layer, folder)
    with zipfile.ZipFile(archive, "w") as empty:
        empty.comment = _MARK + folder.encode()
    return archive.getvalue()


def _link_or_extract(archive: zipfile.ZipFile, path: str) -> None:
    if not archive.comment.startswith(_MARK):
        _extract_all(archive, path)
        return
    target = Path(path)
    target.rmdir()  # MiniStack has just created it
    target.symlink_to(archive.comment.removeprefix(_MARK).decode())
