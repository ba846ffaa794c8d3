"""A rehearsal of the switch to two-factor authentication: `make rehearsal`, or `python -m tests.rehearsal`.

There are three ways to use a ShotGrid site. The rehearsal uses each of them before the site switches two-factor
authentication on, across the switch with the sessions from before it, and after the switch. Each result is one cell of
a table. Where the vendor has a client, the rehearsal uses it.
"""

from __future__ import annotations

import itertools
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import requests
from shotgun_api3.shotgun import AuthenticationFault, MissingTwoFactorAuthenticationFault, Shotgun

from tests.local.stack import CERTIFICATE, DOMAIN, LocalAws
from tests.local.webhook import Webhook, deploy_webhook
from tests.site.fake_site import FakeSite
from tests.site.show import make_show
from tests.support.client import ORIGINS, PAGE, Gateway, Response

PHASES = ("before", "across the switch", "after")

# Both values of each switch of the fake site that stands for an unknown about real sites and matters here.
UNKNOWNS: dict[str, tuple[Any, Any]] = {
    "password_checked_first": (True, False),
    "wrong_code": (102, 106),
    "retires_refresh_tokens": (True, False),
}

Table = dict[str, dict[str, str]]  # cells by way and phase


@dataclass(frozen=True)
class Stage:
    """A site, a webhook that was deployed first, and a deployed gateway."""

    site: FakeSite
    webhook: Webhook
    gateway: Gateway


class Way(Protocol):
    """One way to use a site. Each method returns the text of a cell, and raises an exception if the way is broken."""

    name: str

    def before(self) -> str: ...

    def across(self) -> str: ...

    def after(self) -> str: ...


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
    """Return every combination of the unknowns about real sites."""
    return [dict(zip(UNKNOWNS, values, strict=True)) for values in itertools.product(*UNKNOWNS.values())]


def rehearse(stage: Stage, site_switches: dict[str, Any]) -> Table:
    """Use all ways before, across and after the switch to two-factor authentication, and return the table."""
    stage.site.switch(two_factor=False, **site_switches)
    ways: tuple[Way, ...] = (ScriptKey(stage), UserAndPassword(stage), HostedPage(stage))
    table: Table = {way.name: {} for way in ways}
    for phase in PHASES:
        if phase == "across the switch":
            stage.site.switch(two_factor=True)
        for way in ways:
            steps = {"before": way.before, "across the switch": way.across, "after": way.after}
            table[way.name][phase] = _cell(steps[phase])
    return table


def _cell(step: Callable[[], str]) -> str:
    try:
        return step()
    except Exception as error:  # noqa: BLE001 - the table shows every failure
        return f"BROKEN: {type(error).__name__}: {error}"


def markdown(table: Table) -> str:
    """Return a table in Markdown."""
    rows = [["", *PHASES], *([way, *(cells[phase] for phase in PHASES)] for way, cells in table.items())]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


class ScriptKey:
    """An on-prem script with shotgun_api3, and the webhook. Each has its own script key."""

    name = "scripts and webhooks, with a script key"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        key = secrets.token_hex(16)
        name = f"render_{secrets.token_hex(4)}"
        stage.site.add_script(name, key)
        self._connection = Shotgun(stage.site.url, script_name=name, api_key=key, connect=False)

    def before(self) -> str:
        self._read()
        return "work"

    def across(self) -> str:
        self._read()
        return "work, untouched"

    def after(self) -> str:
        self._read()
        return "work, untouched"

    def _read(self) -> None:
        _read_shot(self._stage, self._connection)
        delivery = self._stage.webhook.deliver()
        _check(delivery.status == 200, f"the webhook returned {delivery.status}")


class UserAndPassword:
    """A script that signs in as a user, with shotgun_api3."""

    name = "scripts, with a user's user name and password"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._user = stage.gateway.new_user()
        self._connection = self._connect()

    def before(self) -> str:
        _read_shot(self._stage, self._connection)
        return "work"

    def across(self) -> str:
        _check_raises(MissingTwoFactorAuthenticationFault, lambda: _read_shot(self._stage, self._connection))
        return "break: the two-factor fault"

    def after(self) -> str:
        _check_raises(MissingTwoFactorAuthenticationFault, lambda: _read_shot(self._stage, self._connect()))
        # Unknown: which of two faults the site reports for a wrong code. The client supports both.
        either = (AuthenticationFault, MissingTwoFactorAuthenticationFault)
        _check_raises(either, lambda: _read_shot(self._stage, self._connect("000000")))
        _read_shot(self._stage, self._connect(self._stage.site.code(self._user.login)))
        return "work with auth_token, break without"

    def _connect(self, auth_token: str | None = None) -> Shotgun:
        login, password = self._user.login, self._user.password
        # A code works once. With a code, the client connects at once and then uses a session token.
        return Shotgun(
            self._stage.site.url, login=login, password=password, auth_token=auth_token, connect=auth_token is not None
        )


class HostedPage:
    """A page that signs users in through the gateway, and then reads the site directly."""

    name = "hosted pages, through this gateway"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._user = stage.gateway.new_user()
        self._page = stage.gateway.caller(origin=PAGE)
        self._tokens: dict[str, Any] = {}

    def before(self) -> str:
        self._store_tokens(self._page.password(self._user))
        _check(self._read_status() == 200, "the site rejected the token")
        return "work"

    def across(self) -> str:
        _check(self._read_status() == 401, "the site did not end the session")
        rejected = self._tokens["access_token"]
        refresh = self._page.refresh(self._tokens["refresh_token"], refused_access_token=rejected)
        _check((refresh.status, refresh.code) == (401, "session_ended"), f"the refresh returned {refresh.status}")
        return "signed out once"

    def after(self) -> str:
        challenge = self._page.password(self._user)
        _check((challenge.status, challenge.body["status"]) == (202, "otp_required"), "no code was required")
        wrong = self._page.otp(challenge, "000000")
        _check((wrong.status, wrong.code) == (401, "invalid_otp"), "a wrong code was not rejected")
        self._store_tokens(self._page.otp(challenge, self._stage.site.code(self._user.login)))
        _check(self._read_status() == 200, "the site rejected the token")
        rotated = self._page.rotate(self._tokens["refresh_token"])
        _check(rotated != self._tokens["refresh_token"], "the refresh returned the old handle")
        return "require the code, then work"

    def _store_tokens(self, response: Response) -> None:
        _check(response.status == 200, f"the sign-in returned {response.status}")
        self._tokens = response.body

    def _read_status(self) -> int:
        bearer = {"authorization": f"Bearer {self._tokens['access_token']}"}
        return requests.get(f"{self._stage.site.url}/api/v1/entity/shots", headers=bearer, timeout=30).status_code


def _read_shot(stage: Stage, connection: Shotgun) -> None:
    shot = stage.site.show.shots[0]
    found = connection.find_one("Shot", [["code", "is", shot.code]], ["code"])
    _check(found is not None and found["id"] == shot.id, "the shot was not found")


def _check_raises(fault: type[Exception] | tuple[type[Exception], ...], call: Callable[[], None]) -> None:
    try:
        call()
    except fault:
        return
    raise AssertionError("no fault")


def _check(condition: object, problem: str) -> None:
    if not condition:
        raise AssertionError(problem)


def main() -> None:
    """Print the table. Exit with an error if a cell is broken, or if an unknown changes the table."""
    with stage() as running:
        tables = [markdown(rehearse(running, site_switches)) for site_switches in unknowns()]
    print(tables[0])
    print(f"\nRun {len(tables)} times, with both values of {', '.join(UNKNOWNS)}.")
    if len(set(tables)) > 1 or "BROKEN" in tables[0]:
        sys.exit("\n\n".join(["The tables are different, or a cell is broken:", *tables]))


if __name__ == "__main__":
    main()
