"""The whole command: look at the site, ask the person, walk the gateway, compare, save, print."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from shotgrid_login_ops.check import gateway_check, gateway_user, report, saved, site_check
from shotgrid_login_ops.check.addresses import NotAnAddress, gateway_url, origin, site_url
from shotgrid_login_ops.check.connection import Connection
from shotgrid_login_ops.check.findings import Finding, Status
from shotgrid_login_ops.check.person import Credentials, NoTerminal, Person
from shotgrid_login_ops.check.report import Report

SCRIPT_NAME = "SHOTGRID_SCRIPT_NAME"
SCRIPT_KEY = "SHOTGRID_SCRIPT_KEY"


class Usage(Exception):
    """The command cannot be run as it was given; the message says what to change. It never repeats a secret."""


@dataclass(frozen=True)
class Wishes:
    """What the command line asks for, as it was typed."""

    site: str
    gateway: str | None
    origins: tuple[str, ...]
    user: bool
    json: bool
    save: Path | None
    compare: Path | None


@dataclass(frozen=True)
class ScriptKey:
    """A script's name and key, from the environment."""

    name: str
    key: str


def run(wishes: Wishes, environment: Mapping[str, str]) -> int:
    """Do the check, print it, and return the exit code, 0 or 1; raises `Usage`."""
    try:
        site = site_url(wishes.site)
        gateway = None if wishes.gateway is None else gateway_url(wishes.gateway)
        origins = [origin(text) for text in wishes.origins]
        if origins and gateway is None:
            raise Usage("--origin asks whether pages may call a gateway: name it with --gateway.")
        script_key = _script_key(environment)
        person = Person() if wishes.user else None
        before = None if wishes.compare is None else saved.load(wishes.compare, site)
        file = None if wishes.save is None else saved.File(wishes.save)
    except (NotAnAddress, saved.NotUsable) as wrong:
        raise Usage(str(wrong)) from None
    except NoTerminal:
        raise Usage(
            "--user asks on a terminal, and here is none. Run it in one, without a pipe or redirection."
        ) from None
    try:
        findings = _look(site, gateway, origins, script_key, person)
    except BaseException:
        if file is not None:
            file.drop()
        raise
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if file is not None:
        try:
            file.write(site, gateway, now, findings)
        except saved.NotUsable as wrong:
            raise Usage(str(wrong)) from None
    compared = findings if before is None else saved.compare(before, findings)
    result = Report(
        site,
        gateway,
        now,
        compared,
        None if before is None else before.saved_at,
        () if before is None else saved.only_then(before, findings),
    )
    if wishes.json:
        _print(result.as_json())
    else:
        coloured = report.wants_colour(sys.stdout, environment)
        _print(result.as_table(report.width_of_terminal(), coloured=coloured))
    return result.exit_code


def _look(
    site: str, gateway: str | None, origins: list[str], script_key: ScriptKey | None, person: Person | None
) -> list[Finding]:
    connection = Connection(site)
    findings, method = site_check.about(connection)
    credentials = None
    if method is not None:
        if script_key is None:
            findings.append(site_check.script_not_given())
        else:
            findings.append(site_check.script(connection, script_key.name, script_key.key))
        line, credentials = _user(site, method, person, through_gateway=gateway is not None)
        findings.append(line)
    if gateway is not None:
        findings += _gateway(Connection(gateway), site, origins, credentials, person)
    return findings


def _user(
    site: str, method: str, person: Person | None, *, through_gateway: bool
) -> tuple[Finding, Credentials | None]:
    """Return the line, and what was typed where a sign-in by the gateway is worth trying with it."""
    if person is None:
        return site_check.user_not_asked(), None
    if method in site_check.SSO_METHODS:
        return site_check.user_not_on_sso(), None
    credentials = person.credentials(site)
    line = site_check.user(site, credentials, person, code_is_for_gateway=through_gateway)
    return line, credentials if line.status is Status.OK else None


def _gateway(
    connection: Connection, site: str, origins: list[str], credentials: Credentials | None, person: Person | None
) -> list[Finding]:
    findings = gateway_check.walk(connection, site, origins)
    if person is None:
        return findings
    if credentials is None:
        return [*findings, gateway_user.not_tried("the site itself did not sign this person in, see above.")]
    if not gateway_check.is_there(findings):
        return [*findings, gateway_user.not_tried("there is no gateway to sign in with, see above.")]
    # Passwords go to a gateway only if it is not known to be for another site.
    if any(finding.name == "gateway.site" and finding.status is Status.PROBLEM for finding in findings):
        return [*findings, gateway_user.not_tried("the gateway is for another site, see above.")]
    walked = gateway_user.whole_way(connection, site, credentials, person)
    seen = {finding.name for finding in walked}
    return [*(finding for finding in findings if finding.name not in seen), *walked]


def _script_key(environment: Mapping[str, str]) -> ScriptKey | None:
    name, key = environment.get(SCRIPT_NAME, ""), environment.get(SCRIPT_KEY, "")
    if bool(name) != bool(key):
        raise Usage(f"{SCRIPT_NAME} and {SCRIPT_KEY} belong together: set both, or neither.")
    return ScriptKey(name, key) if name else None


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
