"""GET /shotgrid-login.js and what else pages import, and the example at /: the files beside this one."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shotgrid_login import http
from shotgrid_login.configuration import Configuration
from shotgrid_login.errors import NotFound

FILES = Path(__file__).with_name("files")
MEDIA_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".txt": "text/plain",
    ".ts": "text/plain",  # .d.ts, for editors; the type registered for .ts is a video's
}

# How long browsers use a file without asking whether there is a newer one. Seconds.
MODULE_SECONDS = 600
VENDORED_SECONDS = 365 * 24 * 3600  # its name has its version

configuration = Configuration.from_environment()


@dataclass(frozen=True)
class File:
    """A file as it is sent."""

    text: str
    headers: Mapping[str, str]


def _load() -> dict[str, File]:
    """Return every file by its path; the example's only where the deployment serves it."""
    files = {}
    for path in sorted(FILES.rglob("*.*")):
        name = path.relative_to(FILES).as_posix()
        if name.startswith("example/") and not configuration.serves_example:
            continue
        text = path.read_text()
        headers = {
            "content-type": f"{MEDIA_TYPES[path.suffix]}; charset=utf-8",
            # Weak, as API Gateway may send the same bytes compressed (RFC 9110, 8.8.3).
            "etag": f'W/"{hashlib.sha256(text.encode()).hexdigest()[:32]}"',
            "cache-control": "no-cache",
            "x-content-type-options": "nosniff",
        }
        if "/" not in name:
            # Public, and imported by pages of other origins; a module is not even run without the first.
            headers["access-control-allow-origin"] = "*"
            headers["cross-origin-resource-policy"] = "cross-origin"
            headers["cache-control"] = f"public, max-age={MODULE_SECONDS}"
        elif name.startswith("example/vendor/"):
            headers["cache-control"] = f"public, max-age={VENDORED_SECONDS}, immutable"
        if path.suffix == ".html":
            headers |= {
                "content-security-policy": "; ".join(_policy()),
                "cross-origin-opener-policy": "same-origin",
                "referrer-policy": "no-referrer",
            }
        files[f"/{name}"] = File(text, headers)
    if example := files.pop("/example/index.html", None):
        files["/"] = example  # the addresses in it are relative to this one
    return files


def _policy() -> list[str]:
    return [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src data:",  # the icon
        f"connect-src 'self' {configuration.site_url}",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]


files = _load()


@http.public
def handler(request: http.Request) -> http.Response:
    """Take no parameters; 304 where the browser has the file already."""
    file = files.get(request.path)
    if file is None:
        raise NotFound
    if request.route == "/" and not request.path_with_stage.endswith("/"):
        # The example names its files relatively, so its address has to end where they begin.
        return http.Response(308, "redirected", headers={"location": f"{request.path_with_stage}/"})
    if request.has_tag(file.headers["etag"]):
        return http.Response(304, "unchanged", headers=file.headers)
    return http.Response(200, "served", file.text, file.headers)
