"""The commands for a deployed stack: list and end sessions, and compute the hashes in its logs."""

from __future__ import annotations

import ipaddress
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from shotgrid_login.hashes import canonical_name
from shotgrid_login.sessions import Session
from shotgrid_login_ops.check.findings import printable
from shotgrid_login_ops.errors import UsageError
from shotgrid_login_ops.stack.deployed import DeployedStack, deployed_stack
from shotgrid_login_ops.stack.session_table import count, table_of

# How often the table is read at most. Each time can find a session that was stored while the table was read before.
MOST_PASSES = 10

# How far the clocks of two services of AWS can be apart. Until then, a session is older than the command. Seconds.
CLOCK_DIFFERENCE = 5


# As an argument, it stands for the lines of standard input.
_STANDARD_INPUT = "-"

# So that an error message can repeat them.
_STACK = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,127}")
_REGION = re.compile(r"[a-z]{2,8}(-[a-z]{2,16}){1,3}-[0-9]{1,2}")


@dataclass(frozen=True)
class Target:
    """Which stack. Without a region, it is the one of the environment or of the AWS profile."""

    stack: str
    region: str | None

    @classmethod
    def parse(cls, stack: str, region: str | None) -> Target:
        """Check the form of both names; raises `UsageError`."""
        if not _STACK.fullmatch(stack):
            raise UsageError("--stack must be the name of a stack: letters, digits and dashes, with a letter first.")
        if region is not None and not _REGION.fullmatch(region):
            raise UsageError("--region must be the name of a region, such as eu-west-1.")
        return cls(stack, region)


def print_user_hashes(target: Target, logins: Sequence[str]) -> int:
    """Print the hashes of users in the logs of a stack, and the logins if there are several.

    The login `-` stands for those on standard input, one in each line. Raises `UsageError` and `AwsFailed`.
    """
    is_list = len(logins) > 1 or _STANDARD_INPUT in logins
    logins = [name for login in logins for name in (_read_logins() if login == _STANDARD_INPUT else [login])]
    for login in logins:
        _check_login(login)
    with deployed_stack(target.stack, target.region) as stack:
        hashes = stack.hashes
        for login in logins:
            _write(f"{hashes.user(login)}  {printable(login)}" if is_list else hashes.user(login))
    return 0


def print_network_hash(target: Target, address: str) -> int:
    """Print the hash of a network in the logs of a stack; raises `UsageError` and `AwsFailed`."""
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise UsageError(
            "ADDRESS must be an IP address such as 203.0.113.7 or 2001:db8::1, without a / and bits."
        ) from None
    with deployed_stack(target.stack, target.region) as stack:
        _write(stack.hashes.network(address))
    return 0


def list_sessions(target: Target, login: str | None) -> int:
    """Print the sessions that have not ended, of all users or of one; raises `UsageError` and `AwsFailed`."""
    selection = _selection(login)
    with deployed_stack(target.stack, target.region) as stack:
        _write(table_of([session for session in selection.of(stack) if not session.has_expired(stack.now)]))
    return 0


def end_sessions(target: Target, login: str | None, *, is_confirmed: bool) -> int:
    """End the sessions of a user, or of all users if `login` is None, and print how many.

    Returns 1 if the operator does not confirm, or if sessions are left. Raises `UsageError` and `AwsFailed`.
    """
    selection = _selection(login)
    if login is None and not is_confirmed:
        if not sys.stdin.isatty():
            raise UsageError("--all prompts for a confirmation on the terminal. Without a terminal, add --yes.")
        with deployed_stack(target.stack, target.region) as stack:
            if not _confirm(stack, selection):
                _write("Ended nothing.")
                return 1
    with deployed_stack(target.stack, target.region) as stack:
        return _end(stack, selection)


@dataclass
class _Selection:
    """Selects the sessions of one user, or all if `name` is None.

    A user is found by the login or the e-mail address of any session. All sessions with the same record at the site
    are then selected: one of them can lack the address, because the site did not return the record.
    """

    name: str | None
    _users: set[tuple[str, int]] = field(default_factory=set)

    def of(self, stack: DeployedStack) -> list[Session]:
        """Read the selected sessions, with expired ones that DynamoDB has not yet deleted."""
        sessions = list(stack.sessions.all())
        if self.name is None:
            return sessions
        self._users |= {
            _user_of(session)
            for session in sessions
            if self.name in (canonical_name(session.user.login), canonical_name(session.user.email))
        }
        return [session for session in sessions if _user_of(session) in self._users]


def _selection(login: str | None) -> _Selection:
    if login is not None:
        _check_login(login)
    return _Selection(None if login is None else canonical_name(login))


def _check_login(login: str) -> None:
    # An empty name would match every user without an e-mail address.
    if not canonical_name(login):
        raise UsageError("LOGIN is empty. Name the login or the e-mail address of a user.")


def _read_logins() -> list[str]:
    try:
        text = sys.stdin.read()
    except UnicodeDecodeError:
        raise UsageError(
            "Standard input is not text in the encoding of the terminal. Save the logins as UTF-8."
        ) from None
    # Some programs save text with a byte order mark.
    logins = [line.strip() for line in text.removeprefix("\ufeff").splitlines() if line.strip()]
    if not logins:
        raise UsageError("Standard input has no login. Write one in each line.")
    return logins


def _user_of(session: Session) -> tuple[str, int]:
    return session.user.type, session.user.id


def _confirm(stack: DeployedStack, selection: _Selection) -> bool:
    active = [session for session in selection.of(stack) if not session.has_expired(stack.now)]
    sys.stderr.write(f"End {count(active)} of the stack {stack.name} in {stack.region}? Type yes: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip() == "yes"


def _end(stack: DeployedStack, selection: _Selection) -> int:
    sessions, start = stack.sessions, stack.now + CLOCK_DIFFERENCE
    ended: dict[str, Session] = {}
    try:
        for _ in range(MOST_PASSES):
            found = selection.of(stack)
            # Users can sign in again at once. Their new sessions go on: otherwise a busy gateway would never be done.
            older = [session for session in found if session.signed_in_at <= start]
            if not older:
                break
            for session in older:
                sessions.end(session)
                ended[session.session_id] = session
    finally:
        _write(f"Ended {count(session for session in ended.values() if not session.has_expired(stack.now))}.")
    if older:
        sys.stderr.write("Sessions from before the command are left. Run the command again.\n")
        return 1
    if ended:
        _write("The site itself accepts their access tokens until these expire: see docs/security.md.")
    if found:
        _write(f"Not ended: {count(found)}, from sign-ins after the command started.")
    return 0


def _write(text: str) -> None:
    sys.stdout.write(f"{text}\n")
