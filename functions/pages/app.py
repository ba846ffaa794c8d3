"""GET /shotgrid-login.js, the other modules that pages import, and the example at /: the files in `files/`."""

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
    ".ts": "text/plain",  # .d.ts, for editors; the media type registered for .ts is a video format
}

# How long browsers use a file before they check for a newer one. Seconds.
MODULE_SECONDS = 600
VENDORED_SECONDS = 365 * 24 * 3600  # the file name contains the version

configuration = Configuration.from_environment()


@dataclass(frozen=True)
class File:
    """A file with its response headers."""

    text: str
    headers: Mapping[str, str]


def _load() -> dict[str, File]:
    """Return every file by its path. The example is included only if the deployment serves it."""
    files = {}
    for path in sorted(FILES.rglob("*.*")):
        name = path.relative_to(FILES).as_posix()
        if name.startswith("example/") and not configuration.serves_example:
            continue
        text = path.read_text()
        headers = {
            "content-type": f"{MEDIA_TYPES[path.suffix]}; charset=utf-8",
            # A weak tag, because API Gateway may compress the file (RFC 9110, 8.8.3).
            "etag": f'W/"{hashlib.sha256(text.encode()).hexdigest()[:32]}"',
            "cache-control": "no-cache",
        }
        if "/" not in name:
            # Pages of other origins import these files. Browsers do not run a module without the first header.
            headers["access-control-allow-origin"] = "*"
            headers["cross-origin-resource-policy"] = "cross-origin"
            headers["cache-control"] = f"public, max-age={MODULE_SECONDS}"
        elif name.startswith("example/vendor/"):
            headers["cache-control"] = f"public, max-age={VENDORED_SECONDS}, immutable"
        if path.suffix == ".html":
            headers |= {
                "content-security-policy": "; ".join(_policy()),
                "cross-origin-opener-policy": "same-origin",
            }
        files[f"/{name}"] = File(text, headers)
    if example := files.pop("/example/index.html", None):
        files["/"] = example  # its relative URLs start at `/`
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
    """Return the file, or 304 if the browser already has it."""
    file = files.get(request.path)
    if file is None:
        raise NotFound
    if request.route == "/" and not request.path_with_stage.endswith("/"):
        # The example uses relative URLs, so its own URL must end with a slash.
        return http.Response(308, "redirected", headers={"location": f"{request.path_with_stage}/"})
    if request.has_tag(file.headers["etag"]):
        return http.Response(304, "unchanged", headers=file.headers)
    return http.Response(200, "served", file.text, file.headers)
