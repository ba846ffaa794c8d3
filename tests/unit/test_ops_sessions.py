"""`shotgrid-login sessions`: which sessions it lists and ends, while users sign in and pages refresh."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shotgrid_login.aws import DynamoDb
from shotgrid_login.sessions import Session, Sessions, SignedIn
from shotgrid_login.table import Table
from shotgrid_login.users import User
from shotgrid_login_ops.stack import command
from tests.local.in_process import TwoClients
from tests.local.stack import REGION, LocalAws
from tests.site.fake_site import FakeSite
from tests.support.core import Core, Storage
from tests.support.ops import Operator, create_stack

STACK = "ops-login"


@pytest.fixture(scope="module")
def stack(aws: LocalAws, storage: Storage) -> Storage:
    """Create a stack that no other module uses."""
    dynamodb = aws.client("dynamodb")
    names = {"StateTable": "ops-state", "BearersTable": "ops-bearers"}
    for name in names.values():
        dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        )
    create_stack(aws, STACK, names)
    client: Any = TwoClients(DynamoDb(aws.endpoint, REGION, aws.environment()), dynamodb)
    state, bearers = (Table(client, name) for name in names.values())
    return Storage(state, bearers, storage.sealer, storage.hashes)


@pytest.fixture
def core(stack: Storage, site: FakeSite) -> Iterator[Core]:
    yield Core(stack, site)
    for table in (stack.state, stack.bearers):
        for row in list(table.scan("")):
            table.delete(str(row["id"]))


@pytest.fixture
def operator(aws: LocalAws) -> Operator:
    return Operator(aws, stack=STACK)


def assert_ended(core: Core, *results: SignedIn) -> None:
    for result in results:
        assert not core.has_session(result)
        assert core.bearers_of(result) == set()
        assert core.bearers.find(result.api_token, int(core.clock())) is None


def before_return(monkeypatch: pytest.MonkeyPatch, *actions: Callable[[], object]) -> list[int]:
    """Do one action in each reading of all sessions, after the rows were read. Return the number of readings."""
    read_all, readings, left = Sessions.all, [0], iter(actions)

    def read(sessions: Sessions) -> Iterator[Session]:
        rows = list(read_all(sessions))
        readings[0] += 1
        next(left, lambda: None)()
        return iter(rows)

    monkeypatch.setattr(Sessions, "all", read)
    return readings


# ---- list --------------------------------------------------------------------------------------------------


def test_list_shows_who_is_signed_in_until_when_and_no_secret(core: Core, operator: Operator) -> None:
    user, other = core.new_user(), core.new_user()
    core.clock.now = core.clock.now // 60 * 60  # the table shows whole minutes
    results = [core.signed_in(user), core.signed_in(user), core.signed_in(other)]
    ran = operator.run("sessions", "list")
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0].split("  ")[0] == "USER"
    assert sorted(line.split()[-7] for line in lines[1:-1]) == sorted([user.login, user.login, other.login])
    assert all(name in ran.out for name in (user.name, other.name))
    assert lines[-1] == "3 sessions of 2 users. Times are UTC."
    for result in results:
        for secret in (result.session.session_id, str(result.handle), result.api_token, result.access_token):
            assert secret not in ran.out


def test_list_of_one_user_shows_no_other(core: Core, operator: Operator) -> None:
    user, other = core.new_user(), core.new_user()
    core.signed_in(user)
    core.signed_in(other)
    ran = operator.run("sessions", "list", "--user", user.login.upper())
    assert user.login in ran.out
    assert other.login not in ran.out
    assert ran.out.endswith("1 session of 1 user. Times are UTC.\n")


def test_expired_session_that_is_still_stored_is_not_listed_or_counted_but_deleted(
    core: Core, operator: Operator
) -> None:
    core.clock.now -= 3 * 3600  # longer than the idle limit
    expired = core.signed_in()
    assert operator.run("sessions", "list").out == "0 sessions of 0 users. Times are UTC.\n"
    assert "Ended 0 sessions of 0 users." in operator.run("sessions", "end", "--all", "--yes").out
    assert_ended(core, expired)


def test_name_with_control_characters_does_not_reach_the_terminal(core: Core, operator: Operator) -> None:
    result = core.signed_in()
    row = core.session_row(result)
    core.storage.state.put(row | {"name": "\033]0;x\007\u202eann", "login": "a\nb"})
    out = operator.run("sessions", "list").out
    assert out.count("\n") == 3
    assert all(character.isprintable() or character == "\n" for character in out)


# ---- end ---------------------------------------------------------------------------------------------------


def test_end_of_a_user_ends_all_sessions_and_bearers_of_this_user_only(core: Core, operator: Operator) -> None:
    user, other = core.new_user(), core.new_user()
    results, kept = [core.signed_in(user), core.signed_in(user)], core.signed_in(other)
    ran = operator.run("sessions", "end", "--user", user.login)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("Ended 2 sessions of 1 user.\n")
    assert "The site itself accepts their access tokens" in ran.out
    assert_ended(core, *results)
    assert core.has_session(kept)
    assert len(core.bearers_of(kept)) == 1
    again = operator.run("sessions", "end", "--user", user.login)
    assert (again.code, again.out) == (0, "Ended 0 sessions of 0 users.\n")


@pytest.mark.parametrize("field", ["login", "email"])
def test_login_and_email_match_in_every_spelling(core: Core, operator: Operator, field: str) -> None:
    user = core.new_user()
    result = core.signed_in(user)
    name = str(getattr(user, field))
    for spelling in (name.upper(), f" {name} "):
        assert "1 session of 1 user." in operator.run("sessions", "list", "--user", spelling).out
    wide = name.replace("a", "\uff41")
    assert "Ended 1 session of 1 user." in operator.run("sessions", "end", "--user", wide).out
    assert_ended(core, result)


def test_session_without_the_users_record_ends_with_the_other_sessions_of_the_user(
    core: Core, operator: Operator
) -> None:
    user = core.new_user()
    first, second = core.signed_in(user), core.signed_in(user)
    unknown = User(first.session.user.type, first.session.user.id, "what was typed")
    core.storage.state.put(core.session_row(first) | dict(unknown.to_row()))
    assert "Ended 2 sessions of 1 user." in operator.run("sessions", "end", "--user", user.email).out
    assert_ended(core, first, second)


def test_empty_login_is_a_usage_error_and_matches_no_user_without_an_email_address(
    core: Core, operator: Operator
) -> None:
    result = core.signed_in()
    core.storage.state.put(core.session_row(result) | {"email": ""})
    for login in ("", " ", "\u3000"):
        for arguments in (["sessions", "end", "--user"], ["sessions", "list", "--user"], ["user-hash"]):
            ran = operator.run(*arguments, login)
            assert (ran.code, ran.out) == (2, "")
            assert "LOGIN is empty" in ran.err
    assert core.has_session(result)


def test_end_of_all_leaves_other_rows_of_the_table(core: Core, operator: Operator) -> None:
    results = [core.signed_in(), core.signed_in()]
    core.storage.state.put({"id": "challenge#x", "expires_at": 1})
    ran = operator.run("sessions", "end", "--all", "--yes")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("Ended 2 sessions of 2 users.\n")
    assert_ended(core, *results)
    assert core.storage.state.get("challenge#x")


def test_session_of_an_older_version_is_listed_and_ended(core: Core, operator: Operator) -> None:
    result = core.signed_in()
    core.make_legacy(result)
    assert "1 session of 1 user." in operator.run("sessions", "list").out
    assert "Ended 1 session of 1 user." in operator.run("sessions", "end", "--all", "--yes").out
    assert not core.has_session(result)


def test_session_that_is_rotated_after_it_was_read_ends_with_its_new_bearer(
    core: Core, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = core.signed_in()
    core.expire_access_token()
    new: list[SignedIn] = []
    before_return(monkeypatch, lambda: new.append(core.refresh().refresh(old.handle)))
    assert "Ended 1 session of 1 user." in operator.run("sessions", "end", "--all", "--yes").out
    assert new[0].api_token != old.api_token
    assert_ended(core, old, *new)


def test_sign_in_that_is_stored_after_the_table_was_read_does_not_survive(
    core: Core, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, late = core.signed_in(), list[SignedIn]()
    readings = before_return(monkeypatch, lambda: late.append(core.signed_in()))
    assert "Ended 2 sessions of 2 users." in operator.run("sessions", "end", "--all", "--yes").out
    assert_ended(core, first, *late)
    assert readings == [3]


def test_session_whose_function_has_a_clock_that_is_ahead_does_not_survive(core: Core, operator: Operator) -> None:
    core.clock.advance(4)
    result = core.signed_in()
    assert "Ended 1 session of 1 user." in operator.run("sessions", "end", "--all", "--yes").out
    assert_ended(core, result)


def test_sign_in_after_the_start_of_the_command_is_not_ended_and_reported(
    core: Core, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, new = core.signed_in(), list[SignedIn]()

    def sign_in_later() -> None:
        core.clock.advance(3600)
        new.append(core.signed_in())

    before_return(monkeypatch, sign_in_later)
    ran = operator.run("sessions", "end", "--all", "--yes")
    assert ran.code == 0
    assert ran.out.splitlines()[-1] == "Not ended: 1 session of 1 user, from sign-ins after the command started."
    assert_ended(core, first)
    assert core.has_session(new[0])


def test_sessions_that_come_back_each_time_are_an_error_and_do_not_run_forever(
    core: Core, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "MOST_PASSES", 3)
    core.signed_in()
    readings = before_return(monkeypatch, *[core.signed_in] * 9)
    ran = operator.run("sessions", "end", "--all", "--yes")
    assert (ran.code, readings) == (1, [3])
    assert "Ended 3 sessions of 3 users." in ran.out
    assert "Run the command again." in ran.err


# ---- confirmation ------------------------------------------------------------------------------------------


def test_end_of_all_needs_a_confirmation(core: Core, operator: Operator) -> None:
    result = core.signed_in()
    for typed in ("\n", "y\n", "no\n", ""):
        ran = operator.run("sessions", "end", "--all", typed=typed)
        assert (ran.code, ran.out) == (1, "Ended nothing.\n")
    assert f"End 1 session of 1 user of the stack {STACK} in us-east-1? Type yes: " in ran.err
    assert core.has_session(result)
    assert "Ended 1 session of 1 user." in operator.run("sessions", "end", "--all", typed="yes\n").out
    assert_ended(core, result)


def test_end_of_all_without_a_terminal_needs_yes(core: Core, operator: Operator) -> None:
    result = core.signed_in()
    ran = operator.run("sessions", "end", "--all")
    assert (ran.code, ran.out) == (2, "")
    assert "add --yes" in ran.err
    assert core.has_session(result)
