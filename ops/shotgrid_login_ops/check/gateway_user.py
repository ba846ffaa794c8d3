"""A person's whole way through a gateway: sign in, who am I, refresh, sign out, and signed out indeed.

It goes as a page on the gateway's own site does, with the cookie, where the gateway lets that; else with the handle
in the body. Whatever happens on the way, it signs out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from shotgrid_login_ops.check.addresses import root
from shotgrid_login_ops.check.connection import Answer, Connection, NoAnswer
from shotgrid_login_ops.check.findings import Finding, ok, problem, unknown
from shotgrid_login_ops.check.gateway_check import PASSWORD, in_words, said, same_site, what_to_do
from shotgrid_login_ops.check.person import Credentials, Person

COOKIE = "__Host-shotgrid_login"
COOKIE_ATTRIBUTES = {"secure", "httponly", "samesite=strict", "path=/"}
_SET_COOKIE = re.compile(rf"{COOKIE}=([^;]+);(.*)")

AGAIN = "Run the check again."
# What a refused sign-in means, by the code of the HTTP contract.
_REFUSALS = {
    "invalid_credentials": ("The site does not accept this user name and password.", AGAIN),
    "invalid_otp": (
        "The site did not accept this code, or the user name and password with it: it may not tell them apart.",
        f"A code works once: wait for the app's next one. {AGAIN}",
    ),
    "challenge_ended": ("It took too long from the password to the code.", AGAIN),
    "too_many_attempts": (
        "There were too many failed sign-ins of this user, or from this address.",
        f"Wait a quarter of an hour. {AGAIN}",
    ),
    "password_sign_in_disabled": (
        "The gateway's site does not sign people in by password.",
        "See what site.sign-in and gateway.site say.",
    ),
    "site_unavailable": (
        "The gateway cannot reach its site, or gets no answer in time.",
        "See gateway.site: if it is the site that is checked, look for an IP allow list that leaves the gateway out.",
    ),
    "site_error": (
        "The gateway's site gives it an answer that it does not know.",
        "See gateway.site; look for an IP allow list or proxy between gateway and site. The functions' logs say more.",
    ),
}


def whole_way(connection: Connection, site_url: str, credentials: Credentials, person: Person) -> list[Finding]:
    """Sign in, look around, sign out, and return the lines; raises `NoTerminal`."""
    way = _Way(connection)
    found = [_tried("user.sign-in", lambda: way.sign_in(credentials, person))]
    if not way.access_token:
        return found
    found.append(same_site(way.site_url, site_url))
    if way.cookie_faults is not None:
        found.append(_cookie(way.cookie_faults))
    try:
        found.append(_tried("user.session", way.who_am_i))
        found.append(_tried("user.refresh", way.refresh))
    finally:
        found.append(_tried("user.sign-out", way.sign_out))
    return found


def not_tried(why: str) -> Finding:
    """Say that a person's way was not gone, and why."""
    return unknown("user.sign-in", None, f"Not tried: {why}")


class _Way:
    """One session, from its start to its end."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._page: dict[str, str] = {}  # the headers of a page on the gateway's own site; none without a cookie
        self._handle = ""
        self.access_token = ""
        self.site_url = ""
        self.cookie_faults: list[str] | None = None  # None where no cookie was to come

    def sign_in(self, credentials: Credentials, person: Person) -> Finding:
        own = root(self._connection.base)
        if (
            self._connection.ask(PASSWORD.method, PASSWORD.path, body=PASSWORD.body, origin=own).status
            == PASSWORD.status
        ):
            self._page = {"origin": own, "sec_fetch_site": "same-origin"}
        transport = "cookie" if self._page else "token"
        fields = {"username": credentials.username, "password": credentials.password, "transport": transport}
        answer = self._post("/auth/password", fields)
        way = "without a code"
        if answer.status == 202 and isinstance(answer.fields.get("challenge"), str):
            way = "with a code"
            code = person.code()
            if not code:
                return unknown(
                    "user.sign-in", "asks for a code", "The gateway asks for the code. None was typed.", f"{AGAIN}"
                )
            fields = {"challenge": answer.fields["challenge"], "code": code, "transport": transport}
            answer = self._post("/auth/otp", fields)
        if not self._take(answer):
            meaning, next_step = _REFUSALS.get(said(answer), ("The gateway did not sign in.", what_to_do(answer)))
            return problem("user.sign-in", in_words(answer), meaning, next_step)
        return ok("user.sign-in", way, "The gateway signs this person in, as a page would.")

    def who_am_i(self) -> Finding:
        answer = self._session()
        user = answer.fields.get("user")
        if answer.status == 200 and isinstance(user, dict) and user.get("id"):
            return ok("user.session", "known", "The authorizer lets the token in, and the gateway knows whose it is.")
        return problem(
            "user.session",
            in_words(answer),
            "The authorizer does not let in a token just handed out.",
            what_to_do(answer),
        )

    def refresh(self) -> Finding:
        answer = self._post("/auth/refresh", self._carried())
        if self._take(answer):
            return ok("user.refresh", "works", "The session can be kept alive.")
        return problem("user.refresh", in_words(answer), "The session cannot be kept alive.", what_to_do(answer))

    def sign_out(self) -> Finding:
        answer = self._post("/auth/logout", self._carried())
        if answer.status != 204:
            return problem(
                "user.sign-out",
                in_words(answer),
                "Signing out did not work. The session of this check ends by itself after IdleMinutes.",
                what_to_do(answer),
            )
        after = self._session()
        if after.status != 401:
            return problem(
                "user.sign-out",
                f"{in_words(after)} after it",
                "The authorizer still lets in the token of a session that was signed out.",
                "Look for a cache between here and the gateway, and set the authorizer's ReauthorizeEvery to 0.",
            )
        return ok("user.sign-out", "works", "Signed out: the gateway forgot the session and refuses its token.")

    def _post(self, path: str, fields: dict[str, str]) -> Answer:
        cookie = {"cookie": f"{COOKIE}={self._handle}"} if self._page and self._handle else {}
        return self._connection.ask("POST", path, body=json.dumps(fields), **self._page, **cookie)

    def _session(self) -> Answer:
        return self._connection.ask("GET", "/auth/session", authorization=f"Bearer {self.access_token}")

    def _carried(self) -> dict[str, str]:
        return {} if self._page else {"refresh_token": self._handle}

    def _take(self, answer: Answer) -> bool:
        """Keep what a signed-in answer holds; return whether it is one."""
        fields = answer.fields
        if answer.status != 200 or not isinstance(fields.get("access_token"), str) or not fields["access_token"]:
            return False
        self.access_token = fields["access_token"]
        self.site_url = str(fields.get("site_url", ""))
        if self._page:
            self._handle, self.cookie_faults = _parsed(answer)
        else:
            self._handle = str(fields.get("refresh_token", ""))
        return True


def _parsed(answer: Answer) -> tuple[str, list[str]]:
    """Return the handle of a cookie, and what is wrong with the cookie."""
    cookie = _SET_COOKIE.search(answer.headers.get("set-cookie", ""))
    if cookie is None:
        return "", ["it is not set"]
    attributes = {attribute.strip().lower() for attribute in cookie[2].split(";")}
    faults = [f"{attribute} is missing" for attribute in sorted(COOKIE_ATTRIBUTES - attributes)]
    if any(attribute.startswith("domain") for attribute in attributes):
        faults.append("it has a domain")
    if "refresh_token" in answer.fields:
        faults.append("the handle is in the body as well")
    return cookie[1], faults


def _cookie(faults: list[str]) -> Finding:
    if not faults:
        return ok(
            "user.cookie", "as documented", "The session's cookie is for the gateway alone, and no script can read it."
        )
    return problem(
        "user.cookie",
        "not as documented",
        f"Of the session's cookie: {', '.join(faults)}. Browsers drop it, or show it to scripts.",
        "Look for a proxy or CDN in between that changes cookies, or deploy again.",
    )


def _tried(name: str, step: Callable[[], Finding]) -> Finding:
    try:
        return step()
    except NoAnswer as none:
        return problem(name, none.value, none.meaning, none.next_step)
