"""The move to two-factor authentication, rehearsed: `make rehearsal`, or `python -m tests.rehearsal`.

The three ways to a ShotGrid site, each by clients that nobody here wrote where there are any: before the site's switch,
across it with what was open then, and after it. What each of them saw makes one cell of a table.
"""

from __future__ import annotations

import itertools
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import requests
from shotgun_api3.shotgun import AuthenticationFault, MissingTwoFactorAuthenticationFault, Shotgun

from tests.local.stack import CERTIFICATE, DOMAIN, LocalAws
from tests.local.webhook import Webhook, deploy_webhook
from tests.site.fake_site import Account, FakeSite
from tests.site.show import make_show
from tests.support.client import ORIGINS, PAGE, Gateway, Response

PHASES = ("before", "across the switch", "after")

# Both values of what nobody has seen of sites, as far as it matters here.
UNKNOWNS: dict[str, tuple[Any, Any]] = {
    "password_checked_first": (True, False),
    "wrong_code": (102, 106),
    "retires_refresh_tokens": (True, False),
}

Table = dict[str, dict[str, str]]  # what was seen, by way and phase


@dataclass(frozen=True)
class Stage:
    """A site, a webhook that was there first, and a deployed gateway."""

    site: FakeSite
    webhook: Webhook
    gateway: Gateway


@contextmanager
def stage() -> Iterator[Stage]:
    """Start everything, the studio's webhook before the gateway."""
    with ExitStack() as running:
        site = running.enter_context(FakeSite(show=make_show(datetime.now(UTC).date())))
        aws = running.enter_context(LocalAws())
        webhook = deploy_webhook(aws, site)
        outputs = aws.deploy(
            {
                "ShotGridSiteUrl": site.url,
                "AllowedOrigins": ORIGINS,
                "DomainName": DOMAIN,
                "CertificateArn": CERTIFICATE,
            }
        )
        yield Stage(site, webhook, Gateway(aws, site, outputs, host=f"{DOMAIN}:{aws.port}"))


def unknowns() -> list[dict[str, Any]]:
    """Return every combination of what nobody knows of sites."""
    return [dict(zip(UNKNOWNS, values, strict=True)) for values in itertools.product(*UNKNOWNS.values())]


def rehearse(on: Stage, site_is: dict[str, Any]) -> Table:
    """Walk all ways through the switch, on a site that has it off, and return what was seen."""
    on.site.switch(two_factor=False, **site_is)
    ways = (ScriptKey(on), UserAndPassword(on), HostedPage(on))
    table: Table = {way.name: {} for way in ways}
    for phase in PHASES:
        if phase == "across the switch":
            on.site.switch(two_factor=True)
        for way in ways:
            step: Callable[[], str] = {
                "before": way.before,
                "across the switch": way.across,
                "after": way.after,
            }[phase]
            try:
                table[way.name][phase] = step()
            except Exception as error:  # noqa: BLE001 - whatever happens is what the table has to say
                table[way.name][phase] = f"BROKEN: {type(error).__name__}: {error}"
    return table


def written(table: Table) -> str:
    """Write a table for people, in Markdown."""
    rows = [["", *PHASES], *([way, *(seen[phase] for phase in PHASES)] for way, seen in table.items())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


class ScriptKey:
    """An on-prem script through shotgun_api3, and the webhook, each with a script key."""

    name = "scripts and webhooks, with a script key"

    def __init__(self, on: Stage) -> None:
        self._on = on
        key = secrets.token_hex(16)
        name = f"render_{secrets.token_hex(4)}"
        on.site.add_script(name, key)
        self._connection = Shotgun(on.site.url, script_name=name, api_key=key, connect=False)

    def before(self) -> str:
        self._reads()
        return "work"

    def across(self) -> str:
        self._reads()
        return "work, untouched"

    def after(self) -> str:
        self._reads()
        return "work, untouched"

    def _reads(self) -> None:
        _check_shot(self._on, self._connection)
        delivery = self._on.webhook.deliver()
        _check(delivery.status == 200, f"the webhook answered {delivery.status}")


class UserAndPassword:
    """A script that signs in as a user, through shotgun_api3."""

    name = "scripts, with a user's user name and password"

    def __init__(self, on: Stage) -> None:
        self._on = on
        self._person = on.gateway.new_user()
        self._connection = self._connect()

    def before(self) -> str:
        _check_shot(self._on, self._connection)
        return "work"

    def across(self) -> str:
        _check_raises(MissingTwoFactorAuthenticationFault, lambda: _check_shot(self._on, self._connection))
        return "break: the two-factor fault"

    def after(self) -> str:
        _check_raises(MissingTwoFactorAuthenticationFault, lambda: _check_shot(self._on, self._connect()))
        # Which of the two faults a wrong code is, nobody has seen: the client knows both.
        either = (AuthenticationFault, MissingTwoFactorAuthenticationFault)
        _check_raises(either, lambda: _check_shot(self._on, self._connect("000000")))
        _check_shot(self._on, self._connect(self._on.site.code(self._person.login)))
        return "work with auth_token, break without"

    def _connect(self, auth_token: str | None = None) -> Shotgun:
        login, password = self._person.login, self._person.password
        # A code works once: with one, the client connects at once and goes on with a session token.
        return Shotgun(
            self._on.site.url, login=login, password=password, auth_token=auth_token, connect=auth_token is not None
        )


class HostedPage:
    """A page that signs people in through the gateway, and reads the site itself."""

    name = "hosted pages, through this gateway"

    def __init__(self, on: Stage) -> None:
        self._on = on
        self._person: Account = on.gateway.new_user()
        self._page = on.gateway.caller(origin=PAGE)
        self._tokens: dict[str, Any] = {}

    def before(self) -> str:
        self._take(self._page.password(self._person))
        _check(self._reads() == 200, "the site refused the token")
        return "work"

    def across(self) -> str:
        _check(self._reads() == 401, "the site did not end the session")
        told = {"refused_access_token": self._tokens["access_token"]}
        ended = self._page.refresh(self._tokens["refresh_token"], **told)
        _check((ended.status, ended.code) == (401, "session_ended"), f"the refresh was answered {ended.status}")
        return "signed out once"

    def after(self) -> str:
        asked = self._page.password(self._person)
        _check((asked.status, asked.body["status"]) == (202, "otp_required"), "no code was asked for")
        wrong = self._page.otp(asked, "000000")
        _check((wrong.status, wrong.code) == (401, "invalid_otp"), "a wrong code was not refused as one")
        self._take(self._page.otp(asked, self._on.site.code(self._person.login)))
        _check(self._reads() == 200, "the site refused the token")
        rotated = self._page.rotate(self._tokens["refresh_token"])
        _check(rotated != self._tokens["refresh_token"], "the refresh brought no new handle")
        return "ask for the code, then work"

    def _take(self, signed_in: Response) -> None:
        _check(signed_in.status == 200, f"the sign-in was answered {signed_in.status}")
        self._tokens = signed_in.body

    def _reads(self) -> int:
        bearer = {"authorization": f"Bearer {self._tokens['access_token']}"}
        return requests.get(f"{self._on.site.url}/api/v1/entity/shots", headers=bearer, timeout=30).status_code


def _check_shot(on: Stage, connection: Shotgun) -> None:
    shot = on.site.show.shots[0]
    found = connection.find_one("Shot", [["code", "is", shot.code]], ["code"])
    _check(found is not None and found["id"] == shot.id, "the shot was not found")


def _check_raises(fault: type[Exception] | tuple[type[Exception], ...], what: Callable[[], None]) -> None:
    try:
        what()
    except fault:
        return
    raise AssertionError("no fault")


def _check(holds: object, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)


if __name__ == "__main__":
    with stage() as here:
        seen = [rehearse(here, site_is) for site_is in unknowns()]
    print(written(seen[0]))
    print(f"\nSeen {len(seen)} times, with either value of {', '.join(UNKNOWNS)}.")
    if any(other != seen[0] for other in seen) or "BROKEN" in written(seen[0]):
        sys.exit("\n\n".join(["Not the same each time, or broken:", *map(written, seen)]))
