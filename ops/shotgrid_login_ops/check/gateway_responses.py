"""Checks of the responses that API Gateway makes itself, instead of a function.

Local AWS accepts more than API Gateway does in the definition of these responses, such as headers in any letter case.
So only a deployed stack shows whether pages can read them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from shotgrid_login_ops.check.connection import Connection, Response
from shotgrid_login_ops.check.findings import Finding, ok, printable, problem, unknown

# API Gateway cannot check the origin, so these responses allow every origin. This one never exists (RFC 6761, 6.4).
ORIGIN = "https://not-allowed.invalid"

# What every response of the gateway has, also those of functions. A file has another `cache-control`.
HEADERS = {
    "cache-control": "no-store",
    "strict-transport-security": "max-age=31536000",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}
_READABLE = {"access-control-allow-origin": ORIGIN, "access-control-allow-credentials": "true"}

# A route that does not exist. It has two parts, because `GET /{file}` is a route.
_NO_ROUTE = "/auth/no-such-route"

_DEPLOY_AGAIN = (
    "Deploy the stack of this checkout (sam build, sam deploy). If the result is the same, look for a proxy or CDN in "
    "between that removes headers."
)


@dataclass(frozen=True)
class OwnResponse:
    """A request that API Gateway itself rejects, and the response that it should get.

    Attributes:
        name: of the finding.
        status, code: of the expected response.
        headers: of the request, written with `_` for `-`.
    """

    name: str
    method: str
    path: str
    status: int
    code: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""

    def send(self, connection: Connection) -> Response:
        """Send the request as a page of `ORIGIN`."""
        return connection.request(self.method, self.path, body=self.body, **{"origin": ORIGIN, **self.headers})


NO_ROUTE = OwnResponse("gateway.no-route", "POST", _NO_ROUTE, 404, "not_found")
# API Gateway can take any header `Authorization` for a signature of AWS.
NO_ROUTE_WITH_BEARER = OwnResponse(
    "gateway.no-route-bearer", "POST", _NO_ROUTE, 404, "not_found", {"authorization": "Bearer not-a-token"}
)
NO_BEARER = OwnResponse("gateway.no-bearer", "GET", "/auth/session", 401, "invalid_token")
# API Gateway calls the authorizer, which rejects the bearer.
INVALID_BEARER = OwnResponse(
    "gateway.invalid-bearer", "GET", "/auth/session", 401, "invalid_token", {"authorization": "Bearer not-a-token"}
)
# API Gateway decompresses requests. One that is not compressed gets 415 (AWS documentation: Call an API method with a
# compressed payload).
NOT_COMPRESSED = OwnResponse(
    "gateway.bad-request", "POST", "/auth/password", 415, "bad_request", {"content_encoding": "gzip"}, "not compressed"
)


def check_own_responses(connection: Connection) -> Iterator[Finding]:
    """Yield a finding for each kind of response that a request without credentials can cause; raises `NoResponse`."""
    for own in (NO_ROUTE, NO_ROUTE_WITH_BEARER, NO_BEARER, INVALID_BEARER, NOT_COMPRESSED):
        yield _finding(own, own.send(connection))
    yield _letter_case(connection.request(NO_ROUTE.method, NO_ROUTE.path, Origin=ORIGIN))


def _finding(own: OwnResponse, response: Response) -> Finding:
    code = printable(response.fields.get("code", ""))
    value = f"{response.status} {code}".strip()
    request = f"{own.method} {own.path}"
    if (response.status, code) == (own.status, own.code):
        if missing := _missing(own, response):
            return problem(
                own.name,
                f"{len(missing)} missing",
                f"API Gateway's own response to {request} lacks {', '.join(missing)}, or they have other values. Pages "
                "need the access-control headers, and the others protect users.",
                _DEPLOY_AGAIN,
            )
        return ok(own.name, value, f"API Gateway's own response to {request} is as documented, and pages can read it.")
    if own is NO_ROUTE_WITH_BEARER and response.status == 403:
        return unknown(
            own.name,
            value,
            f"API Gateway takes the bearer for a signature of AWS, so {request} returns 403 instead of 404. No route "
            "of the gateway is affected.",
        )
    # A function rejects the origin first.
    if own is NOT_COMPRESSED and code == "origin_not_allowed":
        return unknown(own.name, None, "API Gateway did not reject a body that is not compressed as announced.")
    if own is NOT_COMPRESSED and response.status == own.status:
        return unknown(
            own.name,
            value,
            "API Gateway rejected the request before it knew the API, so the response has none of our headers. Pages "
            "never send such a request.",
        )
    return problem(
        own.name, value, f"API Gateway should respond to {request} with {own.status} {own.code}.", _DEPLOY_AGAIN
    )


def missing_headers(response: Response) -> list[str]:
    """Return the names of the headers that every response should have, and that this one lacks or changes."""
    missing = [name for name, value in HEADERS.items() if response.headers.get(name) != value]
    return missing if response.headers.get("x-request-id") else [*missing, "x-request-id"]


def _missing(own: OwnResponse, response: Response) -> list[str]:
    missing = [name for name, value in _READABLE.items() if response.headers.get(name) != value]
    if "origin" not in response.headers.get("vary", "").lower():
        missing.append("vary")
    if own.status == 401 and "Bearer" not in response.headers.get("www-authenticate", ""):
        missing.append("www-authenticate")
    return missing + missing_headers(response)


def _letter_case(response: Response) -> Finding:
    """Return whether a client of HTTP/1.1, which sends `Origin`, can read the responses too."""
    if response.headers.get("access-control-allow-origin") == ORIGIN:
        return ok("gateway.origin-case", "any", "API Gateway accepts the header Origin in any letter case.")
    return ok(
        "gateway.origin-case",
        "lower only",
        "API Gateway reads the header origin only in lower case, as browsers send it with HTTP/2. Pages behind a proxy "
        "that speaks HTTP/1.1 cannot read its own responses.",
    )
