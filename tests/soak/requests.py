"""Random requests and hostile cookies for every function of the gateway, which run in this process on the core."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from hypothesis import strategies as st

from shotgrid_login import cookie, errors
from tests.support.core_functions import FUNCTIONS, ORIGIN, CoreFunctions
from tests.support.lambda_events import event


def _documented() -> set[tuple[int, str]]:
    """Return status and code of every documented error, without the one for unexpected exceptions."""
    found, classes = set(), [errors.LoginError]
    while classes:
        current = classes.pop()
        classes += current.__subclasses__()
        found.add((current.status, current.code))
    return found - {(500, "internal_error")}


DOCUMENTED = _documented()

# What a random request can get that is not an error: no session, and a sign-out without a session.
HARMLESS = {(200, "signed_out"), (204, "")}

# ---- parts of requests ---------------------------------------------------------------------------------------

# With control characters and lone surrogates.
TEXT = st.text(st.characters(exclude_categories=()), max_size=60)


def mostly(usual: str, *others: str) -> st.SearchStrategy[str]:
    """Return one text most of the time, and sometimes another one."""
    return st.one_of(st.just(usual), st.sampled_from([usual] * 8 + [*others]), TEXT)


_COOKIE_NAMES = st.sampled_from([cookie.BROWSER, cookie.SESSION, cookie.BROWSER.lower(), "a", ""])
_COOKIES = st.lists(st.builds("{}={}".format, _COOKIE_NAMES, st.text("ABCabc019_-", max_size=24) | TEXT), max_size=4)
HEADERS = st.fixed_dictionaries(
    {
        "Content-Type": mostly("application/json", "text/plain", "application/json;charset=x"),
        "Origin": mostly(ORIGIN, ORIGIN.upper(), f"{ORIGIN}.evil.example", "null", ""),
    },
    optional={
        "Cookie": _COOKIES.map("; ".join),
        "Host": TEXT,
        "Sec-Fetch-Site": st.sampled_from(["same-origin", "same-site", "cross-site", "none"]) | TEXT,
        "Sec-Fetch-Storage-Access": st.sampled_from(["none", "inactive", "active"]) | TEXT,
        "User-Agent": TEXT,
    },
)
_NAMES = st.sampled_from(
    [
        *("username", "password", "challenge", "code", "transport", "refresh_token", "refused_access_token"),
        *("everywhere", "open", ""),
    ]
)
_VALUES: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.sampled_from(["token", "cookie"]), TEXT, st.just([{}])
)
_OBJECTS = st.dictionaries(_NAMES, _VALUES, max_size=4)
BODIES = st.one_of(
    _OBJECTS.map(json.dumps), st.just("{}"), TEXT, st.sampled_from(["", "{}", "[]", "null", "{" * 9000, " " * 20000])
)
_FORMS = st.lists(
    st.builds(
        "{}={}".format,
        st.sampled_from(["grant_type", "username", "password", "auth_token", "refresh_token", "session_uuid", "scope"]),
        st.sampled_from(["password", "refresh_token", "client_credentials"]) | TEXT,
    ),
    max_size=5,
).map("&".join)


def random_requests(headers: st.SearchStrategy[Any], bodies: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return proxy events with these headers and bodies, and random values of the rest."""
    return st.builds(
        proxy_event,
        st.sampled_from(["POST", "POST", "POST", "GET", "OPTIONS"]),
        headers,
        bodies,
        st.sampled_from(["203.0.113.7", "2001:db8::7", "", "unknown"]) | TEXT,
        st.booleans(),
        st.none() | st.just({"a": "b"}),
    )


def proxy_event(
    method: str,
    headers: dict[str, str],
    body: str,
    address: str = "203.0.113.7",
    encoded: bool = False,
    query: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Return an event of API Gateway."""
    return event(
        httpMethod=method,
        headers=headers,
        body=body,
        isBase64Encoded=encoded,
        queryStringParameters=query,
        requestContext={"requestId": "soak", "identity": {"sourceIp": address}},
    )


_POST_FUNCTIONS = [name for name in FUNCTIONS if name not in ("authorizer", "session", "browser")]
_FORM_HEADERS = HEADERS.map(lambda headers: headers | {"Content-Type": "application/x-www-form-urlencoded"})
REQUESTS = st.tuples(
    st.sampled_from(_POST_FUNCTIONS), random_requests(HEADERS, BODIES) | random_requests(_FORM_HEADERS, _FORMS)
)

# ---- hostile cookies -----------------------------------------------------------------------------------------

# Characters that some code strips or folds, and browsers do not. The last three look like letters of the name.
_STRANGE = st.sampled_from(
    [*"\t \x00\x0b\x0c\x1c\x1f\x7f\x85\xa0\xad", *"\u1680\u2000\u200b\u2028\u2060\u3000\ufeff", *"\u017f\u0455\u212a"]
)
_COOKIE_NAME = st.one_of(
    st.just(cookie.SESSION),
    st.builds(lambda before, after: f"{before}{cookie.SESSION}{after}", _STRANGE | st.just(""), _STRANGE | st.just("")),
    st.builds(
        lambda at, new: cookie.SESSION[:at] + new + cookie.SESSION[at + 1 :],
        st.integers(0, len(cookie.SESSION) - 1),
        _STRANGE,
    ),
    st.sampled_from([cookie.SESSION.lower(), cookie.SESSION.upper(), cookie.BROWSER, cookie.SESSION[7:], ""]),
)
# "HANDLE" stands for the valid handle of a session.
_COOKIE_VALUE = st.one_of(
    st.just("HANDLE"), st.builds("{}HANDLE{}".format, _STRANGE | st.just(""), _STRANGE | st.just('"')), TEXT
)
COOKIES = st.lists(
    st.tuples(_COOKIE_NAME, st.sampled_from(["=", "=", "=", " = ", "==", ""]), _COOKIE_VALUE), min_size=1, max_size=3
).flatmap(
    lambda parts: st.sampled_from(["; ", ";", ";;", ";\t", ", "]).map(
        lambda separator: separator.join(map("".join, parts))
    )
)


def expected_values(header: str) -> set[str]:
    """Return the values of the session's cookie in a `Cookie` header, as browsers write it (RFC 6265bis, 5.8.3)."""
    pairs = [pair.split("=", 1) for pair in header.split(";") if "=" in pair]
    return {value.strip(" \t") for name, value in pairs if name.strip(" \t") == cookie.SESSION}


class RequestChecks:
    """The checks. `counts` receives how often each response occurred."""

    def __init__(self, functions: CoreFunctions, counts: Counter[str]) -> None:
        self._core = functions.core
        self._functions = functions
        self._counts = counts
        self._session = self._core.start_session(self._core.new_user())

    def check_request(self, request: tuple[str, dict[str, Any]]) -> None:
        """No random request signs a user in, and each gets a documented response."""
        function, proxy_request = request
        response = self._functions.call(function, proxy_request)
        self._counts[f"{function}: {response.status} {response.code}".strip()] += 1
        body = response.body or {}
        if function == "access_token" and response.status >= 400:
            assert "errors" in body, response
            assert response.status in {status for status, _ in DOCUMENTED}, response
        elif response.status >= 300:
            assert (response.status, response.code) in DOCUMENTED, response
        else:
            assert (response.status, body.get("status", "")) in HARMLESS, response
        assert "access_token" not in body

    def check_cookies(self, header: str) -> None:
        """A request has the session if, and only if, its handle is the one value of exactly our cookie."""
        handle = str(self._session.handle)
        header = header.replace("HANDLE", handle)
        request = proxy_event("POST", {"Origin": ORIGIN, "Cookie": header, "Content-Type": "application/json"}, "")
        response = self._functions.call("refresh", request)
        values = expected_values(header)
        if values == {handle}:
            expected = "signed_in"
        elif len(values) == 1 and values != {""}:
            expected = "session_ended"
        else:
            expected = "signed_out"
        self._counts[f"cookies: {expected}"] += 1
        actual = response.code or response.body["status"]
        assert actual == expected or (values == {""} and actual == "session_ended"), (header, response)
