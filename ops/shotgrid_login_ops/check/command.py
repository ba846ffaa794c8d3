"""The whole check: validate the options, check site and gateway, compare, save and print."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from shotgrid_login.sign_in_methods import Password
from shotgrid_login_ops.check import gateway_check, gateway_user, report, saved, site_check, site_user
from shotgrid_login_ops.check.addresses import InvalidAddress, gateway_url, origin, root, site_url
from shotgrid_login_ops.check.connection import Connection
from shotgrid_login_ops.check.findings import Finding, Status
from shotgrid_login_ops.check.report import Report
from shotgrid_login_ops.check.site_sign_in import SignIn
from shotgrid_login_ops.check.terminal import Credentials, NoTerminal, Terminal
from shotgrid_login_ops.errors import UsageError

SCRIPT_NAME = "SHOTGRID_SCRIPT_NAME"
SCRIPT_KEY = "SHOTGRID_SCRIPT_KEY"


@dataclass(frozen=True)
class Options:
    """The options of the command line, not yet validated."""

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


def run(options: Options, environment: Mapping[str, str]) -> int:
    """Run the check, print the result, and return the exit code 0 or 1; raises `UsageError`."""
    # Everything that can be wrong with the options is checked before the first request and the first prompt.
    try:
        site = site_url(options.site)
        gateway = None if options.gateway is None else gateway_url(options.gateway)
        origins = [origin(text) for text in options.origins]
        if origins and gateway is None:
            raise UsageError("--origin needs --gateway: it checks whether pages can call that gateway.")
        script_key = _script_key(environment)
        terminal = Terminal() if options.user else None
        before = None if options.compare is None else saved.load(options.compare, site)
        file = None if options.save is None else saved.NewFile(options.save)
    except (InvalidAddress, saved.UnusableFile) as error:
        raise UsageError(str(error)) from None
    except NoTerminal:
        raise UsageError("--user needs a terminal. Run the command without a pipe or redirection.") from None
    try:
        findings = _check(site, gateway, origins, script_key, terminal)
    except BaseException:
        if file is not None:
            file.discard()
        raise
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if file is not None:
        try:
            file.write(site, gateway, now, findings)
        except saved.UnusableFile as error:
            raise UsageError(str(error)) from None
    result = Report(
        {"site": site, "gateway": gateway},
        site if gateway is None else f"{site} and the gateway {gateway}",
        now,
        findings if before is None else saved.compare(before, findings),
        None if before is None else before.saved_at,
        () if before is None else saved.only_in_saved(before, findings),
    )
    report.write(result, environment, is_json=options.json)
    return result.exit_code


# Checks one user's sign-in through a gateway.
_GatewayUserCheck = Callable[[Connection], list[Finding]]


def _check(
    site: str, gateway: str | None, origins: Sequence[str], script_key: ScriptKey | None, terminal: Terminal | None
) -> list[Finding]:
    connection = Connection(site)
    findings, sign_in = site_check.check_site(connection)
    check_user = None
    if sign_in is not None:
        if script_key is None:
            findings.append(site_check.script_not_checked())
        else:
            findings.append(site_check.check_script(connection, script_key.name, script_key.key))
        finding, check_user = _check_user(site, sign_in, gateway, origins, terminal)
        findings.append(finding)
    if gateway is not None:
        connection = Connection(gateway)
        found = gateway_check.check_gateway(connection, site, origins, sign_in)
        findings += found if terminal is None else _with_user(found, connection, check_user)
    return findings


def _check_user(
    site: str, sign_in: SignIn, gateway: str | None, origins: Sequence[str], terminal: Terminal | None
) -> tuple[Finding, _GatewayUserCheck | None]:
    """Return the finding at the site, and the check through a gateway if the site signed the user in."""
    if terminal is None:
        return site_user.not_checked(), None
    if sign_in.password is Password.NO and not sign_in.has_launcher:
        return site_user.not_possible(), None
    credentials, is_legacy = None, sign_in.password is Password.LEGACY
    if sign_in.password is not Password.NO:
        credentials = terminal.read_credentials(site, has_browser=sign_in.has_launcher, is_legacy=is_legacy)
    if credentials is None or (not credentials.username and sign_in.has_launcher):
        finding = site_user.sign_in_with_browser(site, terminal)
        check_user = partial(_sign_in_with_browser, site, origins, terminal)
    else:
        finding = site_user.sign_in(
            site,
            credentials,
            terminal.read_code,
            keep_code_for_gateway=gateway is not None,
            is_legacy=is_legacy,
        )
        check_user = partial(_sign_in, site, credentials, terminal)
    return finding, check_user if finding.status is Status.OK else None


def _sign_in(site: str, credentials: Credentials, terminal: Terminal, connection: Connection) -> list[Finding]:
    return gateway_user.sign_in_and_out(connection, site, credentials, terminal.read_code)


def _sign_in_with_browser(
    site: str, origins: Sequence[str], terminal: Terminal, connection: Connection
) -> list[Finding]:
    # A gateway accepts the start of a browser sign-in from pages only.
    page = origins[0] if origins else root(connection.base)
    return gateway_user.sign_in_with_browser_and_out(connection, site, page, terminal)


def _with_user(findings: list[Finding], connection: Connection, check_user: _GatewayUserCheck | None) -> list[Finding]:
    """Return a gateway's findings with those of a user."""
    if check_user is None:
        return [*findings, gateway_user.not_checked("the site did not sign this user in, see site.user.")]
    if not gateway_check.can_sign_in(findings):
        return [*findings, gateway_user.not_checked("the gateway cannot sign in, see gateway.reachable.")]
    # Do not send the password to a gateway that is known to be for another site.
    if any(finding.name == "gateway.site" and finding.status is Status.PROBLEM for finding in findings):
        return [*findings, gateway_user.not_checked("the gateway is for another site, see gateway.site.")]
    user_findings = check_user(connection)
    # The sign-in checks gateway.site too, and its result replaces the first one.
    names = {finding.name for finding in user_findings}
    return [*(finding for finding in findings if finding.name not in names), *user_findings]


def _script_key(environment: Mapping[str, str]) -> ScriptKey | None:
    name, key = environment.get(SCRIPT_NAME, ""), environment.get(SCRIPT_KEY, "")
    if bool(name) != bool(key):
        raise UsageError(f"Set both {SCRIPT_NAME} and {SCRIPT_KEY}, or neither.")
    return ScriptKey(name, key) if name else None
