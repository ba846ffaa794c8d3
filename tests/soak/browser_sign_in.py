"""Random requests for browser sign-in, and random responses of the site's launcher.

The functions run in this process, with tables and a key on local AWS. The launcher's responses come over HTTP.
"""

from __future__ import annotations

import base64
import contextlib
import json
import re
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError
from hypothesis import strategies as st

from shotgrid_login import errors
from shotgrid_login.app_session_launcher import AppSessionLauncher
from shotgrid_login.site_connection import SiteConnection
from tests.soak.requests import BODIES, DOCUMENTED, HEADERS, TEXT, proxy_event, random_requests
from tests.support.core_functions import ORIGIN, CoreFunctions

REQUESTS = random_requests(HEADERS, BODIES)


def _alterations(challenge: str) -> st.SearchStrategy[str]:
    """Return texts that are almost a challenge."""
    places = st.integers(0, len(challenge) - 1)
    characters = st.sampled_from("ABYZabyz019_-=+/.% \n\x00é")
    return st.one_of(
        st.builds(lambda at, new: challenge[:at] + new + challenge[at + 1 :], places, characters),
        st.builds(lambda at, new: challenge[:at] + new + challenge[at:], places, characters),
        st.builds(lambda at, to: challenge[:at] + challenge[to:], places, places),
        st.builds(lambda at: challenge[at:] + challenge[:at], places),
        st.sampled_from([challenge * 2, challenge.swapcase(), challenge[::-1], "=", "AA", "A" * 2000]),
    ).filter(lambda text: _bytes(text) != _bytes(challenge))


def _bytes(challenge: str) -> bytes | str:
    """Return the ciphertext: the last character of its text can have unused bits, and the text can have padding."""
    try:
        return base64.urlsafe_b64decode(challenge.rstrip("=") + "=" * (-len(challenge.rstrip("=")) % 4))
    except ValueError:
        return challenge


class BrowserSignInChecks:
    """The checks of the functions `browser` and `approval`. `counts` receives how often each response occurred.

    Attributes:
        of_token: a challenge for a page with token transport.
        of_cookie: a challenge that is bound to a browser.
        of_password: a challenge of another kind.
    """

    def __init__(self, functions: CoreFunctions, counts: Counter[str]) -> None:
        self._functions = functions
        self._counts = counts
        self.of_token, self.of_cookie = self._start("token"), self._start("cookie")
        core = functions.core
        self.of_password = core.challenge("a_username", "a password").text

    def call(self, function: str, request: dict[str, Any]) -> int:
        """Call a function and return the status. Raises `AssertionError` if the response is an undocumented error."""
        response = self._functions.call(function, request)
        self._counts[f"{function}: {response.status} {response.code}".strip()] += 1
        assert response.status < 300 or (response.status, response.code) in DOCUMENTED, response
        return response.status

    def check_start(self, request: dict[str, Any]) -> None:
        status = self.call("browser", request)
        if status == 202:
            assert request["httpMethod"] not in _WITHOUT_EFFECT
            assert request["headers"]["Origin"] == ORIGIN

    def check_poll(self, request: dict[str, Any]) -> None:
        """No request of this soak may poll: none has the valid challenge of its own browser."""
        status = self.call("approval", request)
        assert status >= 400 or (status == 204 and request["httpMethod"] in _WITHOUT_EFFECT), status

    def _start(self, transport: str) -> str:
        headers = _PAGE | {"Sec-Fetch-Site": "same-site"}
        response = self._functions.call("browser", proxy_event("POST", headers, json.dumps({"transport": transport})))
        assert response.status == 202, response
        return str(response.body["challenge"])

    def altered_polls(self) -> st.SearchStrategy[Any]:
        alterations = _alterations(self.of_token) | _alterations(self.of_cookie) | st.just(self.of_password)
        return _polls(st.just(_PAGE), alterations.map(lambda text: json.dumps({"challenge": text})))

    def polls_of_other_browsers(self) -> st.SearchStrategy[Any]:
        headers = HEADERS.map(lambda headers: headers | _PAGE)
        return _polls(headers, st.just(json.dumps({"challenge": self.of_cookie})))


# Preflights, and calls that only start a function before it is needed.
_WITHOUT_EFFECT = ("OPTIONS", "GET")

_PAGE = {"Content-Type": "application/json", "Origin": ORIGIN}


def _polls(headers: st.SearchStrategy[Any], bodies: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.builds(proxy_event, st.just("POST"), headers, bodies)


class AuthenticatedKms:
    """A KMS client that rejects altered ciphertexts, as KMS does. The emulator's KMS only notices some alterations."""

    def __init__(self, kms: Any) -> None:
        self._kms = kms
        self._issued: set[bytes] = set()

    def __getattr__(self, operation: str) -> Any:
        return getattr(self._kms, operation)

    def encrypt(self, **request: Any) -> Any:
        sealed = self._kms.encrypt(**request)
        self._issued.add(sealed["CiphertextBlob"])
        return sealed

    def decrypt(self, **request: Any) -> Any:
        opened = self._kms.decrypt(**request)
        if request["CiphertextBlob"] not in self._issued:
            raise ClientError({"Error": {"Code": "InvalidCiphertextException"}}, "Decrypt")
        return opened


# ---- responses of the launcher -----------------------------------------------------------------------------

_STATUSES = st.just(200) | st.sampled_from(
    [200] * 16 + [201, 204, 301, 302, 307, 400, 401, 403, 404, 418, 429, 500, 503, 599]
)
_TYPES = st.sampled_from(["application/json"] * 4 + ["text/html; charset=utf-8", "text/plain", ""])
_SITE = "http://SITE"  # stands for the URL of the random site
_VALID_PARTS = ("https://", "a.shotgunstudio.com", "/app_session_request/a1", "?sticky_id=a1")
_PARTS = (
    st.sampled_from([_SITE, "http://", "HTTPS://", "javascript:", "data:", "//", "https:\\\\", ""]) | TEXT,
    st.sampled_from(
        [
            *(
                "",
                "studio.shotgrid.autodesk.com",
                "A.ShotgunStudio.COM",
                "studio.example",
                "[::1]",
                "shotgunstudio.com",
            ),
            *("shotgrid.autodesk.com.evil.example", "evilshotgunstudio.com", "a.shotgunstudio.com:8443"),
            *("a@studio.example", "a.shotgunstudio.com@studio.example", "studio.example\\.shotgunstudio.com"),
            *(f"studio.example{separator}.shotgunstudio.com" for separator in "#?/"),
        ]
    )
    | TEXT,
    st.sampled_from(["/app_session_request/../x", "/app_session_request", "//studio.example/", "/x", ""]) | TEXT,
    st.sampled_from(["", "#x", "\n", " ", "?<script>", "?%0d%0a"]) | TEXT,
)
# A valid URL with up to two other parts.
_URLS = st.sets(st.integers(0, 3), max_size=2).flatmap(
    lambda others: st.tuples(*(_PARTS[at] if at in others else st.just(_VALID_PARTS[at]) for at in range(4))).map(
        "".join
    )
)
_IDS = st.text("ABCabc019_-", max_size=140) | st.sampled_from(["../../api/v1", "a/b", "a?b", "a\n", "."])
_ANYTHING: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), TEXT, st.just([]), st.just({"a": 1})
)
_TOKENS = st.sampled_from(["abc019", "a" * 2000, "a b", " ", "a\n", "é", "a\x7f"])
_VALID = {
    "sessionRequestId": st.just("a1"),
    "url": st.just(f"{_SITE}/app_session_request/a1?sticky_id=a1"),
    "approved": st.booleans(),
    "sessionToken": st.just("abc019"),
    "userLogin": st.just("a_username"),
}

_RANDOM = {
    "sessionRequestId": _IDS | _ANYTHING,
    "url": _URLS | _ANYTHING,
    "approved": _ANYTHING,
    "denied": st.booleans() | _ANYTHING,
    "sessionToken": _TOKENS | _ANYTHING,
    "userLogin": TEXT | _ANYTHING,
    "message": TEXT,
}
# A valid object, with up to two random values and up to one value less.
_LAUNCHER_OBJECTS = st.builds(
    lambda valid, random, without: {name: value for name, value in {**valid, **random}.items() if name != without},
    st.fixed_dictionaries(_VALID),
    st.lists(st.sampled_from(sorted(_RANDOM)), max_size=2, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: _RANDOM[name] for name in names})
    ),
    st.none() | st.sampled_from(sorted(_VALID)),
).map(lambda value: json.dumps(value).encode())


def _valid_except(name: str, values: st.SearchStrategy[Any]) -> st.SearchStrategy[bytes]:
    """Return valid objects with other values of one name."""
    return st.fixed_dictionaries(_VALID | {"approved": st.just(value=True), name: values}).map(
        lambda value: json.dumps(value).encode()
    )


_LAUNCHER_BODIES = st.one_of(
    _LAUNCHER_OBJECTS,
    _valid_except("url", _URLS),
    _valid_except("sessionRequestId", _IDS),
    _valid_except("sessionToken", _TOKENS),
    st.builds(lambda body, end: body[:end], _LAUNCHER_OBJECTS, st.integers(0, 60)),
    _ANYTHING.map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=80),
    st.sampled_from([b"[" * 20_000, b" " * 70_000, b"\xef\xbb\xbf{}", b"1" * 5000]),
)
LAUNCHER_RESPONSES = st.tuples(_STATUSES, _TYPES, _LAUNCHER_BODIES)


class RandomSite:
    """A site that sends the response that it is given."""

    def __init__(self) -> None:
        self.response: tuple[int, str, bytes] = (200, "", b"")
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                status, content_type, body = site.response
                self.send_response(status)
                self.send_header("content-type", content_type)
                self.send_header("content-length", str(len(body)))
                self.send_header("location", "/app_session_request/a1")
                self.send_header("connection", "close")
                self.end_headers()
                with contextlib.suppress(OSError):  # the gateway does not read large bodies to their end
                    self.wfile.write(body)

            def do_PUT(self) -> None:
                self.do_POST()

            def log_message(self, *_: object) -> None:
                """Do not log requests to the terminal."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._launcher = AppSessionLauncher(SiteConnection(self.url))

    def __enter__(self) -> RandomSite:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def check_request(self, response: tuple[int, str, bytes]) -> None:
        """The launcher accepts no id that changes the path of a poll, and no URL that is not a page of a site."""
        body = self._set(response)
        try:
            request = self._launcher.request("Studio pages at a.example", "Firefox on Linux, 203.0.113.7")
        except (errors.BrowserSignInDisabled, errors.SiteError, errors.SiteUnavailable):
            return
        assert response[0] == 200
        assert request.request_id == body["sessionRequestId"]
        assert re.fullmatch(r"[A-Za-z0-9_-]+", request.request_id)
        assert not set(request.url) & set("\\@#<>\"' \t\r\n")
        parts = urlsplit(request.url)
        assert parts.path.startswith("/app_session_request/")
        assert ".." not in parts.path
        is_own = f"{parts.scheme}://{parts.netloc}".lower() == self.url
        is_of_vendor = parts.scheme == "https" and parts.netloc.lower().endswith(
            (".shotgrid.autodesk.com", ".shotgunstudio.com")
        )
        assert is_own or is_of_vendor

    def check_poll(self, response: tuple[int, str, bytes]) -> None:
        """A result needs `approved` and a session token, both of the right type."""
        body = self._set(response)
        try:
            result = self._launcher.poll("a1")
        except (errors.ApprovalEnded, errors.SiteError, errors.SiteUnavailable):
            return
        assert response[0] == 200
        assert isinstance(body, dict)
        assert body["approved"] is (result is not None)
        if result is not None:
            assert result.session_token == body["sessionToken"]
            assert all("!" <= character <= "~" for character in result.session_token)
            assert len(result.session_token) <= 1024
            assert isinstance(result.login, str)

    def _set(self, response: tuple[int, str, bytes]) -> Any:
        """Use this as the next response, and return its content; None if it is not JSON."""
        status, content_type, body = response
        body = body.replace(_SITE.encode(), self.url.encode())
        self.response = (status, content_type, body)
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            return None
