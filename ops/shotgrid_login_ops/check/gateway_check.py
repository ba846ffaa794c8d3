"""Checks of a deployed gateway from outside: its routes, its response headers, and which origins can call it.

These requests do not count as failed attempts and leave no state. The gateway rejects them as invalid before it does
any work, or they need no session. The expected responses are those of `docs/http.md`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from shotgrid_login import __version__
from shotgrid_login.sign_in_methods import Browser
from shotgrid_login_ops.check.connection import Connection, NoResponse, Response
from shotgrid_login_ops.check.findings import Finding, ok, printable, problem, unknown
from shotgrid_login_ops.check.gateway_responses import ORIGIN, check_own_responses, missing_headers
from shotgrid_login_ops.check.site_sign_in import SignIn

TOKEN_ENDPOINT = "/api/v1/auth/access_token"  # noqa: S105
# The end of the text with which the token endpoint rejects scripts. It contains the address of the gateway's site.
_SITE_IN_TEXT = re.compile(rf"(https?://[A-Za-z0-9.:-]+){TOKEN_ENDPOINT}$")

CACHED = "The gateway reads the site's methods every five minutes: run the check again then."
DEPLOY_AGAIN = "Deploy the stack of this checkout (sam build, sam deploy), then run the check again."


@dataclass(frozen=True)
class Route:
    """A request without credentials, and the response that it should get.

    Attributes:
        name: of the finding.
        status: the expected HTTP status.
        code: what `code_of` should return for the response; empty if the body is not checked.
    """

    name: str
    method: str
    path: str
    body: str
    status: int
    code: str = ""

    @property
    def expected(self) -> str:
        """The expected response in a few words."""
        return f"{self.status} {self.code}".strip()


PASSWORD = Route("gateway.password", "POST", "/auth/password", "{}", 400, "invalid_request")
# Its response can be cached, unlike those of ROUTES.
METHODS = "/auth/methods"
# API Gateway itself rejects this request, so the body is not checked.
SESSION = Route("gateway.session", "GET", "/auth/session", "", 401)
# The token endpoint rejects scripts, with the site's error code for an invalid request.
SCRIPTS = Route("gateway.token-endpoint", "POST", TOKEN_ENDPOINT, "grant_type=client_credentials", 400, "103")
ROUTES = (
    PASSWORD,
    Route("gateway.otp", "POST", "/auth/otp", "{}", 400, "invalid_request"),
    Route("gateway.refresh", "POST", "/auth/refresh", "{}", 200, "signed_out"),
    Route("gateway.logout", "POST", "/auth/logout", "{}", 204),
    # These two accept requests of pages only, and this one has no Origin.
    Route("gateway.browser", "POST", "/auth/browser", "{}", 403, "origin_not_allowed"),
    Route("gateway.approval", "POST", "/auth/approval", "{}", 403, "origin_not_allowed"),
    SESSION,
    SCRIPTS,
)
# The modules that pages import. They import others.
MODULES = {"/shotgrid-login.js": "gateway.module", "/shotgrid-login-element.js": "gateway.element"}
LARGE_MODULE = "/shotgrid-login-element.js"
_IMPORT = re.compile(rb"""\b(?:from\s*|import\s*\(\s*)["']\./([A-Za-z0-9-]+\.js)["']""")


def check_gateway(
    connection: Connection, site_url: str, origins: Iterable[str], sign_in: SignIn | None
) -> list[Finding]:
    """Return the findings. The check ends with the first request that gets no response.

    `sign_in` is how users sign in as the site reports it to this check; None if the site did not respond.
    """
    found: list[Finding] = []
    try:
        for finding in _findings(connection, site_url, origins, sign_in):
            found.append(finding)  # noqa: PERF402 - keeps the findings before a failed request
    except NoResponse as error:
        found.append(error.finding("gateway"))
    return found


def can_sign_in(findings: Iterable[Finding]) -> bool:
    """Whether the findings show a gateway whose password route works."""
    return any(finding.name == PASSWORD.name and finding.value == PASSWORD.expected for finding in findings)


def _findings(
    connection: Connection, site_url: str, origins: Iterable[str], sign_in: SignIn | None
) -> Iterator[Finding]:
    first = _send(connection, PASSWORD)
    if not _is_from_gateway(first):
        yield _not_a_gateway(first)
        yield connection.tls("gateway")
        return
    yield ok("gateway.reachable", "responds", "This is a gateway of this project.")
    yield connection.tls("gateway")
    yield compare_version(first)
    responses = {PASSWORD: first} | {route: _send(connection, route) for route in ROUTES if route != PASSWORD}
    for route, response in responses.items():
        yield _route(route, response)
    yield compare_methods(connection.request("GET", METHODS), site_url, sign_in)
    # SESSION is one of API Gateway's own responses.
    yield _headers(
        {
            route.path: response
            for route, response in responses.items()
            if route != SESSION and _is_expected(route, response)
        }
    )
    yield from check_own_responses(connection)
    yield _compression(connection, responses.values())
    yield _cookies({route.path: response for route, response in responses.items()})
    for path, name in MODULES.items():
        yield _module(connection, name, path)
    for origin in origins:
        yield _listed_origin(connection, origin)
    yield _unlisted_origin(connection)
    yield _site(responses[SCRIPTS], site_url)


def _send(connection: Connection, route: Route, **headers: str) -> Response:
    if route is SCRIPTS:
        headers["content_type"] = "application/x-www-form-urlencoded"
    return connection.request(route.method, route.path, body=route.body, **headers)


def code_of(response: Response) -> str:
    """Return a body's `code`, else its `status`, such as `signed_out`; empty if it has neither.

    Of the site's error envelope, the first error counts. A `status` that repeats the HTTP status does not count.
    """
    fields = response.fields
    errors = fields.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        fields = errors[0]
    for name in ("code", "status"):
        if isinstance(fields.get(name), str | int) and fields[name] != response.status:
            return printable(fields[name])
    return ""


def in_words(response: Response) -> str:
    """Return a response's status and code."""
    return f"{response.status} {code_of(response)}".strip()


def next_step(response: Response) -> str:
    """Return what to do after an unexpected response."""
    request_id = printable(response.headers.get("x-request-id", ""))
    if response.status == 429:
        return "The gateway throttles requests: run the check again in a minute, or raise ThrottleRate."
    if response.status >= 500:
        return f"Read the functions' logs{f' for request {request_id}' if request_id else ''}. {DEPLOY_AGAIN}"
    if response.status in (403, 404):
        return f"{DEPLOY_AGAIN} If the result is the same, look for a WAF or another API at this address."
    return "Look for a proxy, CDN or WAF in between that changes requests or responses, or deploy again."


def _is_from_gateway(response: Response) -> bool:
    """Whether a response has the body of an error response of this gateway, or of the stack's gateway responses."""
    return {"code", "title", "detail", "request_id"} <= response.fields.keys()


def _not_a_gateway(response: Response) -> Finding:
    return problem(
        "gateway.reachable",
        f"status {response.status}",
        "The host responds, but not as this gateway.",
        "Set --gateway to the stack's output Url, with the stage if it has one (…/v1), or to the custom domain's root.",
    )


def compare_version(response: Response) -> Finding:
    """Compare the version of the gateway with that of this command."""
    version = response.headers.get("x-gateway-version")
    if version is None:
        return unknown("gateway.version", None, "The response does not show the version of the gateway.", DEPLOY_AGAIN)
    if version == __version__:
        return ok("gateway.version", printable(version), "The gateway has the version of this command.")
    return ok(
        "gateway.version",
        printable(version),
        f"This command has version {__version__}. Other lines can differ because of that.",
    )


def _route(route: Route, response: Response) -> Finding:
    request = f"{route.method} {route.path}"
    if _is_expected(route, response):
        return ok(route.name, route.expected, f"{request} responds as documented to a request without credentials.")
    return problem(
        route.name,
        in_words(response),
        f"{request} should return {route.expected} for a request without credentials.",
        next_step(response),
    )


def compare_methods(response: Response, site_url: str, sign_in: SignIn | None) -> Finding:
    """Compare what the gateway offers to pages with what the site reports to this check."""
    name = "gateway.methods"
    fields = response.fields
    names = ("site_url", "method", "password", "browser")
    if response.status != 200 or not all(isinstance(fields.get(field), str) for field in names):
        return problem(
            name, in_words(response), f"GET {METHODS} should return how users can sign in.", next_step(response)
        )
    value = printable(f"password {fields['password']}, browser {fields['browser']}")
    if sign_in is None or fields["site_url"].lower() != site_url:
        return ok(name, value, "The gateway offers this to pages. It was not compared with the site of this check.")
    if fields["browser"] == Browser.UNKNOWN.value:
        return problem(
            name,
            value,
            "The site describes itself to this check, but not to the gateway. Pages offer both ways to sign in.",
            "Run the check again in a minute. Then look for an IP allow list of the site without the gateway.",
        )
    if fields["method"] != sign_in.known_method:
        return problem(
            name,
            value,
            f"The gateway offers what it read when the site's sign-in method was {printable(fields['method'])}.",
            f"{CACHED} If the result is the same, look for a CDN in between that caches {METHODS}.",
        )
    if fields["browser"] == Browser.NO.value and sign_in.has_launcher:
        meaning = "The site's App Session Launcher is on, but the gateway does not offer the browser sign-in."
        if sign_in.needs_launcher:
            return problem(name, value, f"{meaning} Users of this site need it.", f"Set BrowserSignIn to on. {CACHED}")
        return ok(name, value, f"{meaning} This is correct with BrowserSignIn=off.")
    if fields["browser"] == Browser.YES.value and not sign_in.has_launcher:
        return problem(
            name,
            value,
            "The gateway offers the browser sign-in, but the site's App Session Launcher is off.",
            CACHED,
        )
    return ok(name, value, "The gateway offers pages what the site supports.")


def _is_expected(route: Route, response: Response) -> bool:
    return response.status == route.status and (not route.code or code_of(response) == route.code)


def _headers(responses: Mapping[str, Response]) -> Finding:
    missing = sorted(
        {f"{name} on {path}" for path, response in responses.items() for name in missing_headers(response)}
    )
    if missing:
        return problem(
            "gateway.headers",
            f"{len(missing)} missing",
            f"Responses lack these headers, or change them: {', '.join(missing)}. Without no-store, a cache could "
            "store tokens.",
            "Look for a CDN or proxy in between that removes them, or deploy again.",
        )
    return ok(
        "gateway.headers",
        "as documented",
        "Responses are not cached, and have the headers that protect users, and a request id.",
    )


def _compression(connection: Connection, responses: Iterable[Response]) -> Finding:
    """Check that only files are compressed: the length of a compressed secret can reveal it (BREACH)."""
    if any("content-encoding" in response.headers for response in responses):
        return problem(
            "gateway.compression",
            "also responses",
            "Responses that can contain a secret are compressed. Their length can then reveal it.",
            "Look for a CDN or proxy in between that compresses responses.",
        )
    module = connection.request("GET", LARGE_MODULE)
    if "content-encoding" in module.headers:
        return ok("gateway.compression", "files only", "API Gateway compresses large files, and no secrets.")
    return ok("gateway.compression", "none", "No response is compressed. Pages load more than necessary.")


def _cookies(responses: Mapping[str, Response]) -> Finding:
    paths = sorted(path for path, response in responses.items() if "set-cookie" in response.headers)
    if paths:
        return problem(
            "gateway.cookies",
            "set before sign-in",
            f"{', '.join(paths)} set a cookie although the caller is not signed in.",
            "Look for a load balancer, CDN or proxy in between that adds its own cookie, or deploy again.",
        )
    return ok("gateway.cookies", "none before sign-in", "A caller who is not signed in gets no cookie.")


def _module(connection: Connection, name: str, path: str) -> Finding:
    """Check a module, and the modules that it imports if pages do not import them too."""
    served: list[str] = []
    waiting = [path]
    while waiting:
        current = waiting.pop(0)
        response = connection.request("GET", current)
        if (finding := _module_problem(name, current, response)) is not None:
            return finding
        served.append(current)
        imported = dict.fromkeys(f"/{file.decode()}" for file in _IMPORT.findall(response.body))
        waiting += [file for file in imported if file not in (*served, *waiting, *MODULES)]
    others = f", with {', '.join(served[1:])}" if served[1:] else ""
    return ok(name, "served", f"Pages of any origin can import {path}{others}.")


def _module_problem(name: str, path: str, response: Response) -> Finding | None:
    expected = {
        "content-type": "text/javascript",
        "access-control-allow-origin": "*",
        "x-content-type-options": "nosniff",
        "cross-origin-resource-policy": "cross-origin",
    }
    wrong = [header for header, value in expected.items() if not response.headers.get(header, "").startswith(value)]
    if response.status != 200 or not response.body:
        return problem(name, f"status {response.status}", f"Pages cannot import {path}.", next_step(response))
    if wrong:
        return problem(
            name,
            "wrong headers",
            f"Browsers may block {path} in pages of other origins. These headers are not as documented: "
            f"{', '.join(wrong)}.",
            "Look for a CDN or proxy in between that changes them, or deploy again.",
        )
    return None


def _listed_origin(connection: Connection, origin: str) -> Finding:
    name = f"gateway.origin {origin}"
    preflight, response = _call_as_page(connection, origin)
    is_preflight_valid = (
        preflight.status == 204
        and "POST" in preflight.headers.get("access-control-allow-methods", "")
        and "content-type" in preflight.headers.get("access-control-allow-headers", "").lower()
    )
    if (
        is_preflight_valid
        and response.status == PASSWORD.status
        and _is_readable(preflight, origin)
        and _is_readable(response, origin)
    ):
        return ok(name, "allowed", "Pages of this origin can call the gateway and read its responses.")
    if code_of(response) == "origin_not_allowed":
        return problem(
            name,
            "rejected",
            "The gateway does not allow this origin, so its pages cannot sign users in.",
            "Add the origin to AllowedOrigins and deploy, or correct it: use scheme, host and port as in the browser.",
        )
    return problem(
        name,
        f"{in_words(preflight)}, {in_words(response)}",
        "Pages of this origin cannot read the gateway's responses: preflight or CORS headers are not as documented.",
        next_step(response if preflight.status == 204 else preflight),
    )


def _unlisted_origin(connection: Connection) -> Finding:
    preflight, response = _call_as_page(connection, ORIGIN)
    is_readable = _is_readable(preflight, ORIGIN) or _is_readable(response, ORIGIN)
    if response.status == 403 and not is_readable:
        return ok(
            "gateway.strangers",
            "rejected",
            f"The gateway rejects pages of an origin that is not allowed, such as {ORIGIN}.",
        )
    return problem(
        "gateway.strangers",
        in_words(response),
        f"Pages of any origin, such as {ORIGIN}, can call the gateway or read its responses. It should reject them.",
        "Look for a CDN or proxy in between that adds CORS headers or removes Origin, or deploy again.",
    )


def _call_as_page(connection: Connection, origin: str) -> tuple[Response, Response]:
    """Send what a browser sends for a page's request, and return the responses to preflight and request."""
    preflight = connection.request(
        "OPTIONS",
        PASSWORD.path,
        origin=origin,
        access_control_request_method="POST",
        access_control_request_headers="content-type",
    )
    return preflight, _send(connection, PASSWORD, origin=origin)


def _is_readable(response: Response, origin: str) -> bool:
    """Whether a browser lets a page read the response to a request with credentials (Fetch, 4.10)."""
    allowed = response.headers.get("access-control-allow-origin", "")
    return allowed == origin and response.headers.get("access-control-allow-credentials") == "true"


def _site(response: Response, site_url: str) -> Finding:
    """Read the gateway's site from the text with which the token endpoint rejects scripts."""
    errors = response.fields.get("errors")
    detail = errors[0].get("detail") if isinstance(errors, list) and errors and isinstance(errors[0], dict) else None
    found = _SITE_IN_TEXT.search(detail) if isinstance(detail, str) else None
    if found is None:
        return unknown(
            "gateway.site", None, "The gateway does not show which site it is for.", "Add --user to check it."
        )
    return compare_site(found[1], site_url)


def compare_site(gateway_site: str, site_url: str) -> Finding:
    """Return whether the gateway's site is the site of this check."""
    if gateway_site.lower() == site_url:
        return ok("gateway.site", printable(gateway_site), "The gateway is for the site of this check.")
    return problem(
        "gateway.site",
        printable(gateway_site),
        f"The gateway signs users in to another site than {site_url}.",
        "Check that site instead, or deploy the gateway with the right ShotGridSiteUrl.",
    )
