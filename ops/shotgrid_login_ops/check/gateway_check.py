"""A deployed gateway, seen from outside: its routes, its answers' headers, and which pages may call it.

Nothing here counts as a failed sign-in or leaves state: every request is one that the gateway refuses as invalid
before it looks at anything, or that asks about nobody. What is expected is the README's HTTP contract.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shotgrid_login_ops.check.connection import Answer, Connection, NoAnswer
from shotgrid_login_ops.check.findings import Finding, ok, problem, shown, unknown

# A page that no deployment names: the top-level domain is reserved for what does not exist (RFC 6761, 6.4).
STRANGER = "https://not-allowed.invalid"

TOKEN_ENDPOINT = "/api/v1/auth/access_token"  # noqa: S105
# What it tells scripts, with the address of the site that the gateway is for.
_SITE_NAMED = re.compile(rf"(https?://[A-Za-z0-9.:-]+){TOKEN_ENDPOINT}$")

DEPLOY_AGAIN = "Deploy the stack of this checkout (sam build, sam deploy), then run the check again."


@dataclass(frozen=True)
class Route:
    """A request that is refused, or asks about nobody, and how: `said` is in the body's `code` or `status`."""

    name: str
    method: str
    path: str
    body: str
    status: int
    said: str = ""

    @property
    def expected(self) -> str:
        """The answer in a few words."""
        return f"{self.status} {self.said}".strip()


PASSWORD = Route("gateway.password", "POST", "/auth/password", "{}", 400, "invalid_request")
# Made by API Gateway itself, so of its body nothing is asked.
SESSION = Route("gateway.session", "GET", "/auth/session", "", 401)
# Scripts have nothing to do here; the code is the site's for a wrong request.
SCRIPTS = Route("gateway.token-endpoint", "POST", TOKEN_ENDPOINT, "grant_type=client_credentials", 400, "103")
ROUTES = (
    PASSWORD,
    Route("gateway.otp", "POST", "/auth/otp", "{}", 400, "invalid_request"),
    Route("gateway.refresh", "POST", "/auth/refresh", "{}", 200, "signed_out"),
    Route("gateway.logout", "POST", "/auth/logout", "{}", 204),
    SESSION,
    SCRIPTS,
)
MODULES = (("gateway.module", "/shotgrid-login.js"), ("gateway.element", "/shotgrid-login-element.js"))


def walk(connection: Connection, site_url: str, origins: Iterable[str]) -> list[Finding]:
    """Return the lines on a gateway; after the first request that nobody answers, no more are sent."""
    found: list[Finding] = []
    try:
        for finding in _lines(connection, site_url, origins):
            found.append(finding)  # noqa: PERF402 - what was found stays found when the next request fails
    except NoAnswer as none:
        found.append(none.finding("gateway"))
    return found


def is_there(findings: Iterable[Finding]) -> bool:
    """Whether the walk has met a gateway, with which a person could sign in."""
    return any(finding.name == PASSWORD.name and finding.value == PASSWORD.expected for finding in findings)


def _lines(connection: Connection, site_url: str, origins: Iterable[str]) -> Iterable[Finding]:
    first = _ask(connection, PASSWORD)
    if not _is_ours(first):
        yield _not_a_gateway(first)
        yield connection.tls("gateway")
        return
    yield ok("gateway.reachable", "answers", "It is this gateway.")
    yield connection.tls("gateway")
    answers = {PASSWORD: first} | {route: _ask(connection, route) for route in ROUTES if route != PASSWORD}
    for route, answer in answers.items():
        yield _route(route, answer)
    # API Gateway's own answers, to a missing bearer or a missing route, are not what a function has answered.
    yield _headers(
        {route.path: one for route, one in answers.items() if route != SESSION and one.status == route.status}
    )
    yield _cookies({route.path: answer for route, answer in answers.items()})
    for name, path in MODULES:
        yield _module(name, path, connection.ask("GET", path))
    for origin in origins:
        yield _allowed(connection, origin)
    yield _stranger(connection)
    yield _site(answers[SCRIPTS], site_url)


def _ask(connection: Connection, route: Route, **headers: str) -> Answer:
    if route is SCRIPTS:
        headers["content_type"] = "application/x-www-form-urlencoded"
    return connection.ask(route.method, route.path, body=route.body, **headers)


def said(answer: Answer) -> str:
    """Return a body's `code` or `status`, or the first code of the site's envelope; empty where it has none."""
    fields = answer.fields
    errors = fields.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        fields = errors[0]
    for name in ("code", "status"):
        if isinstance(fields.get(name), str | int) and fields[name] != answer.status:
            return shown(fields[name])
    return ""


def in_words(answer: Answer) -> str:
    """Return an answer's status and what it says."""
    return f"{answer.status} {said(answer)}".strip()


def what_to_do(answer: Answer) -> str:
    """Return the next step after an answer that should have been another one."""
    request_id = shown(answer.headers.get("x-request-id", ""))
    if answer.status == 429:
        return "The gateway is being throttled: run the check again in a minute, or raise ThrottleRate."
    if answer.status >= 500:
        return f"Look into the functions' logs{f' for request {request_id}' if request_id else ''}. {DEPLOY_AGAIN}"
    if answer.status in (403, 404):
        return f"{DEPLOY_AGAIN} If it stays so, look for a WAF or another API behind this address."
    return "Look for something in between that changes requests or answers (a proxy, a CDN, a WAF), or deploy again."


def _is_ours(answer: Answer) -> bool:
    # A refusal of ours, or of the gateway responses that the stack sets.
    return {"code", "title", "detail", "request_id"} <= answer.fields.keys()


def _not_a_gateway(answer: Answer) -> Finding:
    return problem(
        "gateway.reachable",
        f"status {answer.status}",
        "The host answers, but not as this gateway does.",
        "Give --gateway the stack's output Url, with the stage if it has one (…/v1), or the custom domain's root.",
    )


def _route(route: Route, answer: Answer) -> Finding:
    asked = f"{route.method} {route.path}"
    if answer.status == route.status and (not route.said or said(answer) == route.said):
        return ok(route.name, route.expected, f"{asked} is there and answers a request about nobody as documented.")
    return problem(
        route.name,
        in_words(answer),
        f"{asked} should answer {route.expected} to a request about nobody.",
        what_to_do(answer),
    )


def _headers(answers: Mapping[str, Answer]) -> Finding:
    missing = sorted(
        {
            f"{name} on {path}"
            for path, answer in answers.items()
            for name, there in (
                ("cache-control: no-store", "no-store" in answer.headers.get("cache-control", "")),
                ("x-content-type-options: nosniff", answer.headers.get("x-content-type-options") == "nosniff"),
                ("x-request-id", bool(answer.headers.get("x-request-id"))),
            )
            if not there
        }
    )
    if missing:
        return problem(
            "gateway.headers",
            f"{len(missing)} missing",
            f"Answers lack {', '.join(missing)}: tokens could end up in a cache.",
            "Look for a CDN or proxy in between that drops them, or deploy again.",
        )
    return ok(
        "gateway.headers",
        "as documented",
        "Answers are kept by no cache (no-store), and have nosniff and a request id.",
    )


def _cookies(answers: Mapping[str, Answer]) -> Finding:
    setting = sorted(path for path, answer in answers.items() if "set-cookie" in answer.headers)
    if setting:
        return problem(
            "gateway.cookies",
            "set for strangers",
            f"{', '.join(setting)} set a cookie for somebody who is not signed in.",
            "Look for a load balancer, CDN or proxy in between that adds its own, or deploy again.",
        )
    return ok("gateway.cookies", "none for strangers", "Who is not signed in gets no cookie.")


def _module(name: str, path: str, answer: Answer) -> Finding:
    expected = {
        "content-type": "text/javascript",
        "access-control-allow-origin": "*",
        "x-content-type-options": "nosniff",
        "cross-origin-resource-policy": "cross-origin",
    }
    wrong = [header for header, value in expected.items() if not answer.headers.get(header, "").startswith(value)]
    if answer.status != 200 or not answer.body:
        return problem(name, f"status {answer.status}", f"Pages cannot import {path}.", what_to_do(answer))
    if wrong:
        return problem(
            name,
            "wrong headers",
            f"Browsers refuse {path} in pages of other origins, or may: {', '.join(wrong)} not as documented.",
            "Look for a CDN or proxy in between that changes them, or deploy again.",
        )
    return ok(name, "served", f"Pages of any origin can import {path}.")


def _allowed(connection: Connection, origin: str) -> Finding:
    name = f"gateway.origin {origin}"
    preflight, answer = _as_page(connection, origin)
    headers = preflight.headers
    asks = (
        preflight.status == 204
        and "POST" in headers.get("access-control-allow-methods", "")
        and "content-type" in headers.get("access-control-allow-headers", "").lower()
    )
    if asks and answer.status == PASSWORD.status and _may_read(preflight, origin) and _may_read(answer, origin):
        return ok(name, "allowed", "Pages there can call the gateway and read its answers.")
    if said(answer) == "origin_not_allowed":
        return problem(
            name,
            "refused",
            "The gateway does not know this origin, so pages there cannot sign anybody in.",
            "Add it to AllowedOrigins and deploy, or correct it: scheme, host and port as the browser has them.",
        )
    return problem(
        name,
        f"{in_words(preflight)}, {in_words(answer)}",
        "Browsers keep the gateway's answers from pages there: preflight or CORS headers are not as documented.",
        what_to_do(answer if preflight.status == 204 else preflight),
    )


def _stranger(connection: Connection) -> Finding:
    preflight, answer = _as_page(connection, STRANGER)
    if answer.status == 403 and not _may_read(preflight, STRANGER) and not _may_read(answer, STRANGER):
        return ok(
            "gateway.strangers", "refused", f"Pages of an origin that is not allowed, such as {STRANGER}, are refused."
        )
    return problem(
        "gateway.strangers",
        in_words(answer),
        f"Pages of any origin, such as {STRANGER}, may call the gateway or read its answers: it should refuse them.",
        "Look for something in between that adds CORS headers or drops Origin (a CDN, a proxy), or deploy again.",
    )


def _as_page(connection: Connection, origin: str) -> tuple[Answer, Answer]:
    preflight = connection.ask(
        "OPTIONS",
        PASSWORD.path,
        origin=origin,
        access_control_request_method="POST",
        access_control_request_headers="content-type",
    )
    return preflight, _ask(connection, PASSWORD, origin=origin)


def _may_read(answer: Answer, origin: str) -> bool:
    """Whether a browser gives an answer to a page that asks with credentials (Fetch, 4.10)."""
    allowed = answer.headers.get("access-control-allow-origin", "")
    return allowed == origin and answer.headers.get("access-control-allow-credentials") == "true"


def _site(scripts: Answer, site_url: str) -> Finding:
    errors = scripts.fields.get("errors")
    detail = errors[0].get("detail") if isinstance(errors, list) and errors and isinstance(errors[0], dict) else None
    named = _SITE_NAMED.search(detail) if isinstance(detail, str) else None
    if named is None:
        return unknown(
            "gateway.site", None, "Which site the gateway is for cannot be seen from outside.", "Add --user to see it."
        )
    return same_site(named[1], site_url)


def same_site(seen: str, site_url: str) -> Finding:
    """Return the line on whether the gateway signs people in to the site that is checked."""
    if seen.lower() == site_url:
        return ok("gateway.site", shown(seen), "The gateway is for the site that is checked.")
    return problem(
        "gateway.site",
        shown(seen),
        f"The gateway signs people in to another site than {site_url}.",
        "Check that site instead, or deploy with ShotGridSiteUrl as it should be.",
    )
