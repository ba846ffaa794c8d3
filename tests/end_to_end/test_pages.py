"""The files that pages import, and the example, with the headers that browsers and caches need."""

from __future__ import annotations

import pytest

from tests.local.stack import ROOT
from tests.support.client import PAGE, Gateway

FILES = ROOT / "functions" / "pages" / "files"
MODULES = sorted(path.name for path in FILES.glob("*.js"))
MEDIA_TYPES = {
    "/": "text/html",
    **{f"/{module}": "text/javascript" for module in MODULES},
    **{f"/{module.removesuffix('.js')}.d.ts": "text/plain" for module in MODULES},
    "/example/dashboard.css": "text/css",
    "/example/dashboard.js": "text/javascript",
    "/example/vendor/chart-4.6.1.min.js": "text/javascript",
}


@pytest.mark.parametrize("path", MEDIA_TYPES)
def test_file_is_served_with_its_media_type(gateway: Gateway, path: str) -> None:
    response = gateway.caller().send("GET", path)
    file = FILES / (path.lstrip("/") or "example/index.html")
    assert response.status == 200
    assert response.text == file.read_text()
    assert response.headers["content-type"] == f"{MEDIA_TYPES[path]}; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["strict-transport-security"] == "max-age=31536000"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert ("script-src 'self'" in response.headers["content-security-policy"]) == (path == "/")
    assert response.headers["x-request-id"]
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize("path", MEDIA_TYPES)
def test_known_entity_tag_is_304(gateway: Gateway, path: str) -> None:
    caller = gateway.caller()
    etag = caller.send("GET", path).headers["etag"]
    for known in (etag, etag.removeprefix("W/"), f'"other", {etag}'):
        unchanged = caller.send("GET", path, **{"if-none-match": known})
        assert (unchanged.status, unchanged.text) == (304, "")
        assert unchanged.headers["etag"] == etag
        assert unchanged.headers["cache-control"]
    assert caller.send("GET", path, **{"if-none-match": '"other"'}).status == 200


def test_files_have_their_cache_time(gateway: Gateway) -> None:
    caller = gateway.caller()
    assert caller.send("GET", "/").headers["cache-control"] == "no-cache"
    assert caller.send("GET", "/shotgrid-login.js").headers["cache-control"] == "public, max-age=600"
    vendored = caller.send("GET", "/example/vendor/chart-4.6.1.min.js").headers["cache-control"]
    assert vendored == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("origin", [None, PAGE, "https://anywhere.example"])
def test_module_can_be_imported_by_any_page(gateway: Gateway, module: str, origin: str | None) -> None:
    response = gateway.caller(origin=origin or "").send("GET", f"/{module}?v=1")
    assert response.status == 200
    assert response.headers["access-control-allow-origin"] == "*"
    assert response.headers["cross-origin-resource-policy"] == "cross-origin"
    assert "access-control-allow-credentials" not in response.headers


def test_example_has_a_strict_content_security_policy(gateway: Gateway) -> None:
    headers = gateway.caller().send("GET", "/").headers
    policy = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["connect-src"] == f"'self' {gateway.site.url}"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    "path",
    ["/app.py", "/nothing.js", "/example/nothing.js", "/example/%2e%2e/app.py"],
)
def test_unknown_path_is_404(gateway: Gateway, path: str) -> None:
    response = gateway.caller().send("GET", path)
    assert response.status == 404
    assert response.body["code"] == "not_found"
