"""One user's session through a gateway, from sign-in to sign-out.

With a password, the check acts as a page on the gateway's own site and uses the cookie transport. If the gateway does
not allow its own origin, it uses the token transport. In the browser, the check acts as a page of a given origin and
uses the token transport. It signs out in every case, also after a failure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

from shotgrid_login.app_session_launcher import is_approval_url
from shotgrid_login_ops.check.addresses import root
from shotgrid_login_ops.check.approval import Pending, wait
from shotgrid_login_ops.check.connection import Connection, NoResponse, Response
from shotgrid_login_ops.check.findings import Finding, ok, printable, problem, unknown
from shotgrid_login_ops.check.gateway_check import PASSWORD, code_of, compare_site, in_words, next_step
from shotgrid_login_ops.check.terminal import Credentials, Terminal

COOKIE = "__Host-shotgrid_login"
COOKIE_ATTRIBUTES = {"secure", "httponly", "samesite=strict", "path=/"}
_SET_COOKIE = re.compile(rf"{COOKIE}=([^;]+);(.*)")

# As the gateway requires it (`docs/http.md`). Used if a response does not contain the time. Seconds.
POLL_SECONDS = 5
APPROVAL_SECONDS = 300

AGAIN = "Run the check again."
# By error code (`docs/http.md`): what a failed sign-in means, and what to do.
_FAILURES = {
    "invalid_credentials": ("The site rejects this user name and password.", AGAIN),
    "invalid_otp": (
        "The site rejects this code, or the user name and password: some sites do not report which of them is wrong.",
        f"A code works once: wait for the next code of the app. {AGAIN}",
    ),
    "challenge_ended": ("The code was typed too late after the password.", AGAIN),
    "too_many_attempts": (
        "There were too many attempts to sign in by this user, or from this network.",
        f"Wait a quarter of an hour. {AGAIN}",
    ),
    "password_sign_in_disabled": (
        "The gateway's site accepts no passwords.",
        "See site.sign-in and gateway.site.",
    ),
    "site_unavailable": (
        "The gateway cannot reach its site, or the site does not respond in time.",
        "See gateway.site. If it is the site of this check, look for an IP allow list without the gateway.",
    ),
    "site_error": (
        "The gateway's site returns an unexpected response to the gateway.",
        "See gateway.site and the functions' logs. Look for an IP allow list or a proxy between gateway and site.",
    ),
}


_BROWSER_FAILURES = _FAILURES | {
    "origin_not_allowed": (
        "The gateway does not allow the origin of the check's request.",
        "Add --origin with an origin in AllowedOrigins. The check uses the first one.",
    ),
    "browser_sign_in_disabled": (
        "BrowserSignIn is off, this network is not in BrowserSignInNetworks, or the App Session Launcher is off.",
        "See site.browser. Else change the parameter and deploy, or run the check from one of the networks.",
    ),
    "challenge_ended": (
        "The request was declined, or the site has ended it. The site does not report which.",
        f"{AGAIN} If you did approve the request, look for approval_lost in the log of /auth/approval.",
    ),
    "too_many_attempts": (
        "There were too many starts of a sign-in from this network.",
        f"Wait ten minutes. {AGAIN}",
    ),
}


def sign_in_and_out(
    connection: Connection, site_url: str, credentials: Credentials, read_code: Callable[[], str]
) -> list[Finding]:
    """Sign in with a password, check the session, refresh and sign out. Raises what `read_code` raises."""
    session = _UserSession(connection)
    return _check_session(session, site_url, lambda: session.sign_in(credentials, read_code))


def sign_in_with_browser_and_out(
    connection: Connection, site_url: str, origin: str, terminal: Terminal
) -> list[Finding]:
    """Sign in with the browser as a page of `origin`, check the session, refresh and sign out."""
    session = _UserSession(connection)
    return _check_session(session, site_url, lambda: session.sign_in_with_browser(site_url, origin, terminal))


def _check_session(session: _UserSession, site_url: str, sign_in: Callable[[], Finding]) -> list[Finding]:
    found = [_try("user.sign-in", sign_in)]
    if not session.is_started:
        return found
    found.append(compare_site(session.site_url, site_url))
    if session.cookie_faults is not None:
        found.append(_cookie(session.cookie_faults))
    try:
        found.append(_try("user.session", session.check_user))
        found.append(_try("user.refresh", session.refresh))
    finally:
        found.append(_try("user.sign-out", session.sign_out))
    return found


def not_checked(reason: str) -> Finding:
    """Return the finding if no sign-in through the gateway was tried."""
    return unknown("user.sign-in", None, f"Not checked: {reason}")


class _UserSession:
    """One session of the gateway."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._page_headers: dict[str, str] = {}  # of a page on the gateway's own site; empty with the token transport
        self._handle = ""
        self._api_token = ""
        self.is_started = False
        self.site_url = ""
        self.cookie_faults: list[str] | None = None  # None with the token transport

    def sign_in(self, credentials: Credentials, read_code: Callable[[], str]) -> Finding:
        own_origin = root(self._connection.base)
        response = self._connection.request(PASSWORD.method, PASSWORD.path, body=PASSWORD.body, origin=own_origin)
        if response.status == PASSWORD.status:
            self._page_headers = {"origin": own_origin, "sec_fetch_site": "same-origin"}
        transport = "cookie" if self._page_headers else "token"
        fields = {"username": credentials.username, "password": credentials.password, "transport": transport}
        response = self._post("/auth/password", fields)
        value = "without a code"
        if response.status == 202 and isinstance(response.fields.get("challenge"), str):
            value = "with a code"
            code = read_code()
            if not code:
                return unknown(
                    "user.sign-in", "requires a code", "The gateway requires a code, and no code was typed.", AGAIN
                )
            fields = {"challenge": response.fields["challenge"], "code": code, "transport": transport}
            response = self._post("/auth/otp", fields)
        if not self._store_tokens(response):
            return _failed(response, _FAILURES)
        return ok("user.sign-in", value, "The gateway signs this user in, as it would for a page.")

    def sign_in_with_browser(self, site_url: str, origin: str, terminal: Terminal) -> Finding:
        start = self._connection.request("POST", "/auth/browser", body='{"transport": "token"}', origin=origin)
        challenge, url = start.fields.get("challenge"), start.fields.get("approval_url")
        if start.status != 202 or not isinstance(challenge, str):
            return _failed(start, _BROWSER_FAILURES)
        if not is_approval_url(url, site_url):
            return problem(
                "user.sign-in",
                "not the site's page",
                "The gateway sends users to a page that is not the approval page of this site. Do not open it.",
                "See gateway.site.",
            )
        body = json.dumps({"challenge": challenge, "transport": "token"})
        seconds = _seconds(start, "expires_in", APPROVAL_SECONDS)

        def poll() -> Response | Pending:
            try:
                # The time limit of a connection is for all its requests. The polls together can take longer.
                response = Connection(self._connection.base).request("POST", "/auth/approval", body=body, origin=origin)
            except NoResponse as error:
                return Pending(POLL_SECONDS, f"The gateway: {error.value}.")
            if response.status == 202:
                return Pending(_seconds(response, "interval", POLL_SECONDS))
            if response.status in (429, 503):
                return Pending(_seconds(response, "retry_after", POLL_SECONDS), f"The gateway: {in_words(response)}.")
            return response

        terminal.show_approval(
            f"Sign in with the browser through the gateway {self._connection.base}, as on a page of {origin}.",
            printable(start.fields.get("app_name", "")),
            str(url),
        )
        response = wait(terminal, seconds, _seconds(start, "interval", POLL_SECONDS), poll)
        if isinstance(response, Pending):
            return _not_approved(response, seconds)
        if not self._store_tokens(response):
            return _failed(response, _BROWSER_FAILURES)
        return ok("user.sign-in", "in the browser", "The gateway signs this user in, as it would for a page.")

    def check_user(self) -> Finding:
        response = self._get_session()
        user = response.fields.get("user")
        if response.status == 200 and isinstance(user, dict) and user.get("id"):
            return ok("user.session", "known", "The authorizer accepts the token, and the gateway returns its user.")
        return problem(
            "user.session",
            in_words(response),
            "The authorizer rejects a token that the gateway has just issued.",
            next_step(response),
        )

    def refresh(self) -> Finding:
        response = self._post("/auth/refresh", self._handle_in_body())
        if self._store_tokens(response):
            return ok("user.refresh", "works", "The session can be refreshed.")
        return problem("user.refresh", in_words(response), "The session cannot be refreshed.", next_step(response))

    def sign_out(self) -> Finding:
        response = self._post("/auth/logout", self._handle_in_body())
        if response.status != 204:
            return problem(
                "user.sign-out",
                in_words(response),
                "The sign-out failed. The session of this check ends by itself after IdleMinutes.",
                next_step(response),
            )
        after = self._get_session()
        if after.status != 401:
            return problem(
                "user.sign-out",
                f"{in_words(after)} after sign-out",
                "The authorizer still accepts the token after sign-out.",
                "Look for a cache between here and the gateway, and set the authorizer's ReauthorizeEvery to 0.",
            )
        return ok("user.sign-out", "works", "The session has ended, and the authorizer rejects its token.")

    def _post(self, path: str, fields: dict[str, str]) -> Response:
        cookie = {"cookie": f"{COOKIE}={self._handle}"} if self._page_headers and self._handle else {}
        return self._connection.request("POST", path, body=json.dumps(fields), **self._page_headers, **cookie)

    def _get_session(self) -> Response:
        return self._connection.request("GET", "/auth/session", authorization=f"Bearer {self._api_token}")

    def _handle_in_body(self) -> dict[str, str]:
        return {} if self._page_headers else {"refresh_token": self._handle}

    def _store_tokens(self, response: Response) -> bool:
        """Store `api_token` and handle of a response, and return whether it is a successful sign-in or refresh."""
        fields = response.fields
        if response.status != 200 or not isinstance(fields.get("access_token"), str) or not fields["access_token"]:
            return False
        self.is_started = True
        self._api_token = str(fields.get("api_token", ""))
        self.site_url = str(fields.get("site_url", ""))
        if self._page_headers:
            # A refresh that returns the same handle does not set the cookie again, and the browser keeps it.
            if not self._handle or "set-cookie" in response.headers:
                self._handle, self.cookie_faults = _read_cookie(response)
        else:
            self._handle = str(fields.get("refresh_token", ""))
        return True


def _failed(response: Response, failures: Mapping[str, tuple[str, str]]) -> Finding:
    meaning, what_to_do = failures.get(
        code_of(response), ("The gateway did not sign the user in.", next_step(response))
    )
    return problem("user.sign-in", in_words(response), meaning, what_to_do)


def _not_approved(pending: Pending, seconds: int) -> Finding:
    if pending.trouble:
        return problem(
            "user.sign-in",
            "no response",
            f"The gateway or its site stopped responding while the check waited for the approval, within {seconds} s.",
            f"Read the functions' logs. {AGAIN}",
        )
    return unknown(
        "user.sign-in",
        None,
        f"Not checked: the request was not approved within {seconds} s.",
        f"{AGAIN} Approve the request in the browser.",
    )


def _seconds(response: Response, name: str, default: int) -> int:
    """Return a field that has a number of seconds."""
    value = response.fields.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= APPROVAL_SECONDS:
        return default
    return value


def _read_cookie(response: Response) -> tuple[str, list[str]]:
    """Return the handle in the session cookie, and what is wrong with the cookie."""
    cookie = _SET_COOKIE.search(response.headers.get("set-cookie", ""))
    if cookie is None:
        return "", ["the cookie is not set"]
    attributes = {attribute.strip().lower() for attribute in cookie[2].split(";")}
    faults = [f"{attribute} is missing" for attribute in sorted(COOKIE_ATTRIBUTES - attributes)]
    if any(attribute.startswith("domain") for attribute in attributes):
        faults.append("it has a domain")
    if "refresh_token" in response.fields:
        faults.append("the response body also contains the handle")
    return cookie[1], faults


def _cookie(faults: list[str]) -> Finding:
    if not faults:
        return ok(
            "user.cookie",
            "as documented",
            "The session cookie is sent to the gateway only, and scripts in pages cannot read it.",
        )
    return problem(
        "user.cookie",
        "not as documented",
        f"The session cookie is not as documented: {', '.join(faults)}. Browsers may drop it, or let scripts read it.",
        "Look for a proxy or CDN in between that changes cookies, or deploy again.",
    )


def _try(name: str, step: Callable[[], Finding]) -> Finding:
    try:
        return step()
    except NoResponse as error:
        return problem(name, error.value, error.meaning, error.next_step)
