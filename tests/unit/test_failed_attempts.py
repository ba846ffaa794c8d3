"""Limits on attempts to sign in, with a clock of the test. `test_user_attempts.py` has the shares of a user."""

from __future__ import annotations

import operator
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from shotgrid_login.counts import LONGEST_ATTEMPT
from shotgrid_login.errors import TooManyAttempts
from shotgrid_login.failed_attempts import (
    ALL_BY_NETWORK,
    ALL_BY_USER_AND_NETWORK,
    FAILED_BY_NETWORK,
    NAME_RESOLUTION,
    STARTS_BY_BROWSER,
    USED_NAME_SECONDS,
    Attempt,
    FailedAttempts,
    Start,
)
from shotgrid_login.hashes import Hashes
from shotgrid_login.table import ConditionFailed, Row, Table
from shotgrid_login.user_attempts import (
    ALL_FAILURES,
    KNOWN_FAILURES,
    KNOWN_SECONDS,
    UNKNOWN_FAILURES,
    WINDOW,
    History,
    UserAttempts,
)
from shotgrid_login.users import User
from tests.local.in_process import InProcessAws
from tests.site.fake_site import FakeSite
from tests.support.core import Core, Storage
from tests.support.lost_responses import SentTwice
from tests.support.stepped import SteppedClient, SteppedFunction


def new_user(name: str = "") -> User:
    login = name or f"artist_{secrets.token_hex(4)}"
    return User("HumanUser", secrets.randbelow(10**9), login, email=f"{login}@studio.example")


def new_address() -> str:
    return "10." + ".".join(str(secrets.randbelow(256)) for _ in range(3))


def count(core: Core, username: str, address: str) -> Attempt:
    return core.failed_attempts.count(core.failed_attempts.read(username, core.clock.now), address, core.clock.now)


def fail(core: Core, username: str, address: str, times: int = 1) -> None:
    for _ in range(times):
        core.failed_attempts.failed(count(core, username, address), core.clock.now)


def sign_in(core: Core, user: User, address: str, typed: str = "") -> None:
    attempt = count(core, typed or user.login, address)
    core.failed_attempts.succeeded(attempt, user, core.clock.now)


def wait_of(core: Core, username: str, address: str) -> int:
    """Return the seconds that an attempt has to wait; 0 if it is allowed. It is not counted."""
    try:
        attempt = count(core, username, address)
    except TooManyAttempts as error:
        return error.retry_after or -1
    core.failed_attempts.forgive(attempt, core.clock.now)
    return 0


def preset(core: Core, row_id: str, attempts: int) -> None:
    """Set the number of counted attempts, so that a test need not make them."""
    core.storage.state.update(row_id, "SET misses = :attempts", "attribute_exists(id)", {"attempts": attempts})


def network_row(core: Core, address: str) -> str:
    return f"failed#address#{core.hashes.network(address)}"


def misses(core: Core, address: str) -> int:
    row = core.storage.state.get(network_row(core, address))
    return int(row["misses"]) if row else 0


# ---- a user ------------------------------------------------------------------------------------------------------


def test_user_fails_nine_times_in_an_hour_from_all_networks_together(core: Core) -> None:
    user = new_user()
    for _ in range(ALL_FAILURES):
        fail(core, user.login, new_address())
    assert wait_of(core, user.login, new_address()) == WINDOW
    core.clock.advance(WINDOW - 1)
    assert wait_of(core, user.login, new_address()) == 1
    core.clock.advance(1)
    assert wait_of(core, user.login, new_address()) == 0


def test_user_on_a_known_network_fails_five_times_and_then_signs_in_at_once(core: Core) -> None:
    user, office = new_user(), new_address()
    sign_in(core, user, office)
    fail(core, user.login, office, 5)
    sign_in(core, user, office)


@pytest.mark.parametrize("guesses", [5, ALL_FAILURES - 1, ALL_FAILURES])
@pytest.mark.parametrize("guessed", ["login", "email"])
def test_guesses_before_the_first_sign_in_leave_the_known_network_its_share(
    core: Core, guesses: int, guessed: str
) -> None:
    user, office = new_user(), new_address()
    for _ in range(guesses):
        fail(core, str(getattr(user, guessed)), new_address())
    core.clock.advance(60)
    if (guesses, guessed) == (ALL_FAILURES, "login"):
        core.clock.advance(WINDOW)  # without a known network, the user has to wait like everyone
    sign_in(core, user, office)
    fail(core, user.login, office, KNOWN_FAILURES - 1)
    assert wait_of(core, user.login, office) == 0
    fail(core, user.login, office)
    assert wait_of(core, user.login, office) > 0


def test_guesses_from_elsewhere_do_not_make_a_user_on_a_known_network_wait(core: Core) -> None:
    user, office = new_user(), new_address()
    sign_in(core, user, office)
    passed = 0
    addresses = [new_address() for _ in range(11)]
    for address in addresses * 5:
        if wait_of(core, user.login, address) == 0:
            fail(core, user.login, address)
            passed += 1
    assert passed == UNKNOWN_FAILURES
    for turn in range(6):
        core.clock.advance(wait_of(core, user.login, addresses[turn]))
        fail(core, user.login, addresses[turn])
        sign_in(core, user, office)


def test_ten_right_passwords_at_once_after_a_wait_are_told_no_wait_that_does_not_exist(core: Core) -> None:
    user, office = new_user(), new_address()
    sign_in(core, user, office)
    fail(core, user.login, office, KNOWN_FAILURES)
    core.clock.advance(wait_of(core, user.login, office))
    fail(core, user.login, office, KNOWN_FAILURES - 1)

    def attempt(_: int) -> Attempt | int:
        try:
            return count(core, user.login, office)
        except TooManyAttempts as error:
            return error.retry_after or -1

    with ThreadPoolExecutor(5) as pool:
        outcomes = list(pool.map(attempt, range(10)))
    admitted = [outcome for outcome in outcomes if isinstance(outcome, Attempt)]
    assert [outcome for outcome in outcomes if not isinstance(outcome, Attempt)] == [1] * 9
    core.failed_attempts.succeeded(admitted[0], user, core.clock.now)
    core.clock.advance(1)
    for _ in range(KNOWN_FAILURES):
        count(core, user.login, office)


def test_crashed_function_forgives_nothing(core: Core) -> None:
    user, address = new_user(), new_address()
    for _ in range(ALL_FAILURES):
        count(core, user.login, address)
    assert wait_of(core, user.login, address) == 1
    core.clock.advance(LONGEST_ATTEMPT)
    assert wait_of(core, user.login, address) == WINDOW


def test_attempt_that_has_to_wait_is_not_counted(core: Core) -> None:
    user, address = new_user(), new_address()
    fail(core, user.login, address, ALL_FAILURES)
    for _ in range(3):
        assert wait_of(core, user.login, address) == WINDOW
    assert misses(core, address) == ALL_FAILURES


def test_forgiven_attempts_do_not_count_as_failed(core: Core) -> None:
    user, address = new_user(), new_address()
    for _ in range(ALL_FAILURES + 1):
        core.failed_attempts.forgive(count(core, user.login, address), core.clock.now)
    assert misses(core, address) == 0
    fail(core, user.login, address, ALL_FAILURES)


def test_success_forgets_the_failures_of_its_network_and_keeps_those_of_others(core: Core) -> None:
    user, address, other = new_user(), new_address(), new_address()
    fail(core, user.login, address, 5)
    fail(core, user.login, other, 3)
    fail(core, new_user().login, address, 2)
    sign_in(core, user, address)
    assert (misses(core, address), misses(core, other)) == (2, 3)
    assert wait_of(core, user.login, other) == WINDOW  # three failures: the share of networks that are not known
    fail(core, user.login, address, KNOWN_FAILURES)


def test_success_of_a_known_user_on_a_new_network_forgets_the_failures_for_this_network(core: Core) -> None:
    user, elsewhere = new_user(), new_address()
    sign_in(core, user, new_address())
    fail(core, user.login, elsewhere, UNKNOWN_FAILURES - 1)
    assert misses(core, elsewhere) == UNKNOWN_FAILURES - 1
    sign_in(core, user, elsewhere)
    assert misses(core, elsewhere) == 0


def test_failures_from_a_known_network_do_not_count_for_the_network(core: Core) -> None:
    user, office = new_user(), new_address()
    sign_in(core, user, office)
    fail(core, user.login, office, 4)
    assert misses(core, office) == 0


def test_network_is_known_to_a_user_for_thirty_days(core: Core) -> None:
    user, office = new_user(), new_address()
    sign_in(core, user, office)
    core.clock.advance(KNOWN_SECONDS - 1)
    fail(core, user.login, office)
    assert misses(core, office) == 0
    core.clock.advance(1)
    fail(core, user.login, office)
    assert misses(core, office) == 1


def test_network_is_known_to_one_user_only(core: Core) -> None:
    user, other, office = new_user(), new_user(), new_address()
    sign_in(core, user, office)
    fail(core, other.login, office)
    assert misses(core, office) == 1


def test_rows_of_a_user_have_an_expiry_after_their_last_use(core: Core) -> None:
    user, office = new_user(), new_address()
    fail(core, user.login, office)
    first = core.storage.state.get(f"failed#user#{core.hashes.user(user.login)}")
    assert first is not None
    assert first["expires_at"] == core.clock.now + WINDOW
    sign_in(core, user, office)
    for row_id in (f"failed#user#{core.hashes.record(user.type, user.id)}", f"name#{core.hashes.user(user.login)}"):
        row = core.storage.state.get(row_id)
        assert row is not None
        assert row["expires_at"] == core.clock.now + KNOWN_SECONDS


# ---- names of a user ---------------------------------------------------------------------------------------------


def test_letter_case_spaces_and_compatible_letters_of_a_user_name_do_not_matter(core: Core) -> None:
    user, address = new_user(), new_address()
    full_width = "".join(chr(ord(letter) + 0xFEE0) for letter in user.login)
    for spelling in (user.login.upper(), f" {user.login}", user.login.replace("_", " _ "), full_width):
        fail(core, spelling, address, 2)
    fail(core, user.login, address)
    assert wait_of(core, user.login, address) == WINDOW


def test_login_and_e_mail_address_count_together_after_a_sign_in(core: Core) -> None:
    user, office = new_user(), new_address()
    sign_in(core, user, office)
    fail(core, user.email, office, UNKNOWN_FAILURES)  # the site has not accepted it yet, so it has no known network
    fail(core, user.login, office, KNOWN_FAILURES)
    assert wait_of(core, user.email, office) == WINDOW
    assert wait_of(core, user.login, office) == WINDOW


def test_accepted_names_share_the_attempts_of_known_networks(core: Core) -> None:
    user, office = new_user(), new_address()
    sign_in(core, user, office)
    sign_in(core, user, office, typed=user.email)
    sign_in(core, user, office)  # shows the login again, and takes nothing away from the address
    fail(core, user.email, office, 3)
    fail(core, user.login, office, 3)
    assert wait_of(core, user.email, office) == WINDOW
    assert wait_of(core, user.login, office) == WINDOW


def test_typed_name_counts_with_the_login_after_a_sign_in(core: Core) -> None:
    user, office = new_user(), new_address()
    fail(core, "another name of " + user.login, new_address(), UNKNOWN_FAILURES)
    sign_in(core, user, office, typed="another name of " + user.login)
    assert wait_of(core, user.login, new_address()) == WINDOW
    assert wait_of(core, user.login, office) == 0


def test_e_mail_address_takes_no_login_from_another_user(core: Core) -> None:
    victim, office = new_user(), new_address()
    sign_in(core, victim, office)
    attacker, elsewhere = replace(new_user(), email=victim.login), new_address()
    for _ in range(UNKNOWN_FAILURES):
        fail(core, victim.login, elsewhere)
        sign_in(core, attacker, elsewhere)
    assert wait_of(core, victim.login, elsewhere) == WINDOW
    assert wait_of(core, victim.login, office) == 0


def test_failures_with_an_e_mail_address_that_becomes_the_users_count_for_the_user(core: Core) -> None:
    user, office = new_user(), new_address()
    sign_in(core, replace(user, email=""), office)
    fail(core, user.email, new_address(), UNKNOWN_FAILURES)
    sign_in(core, user, office)
    assert wait_of(core, user.login, new_address()) == WINDOW
    assert wait_of(core, user.login, office) == 0


def test_failures_with_a_login_of_another_user_do_not_count_for_a_user_with_this_address(core: Core) -> None:
    other = new_user()
    sign_in(core, other, new_address())
    fail(core, other.login, new_address(), UNKNOWN_FAILURES)
    user = replace(new_user(), email=other.login)
    sign_in(core, user, new_address())
    assert wait_of(core, user.login, new_address()) == 0


def test_network_of_a_user_who_takes_over_a_name_is_not_known_to_its_former_user(core: Core) -> None:
    user, elsewhere = new_user(), new_address()
    former = replace(new_user(), email=user.login)
    sign_in(core, former, new_address())
    sign_in(core, user, elsewhere)
    fail(core, former.login, elsewhere, UNKNOWN_FAILURES)
    assert wait_of(core, former.login, elsewhere) == WINDOW


def test_e_mail_address_with_the_login_of_an_absent_user_clears_no_guesses(core: Core) -> None:
    victim, elsewhere = new_user(), new_address()
    attacker = replace(new_user(), email=victim.login)
    sign_in(core, attacker, elsewhere)
    guesses = 0
    while wait_of(core, victim.login, elsewhere) == 0 and guesses < 2 * ALL_FAILURES:
        fail(core, victim.login, elsewhere)
        guesses += 1
        if wait_of(core, attacker.login, elsewhere) == 0:
            sign_in(core, attacker, elsewhere)
    assert guesses <= ALL_FAILURES
    core.clock.advance(WINDOW)
    sign_in(core, victim, elsewhere)
    sign_in(core, attacker, elsewhere)
    fail(core, attacker.login, elsewhere, KNOWN_FAILURES)
    assert wait_of(core, victim.login, elsewhere) == 0


def guess(core: Core, username: str, address: str = "") -> int:
    """Fail until an attempt has to wait, each time from a new network without `address`. Return how often it failed."""
    for failures in range(2 * ALL_FAILURES):
        try:
            fail(core, username, address or new_address())
        except TooManyAttempts:
            return failures
    raise AssertionError("no attempt has to wait")


@pytest.mark.parametrize(("guessed", "typed"), [("login", "email"), ("email", "login")])
def test_failures_with_one_name_count_after_the_first_sign_in_with_the_other(
    core: Core, guessed: str, typed: str
) -> None:
    user = new_user()
    assert guess(core, getattr(user, guessed)) == ALL_FAILURES
    sign_in(core, user, new_address(), typed=getattr(user, typed))
    core.clock.advance(1)
    assert guess(core, user.login) + guess(core, user.email) == 0


def test_e_mail_address_with_the_login_of_an_absent_user_adds_no_guesses(core: Core) -> None:
    victim, office = new_user(), new_address()
    assert guess(core, victim.login) == ALL_FAILURES
    sign_in(core, replace(new_user(), email=victim.login), office)
    assert guess(core, victim.login) + guess(core, victim.login, office) == 0


def test_failures_that_counted_for_another_user_move_with_the_name(core: Core) -> None:
    victim, other = new_user(), new_user()
    sign_in(core, replace(other, email=victim.login), new_address())
    assert guess(core, victim.login) == UNKNOWN_FAILURES
    sign_in(core, victim, new_address(), typed=victim.email)
    assert guess(core, victim.login) == 0


def test_name_is_the_users_as_long_as_failures_with_it_count(core: Core) -> None:
    user, office = new_user(), new_address()
    sign_in(core, user, office)
    core.clock.advance(KNOWN_SECONDS - 10)
    assert guess(core, user.login) + guess(core, user.login, office) == ALL_FAILURES
    core.clock.advance(20)
    assert guess(core, user.login) == 0
    core.clock.advance(USED_NAME_SECONDS - 40)  # ten seconds before its new end
    assert guess(core, user.login) == ALL_FAILURES
    core.clock.advance(20)
    assert guess(core, user.login) == 0


# ---- a network ---------------------------------------------------------------------------------------------------


def test_office_whose_users_mistype_once_does_not_wait(core: Core) -> None:
    address = new_address()
    for _ in range(51):
        fail(core, new_user().login, address)
    assert wait_of(core, new_user().login, address) == 0


def test_failures_of_many_users_block_their_network_and_no_other(core: Core) -> None:
    address, known = new_address(), new_user()
    sign_in(core, known, address)
    fail(core, new_user().login, address)
    preset(core, network_row(core, address), FAILED_BY_NETWORK.free)
    fail(core, new_user().login, address)
    assert wait_of(core, new_user().login, address) == 30
    assert wait_of(core, new_user().login, new_address()) == 0
    assert wait_of(core, known.login, address) == 0


def test_waits_of_a_network_double_up_to_fifteen_minutes_and_end_with_the_hour(core: Core) -> None:
    address = new_address()
    fail(core, new_user().login, address)
    preset(core, network_row(core, address), FAILED_BY_NETWORK.free)
    waits = []
    for _ in range(8):
        fail(core, new_user().login, address)
        waits.append(wait_of(core, new_user().login, address))
        core.clock.advance(waits[-1])
    assert waits == [30, 60, 120, 240, 480, 900, 900, 3600 - 2730]
    assert misses(core, address) == FAILED_BY_NETWORK.free + 8
    fail(core, new_user().login, address, 2)
    assert misses(core, address) == 2


def test_one_attempt_at_a_time_is_allowed_after_a_wait_and_only_its_failure_starts_the_next(core: Core) -> None:
    address = new_address()
    fail(core, new_user().login, address)
    preset(core, network_row(core, address), FAILED_BY_NETWORK.free)
    for end in (core.failed_attempts.forgive, core.failed_attempts.failed):
        attempt = count(core, new_user().login, address)
        assert wait_of(core, new_user().login, address) == 1
        end(attempt, core.clock.now)
    assert wait_of(core, new_user().login, address) == 30
    core.clock.advance(30)
    user = new_user()
    sign_in(core, user, address)
    assert wait_of(core, new_user().login, address) == 0
    assert misses(core, address) == FAILED_BY_NETWORK.free + 1


def test_crashed_function_keeps_a_network_waiting_only_for_its_own_time(core: Core) -> None:
    address = new_address()
    fail(core, new_user().login, address)
    preset(core, network_row(core, address), FAILED_BY_NETWORK.free)
    slow = count(core, new_user().login, address)
    core.clock.advance(LONGEST_ATTEMPT)
    next_one = count(core, new_user().login, address)
    for end in (core.failed_attempts.failed, core.failed_attempts.forgive):
        end(slow, core.clock.now)  # late: another attempt has the turn
        assert wait_of(core, new_user().login, address) == 1
    core.failed_attempts.failed(next_one, core.clock.now)
    assert wait_of(core, new_user().login, address) == 60


def test_success_uncounts_only_failures_of_the_present_hour_of_the_network(core: Core) -> None:
    address, user = new_address(), new_user()
    fail(core, new_user().login, address)
    core.clock.advance(3000)
    fail(core, user.login, address, 3)
    core.clock.advance(600)
    fail(core, new_user().login, address, 2)  # a new hour of the network begins
    sign_in(core, user, address)
    assert misses(core, address) == 2


def test_addresses_of_one_ipv6_network_count_together(core: Core) -> None:
    name, network = new_user().login, f"2001:db8:{secrets.randbelow(0xFFFF):x}:2"
    for host in range(3):
        fail(core, name, f"{network}:{host}::1")
    assert misses(core, f"{network}::9") == 3
    assert misses(core, f"{network}f::9") == 0


def test_source_address_that_is_not_an_address_is_counted(core: Core) -> None:
    address = f"test-invoke-source-ip-{secrets.token_hex(4)}"
    fail(core, new_user().login, address)
    assert misses(core, address) == 1


# ---- counts that are written at the same time ---------------------------------------------------------------------


def counts(core: Core, user: User, address: str) -> list[object]:
    """Return the history of a user, and the numbers of attempts that count for user and network."""
    network = core.hashes.network(address)
    rows = [f"failed#address#{network}", f"failed#all#address#{network}"]
    rows.append(f"failed#all#user#{core.hashes.user(user.login)}#{network}")
    found = [core.storage.state.get(row) for row in rows]
    history = core.storage.state.get(f"failed#user#{core.hashes.user(user.login)}")
    return [history and history["history"], *(row and row["misses"] for row in found)]


def test_attempt_that_has_to_wait_writes_nothing(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    user, address = new_user(), new_address()
    fail(core, user.login, address, ALL_FAILURES)
    monkeypatch.delattr(Table, "_write")
    assert wait_of(core, user.login, address) == WINDOW


def test_attempt_that_is_not_admitted_after_it_has_read_counts_nowhere(core: Core) -> None:
    user, address = new_user(), new_address()
    read_too_early = core.failed_attempts.read(user.login, core.clock.now)
    fail(core, user.login, address, ALL_FAILURES)
    before = counts(core, user, address)
    with pytest.raises(TooManyAttempts):
        core.failed_attempts.count(read_too_early, address, core.clock.now)
    assert counts(core, user, address) == before


@pytest.mark.parametrize("limited", [1, 2, 3])
def test_attempt_that_one_limit_makes_wait_counts_nowhere(core: Core, limited: int) -> None:
    user, address = new_user(), new_address()
    fail(core, user.login, address)
    network = core.hashes.network(address)
    row = (
        f"failed#address#{network}",
        f"failed#all#address#{network}",
        f"failed#all#user#{core.hashes.user(user.login)}#{network}",
    )[limited - 1]
    preset(core, row, ALL_BY_NETWORK.free)
    if limited == 1:
        count(core, new_user().login, address)  # takes the turn
    before = counts(core, user, address)
    assert wait_of(core, user.login, address) > 0
    assert counts(core, user, address) == before


def test_name_that_a_sign_in_has_shown_since_the_password_step_counts_for_its_user(core: Core) -> None:
    user, office = new_user(), new_address()
    before = core.failed_attempts.read(user.login, core.clock.now)
    assert before.holder.user == core.hashes.user(user.login)
    sign_in(core, user, office)
    after = core.failed_attempts.read_again(before.name, before.holder.user, core.clock.now)
    assert after == core.failed_attempts.read(user.login, core.clock.now)
    assert after.holder.user == core.hashes.record(user.type, user.id)


def test_sign_in_writes_a_name_again_after_a_day(core: Core) -> None:
    user, office = new_user(), new_address()

    def names() -> list[object]:
        rows = [core.storage.state.get(f"name#{core.hashes.user(name)}") for name in (user.login, user.email)]
        return [row and row["expires_at"] for row in rows]

    sign_in(core, user, office)
    first = names()
    assert first == [core.clock.now + KNOWN_SECONDS] * 2
    core.clock.advance(NAME_RESOLUTION - 1)
    sign_in(core, user, office)
    assert names() == first
    core.clock.advance(1)
    sign_in(core, user, office)
    assert names() == [core.clock.now + KNOWN_SECONDS] * 2


def test_name_that_the_site_has_accepted_is_written_although_the_user_had_chosen_it_before(core: Core) -> None:
    user, office = new_user(), new_address()
    sign_in(core, user, office)
    assert not core.failed_attempts.read(user.email, core.clock.now).holder.is_shown
    sign_in(core, user, office, typed=user.email)
    assert core.failed_attempts.read(user.email, core.clock.now).holder.is_shown


# ---- all attempts, and starts ------------------------------------------------------------------------------------


def test_forgiven_attempts_of_a_user_are_limited_to_sixty_in_five_minutes(core: Core) -> None:
    user, address = new_user(), new_address()
    assert wait_of(core, user.login, address) == 0
    row = f"failed#all#user#{core.hashes.user(user.login)}#{core.hashes.network(address)}"
    preset(core, row, ALL_BY_USER_AND_NETWORK.free - 1)
    core.clock.advance(100)
    assert wait_of(core, user.login, address) == 0
    assert wait_of(core, user.login, address) == 200
    assert wait_of(core, user.login, new_address()) == 0
    core.clock.advance(200)
    fail(core, user.login, address, ALL_FAILURES)  # the attempt that had to wait was not counted


def test_forgiven_attempts_of_a_network_are_limited(core: Core) -> None:
    address = new_address()
    assert wait_of(core, new_user().login, address) == 0
    preset(core, f"failed#all#address#{core.hashes.network(address)}", ALL_BY_NETWORK.free)
    assert wait_of(core, new_user().login, address) == 300
    assert misses(core, address) == 0
    assert wait_of(core, new_user().login, new_address()) == 0


def test_limit_of_all_attempts_is_at_least_sixty_per_network_in_five_minutes() -> None:
    for limit in (ALL_BY_USER_AND_NETWORK, ALL_BY_NETWORK):
        assert limit.free >= 60
        assert limit.memory <= 5 * 60


def test_starts_of_a_browser_wait_until_they_are_forgotten(core: Core) -> None:
    start = Start.of(secrets.token_hex(8), secrets.token_hex(32))
    for _ in range(STARTS_BY_BROWSER.free):
        core.failed_attempts.count_start(start, core.clock.now)
    core.clock.advance(60)
    with pytest.raises(TooManyAttempts) as caught:
        core.failed_attempts.count_start(start, core.clock.now)
    assert caught.value.retry_after == STARTS_BY_BROWSER.memory - 60
    core.failed_attempts.uncount_start(start)
    core.failed_attempts.count_start(start, core.clock.now)


def test_count_of_the_previous_version_is_continued(core: Core) -> None:
    start = Start.of(secrets.token_hex(8), secrets.token_hex(32))
    assert start.by_browser
    old: dict[str, Any] = {"id": start.by_browser, "misses": 9, "expires_at": core.clock.now + 60}
    core.storage.state.put(old)
    core.failed_attempts.count_start(start, core.clock.now)
    with pytest.raises(TooManyAttempts):
        core.failed_attempts.count_start(start, core.clock.now)
    core.storage.state.put(old)
    core.clock.advance(60)
    core.failed_attempts.count_start(start, core.clock.now)
    core.storage.state.put(old)
    core.failed_attempts.uncount_start(start)
    row = core.storage.state.get(start.by_browser)
    assert row is not None
    assert row["misses"] == 8


# ---- parallel attempts, and lost responses -----------------------------------------------------------------------


def test_parallel_attempts_of_a_user_are_all_counted(core: Core) -> None:
    name, address = new_user().login, new_address()

    def attempt(_: int) -> bool:
        try:
            count(core, name, address)
        except TooManyAttempts:
            return False
        return True

    with ThreadPoolExecutor(12) as pool:
        assert sum(pool.map(attempt, range(24))) == ALL_FAILURES
    assert misses(core, address) == ALL_FAILURES


def test_parallel_ends_of_attempts_are_all_noted(core: Core) -> None:
    name, address = new_user().login, new_address()
    attempts = [count(core, name, address) for _ in range(ALL_FAILURES)]
    with ThreadPoolExecutor(9) as pool:
        list(pool.map(lambda attempt: core.failed_attempts.failed(attempt, core.clock.now), attempts))
    assert wait_of(core, name, address) == WINDOW


@pytest.fixture(scope="module")
def stepped_storage(in_process_aws: InProcessAws) -> Storage:
    return Storage.create(in_process_aws, "stepped-attempts", SteppedClient)


@pytest.mark.parametrize("is_backwards", [False, True])
@pytest.mark.parametrize("networks", [1, 2])
def test_first_sign_ins_of_a_user_in_lock_step_leave_no_failure(
    stepped_storage: Storage, site: FakeSite, networks: int, is_backwards: bool
) -> None:
    core, user = Core(stepped_storage, site), new_user()
    addresses = [new_address(), new_address()]
    attempts = [count(core, user.login, addresses[number % networks]) for number in range(2)]
    functions = [
        SteppedFunction(
            partial(core.failed_attempts.succeeded, attempt, user, core.clock.now), is_backwards=is_backwards
        )
        for attempt in attempts
    ]
    while not all(function.is_over for function in functions):
        for function in functions:
            function.go()
    assert [function.error for function in functions] == [None, None]
    history = UserAttempts(core.storage.state).text(core.hashes.record(user.type, user.id))
    assert History.from_json(history).attempts == ()


@pytest.fixture
def repeating(core: Core, storage: Storage, in_process_aws: InProcessAws) -> Core:
    """The core with a DynamoDB client whose first response to each write is lost."""
    dynamodb: Any = SentTwice(in_process_aws.client("dynamodb"))
    core.failed_attempts = FailedAttempts(Table(dynamodb, "core-state"), storage.hashes)
    return core


def test_repeated_writes_count_once(repeating: Core) -> None:
    user, address = new_user(), new_address()
    fail(repeating, user.login, address, ALL_FAILURES)
    assert wait_of(repeating, user.login, address) == WINDOW
    assert misses(repeating, address) == ALL_FAILURES
    repeating.clock.advance(WINDOW)
    fail(repeating, user.login, address, 3)
    assert misses(repeating, address) == 3
    sign_in(repeating, user, address)
    assert misses(repeating, address) == 0


END: dict[str, Callable[[Core, Attempt], None]] = {
    "failed": lambda core, attempt: core.failed_attempts.failed(attempt, core.clock.now),
    "forgiven": lambda core, attempt: core.failed_attempts.forgive(attempt, core.clock.now),
    "succeeded": lambda core, attempt: core.failed_attempts.succeeded(attempt, new_user(), core.clock.now),
}


@pytest.mark.parametrize(("end", "expected", "wait"), [("failed", 1, 30), ("forgiven", 0, 0), ("succeeded", 0, 0)])
def test_repeated_writes_take_a_turn_once(repeating: Core, end: str, expected: int, wait: int) -> None:
    address = new_address()
    fail(repeating, new_user().login, address)
    preset(repeating, network_row(repeating, address), FAILED_BY_NETWORK.free)
    attempt = count(repeating, new_user().login, address)
    assert misses(repeating, address) == FAILED_BY_NETWORK.free + 1
    END[end](repeating, attempt)
    assert misses(repeating, address) == FAILED_BY_NETWORK.free + expected
    assert wait_of(repeating, new_user().login, address) == wait


def test_repeated_writes_of_starts_count_once(repeating: Core) -> None:
    start = Start.of(secrets.token_hex(8), secrets.token_hex(32))
    for _ in range(STARTS_BY_BROWSER.free):
        repeating.failed_attempts.count_start(start, repeating.clock.now)
    repeating.failed_attempts.uncount_start(start)
    repeating.failed_attempts.count_start(start, repeating.clock.now)
    with pytest.raises(TooManyAttempts):
        repeating.failed_attempts.count_start(start, repeating.clock.now)


# ---- without AWS: a race, and any order of attempts ---------------------------------------------------------------

COMPARE: dict[str, Callable[[Any, Any], bool]] = {"=": operator.eq, "<=": operator.le}


class Memory(Table):
    """A table in memory, for rows that are only written as a whole. The other counts never make a caller wait.

    There is always a place.
    """

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}

    def get(self, row_id: str) -> Row | None:
        return self.rows.get(row_id)

    def put(self, row: Row, condition: str = "", values: Row | None = None) -> None:
        current = self.rows.get(str(row["id"]))
        if condition and not any(
            all(self._is_true(term, current, values or {}) for term in terms.split(" AND "))
            for terms in condition.split(" OR ")
        ):
            raise ConditionFailed(current)
        self.rows[str(row["id"])] = row

    def update(self, row_id: str, change: str, condition: str, values: Row | None = None) -> Row:
        return {"id": row_id, "misses": 1, "expires_at": 1, "last_change": (values or {}).get("mark", "")}

    def _is_true(self, term: str, current: Row | None, values: Row) -> bool:
        if term == "attribute_not_exists(id)":
            return current is None
        name, sign, value = term.split()
        return current is not None and COMPARE[sign](current[name], values[value.removeprefix(":")])


class Secret:
    """The KMS key of the hashes."""

    def generate_mac(self, **request: Any) -> Any:
        return {"Mac": b"secret"}


class SignInMeanwhile(Memory):
    """A table in which a sign-in replaces a row as soon as another attempt has read it."""

    def __init__(self, new: Row) -> None:
        super().__init__()
        self.new = new

    def get(self, row_id: str) -> Row | None:
        row = super().get(row_id)
        self.rows[row_id] = self.new
        return row


def test_attempt_does_not_shorten_the_life_of_a_name_that_a_sign_in_has_just_shown() -> None:
    hashes = Hashes(cast(Any, Secret()), "key")
    row: Row = {"id": f"name#{hashes.user('artist')}", "user_record": "record", "is_chosen": 0, "expires_at": 1_000_010}
    table = SignInMeanwhile({**row, "expires_at": 1_000_000 + KNOWN_SECONDS})
    table.rows[str(row["id"])] = row
    FailedAttempts(table, hashes).read("artist", 1_000_000)
    assert table.rows[str(row["id"])] == table.new


NAMES = ["victim", "victim@studio.example", "colleague"]


class Guesses(RuleBasedStateMachine):
    """Guesses with the names of a user, and sign-ins of this user and of a colleague who can use these names too."""

    networks = st.sampled_from(["home of the victim", "home of the colleague", "elsewhere"])

    @initialize()
    def start(self) -> None:
        self.now = 1_000_000
        self.table = Memory()
        self.hashes = Hashes(cast(Any, Secret()), "key")
        self.failed_attempts = FailedAttempts(self.table, self.hashes)
        self.failures: list[tuple[int, str]] = []  # time and name of those that count at the site

    @rule(seconds=st.sampled_from([WINDOW, KNOWN_SECONDS - 1, KNOWN_SECONDS]))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule(name=st.sampled_from(NAMES), network=networks, seconds=st.sampled_from([0, 2]))
    def guess(self, name: str, network: str, seconds: int) -> None:
        for _ in range(ALL_FAILURES):
            try:
                attempt = self.failed_attempts.count(self.failed_attempts.read(name, self.now), network, self.now)
            except TooManyAttempts:
                break
            own_names = NAMES[:2] if name in NAMES[:2] else NAMES[2:]
            together = {other for other in own_names if self.record_of(other) == self.record_of(name)} | {name}
            recent = [failed for at, failed in self.failures if at > self.now - WINDOW and failed in together]
            assert len(recent) < ALL_FAILURES, (name, recent)
            self.failed_attempts.failed(attempt, self.now)
            self.failures.append((self.now, name))
        self.now += seconds

    @rule(network=networks, typed=st.sampled_from(NAMES[:2]))
    def victim_signs_in(self, network: str, typed: str) -> None:
        self.sign_in(User("HumanUser", 1, NAMES[0], email=NAMES[1]), network, typed, NAMES[:2])

    @rule(network=networks, address=st.sampled_from(NAMES[:2]))
    def colleague_signs_in(self, network: str, address: str) -> None:
        self.sign_in(User("HumanUser", 2, NAMES[2], email=address), network, NAMES[2], NAMES[2:])

    def sign_in(self, user: User, network: str, typed: str, own_names: list[str]) -> None:
        try:
            attempt = self.failed_attempts.count(self.failed_attempts.read(typed, self.now), network, self.now)
        except TooManyAttempts:
            return
        self.failed_attempts.succeeded(attempt, user, self.now)
        self.failures = [failure for failure in self.failures if failure[1] not in own_names]  # the site starts again

    def record_of(self, name: str) -> str:
        """Return the user to whom the name belongs, as far as sign-ins have shown."""
        row = self.table.get(f"name#{self.hashes.user(name)}")
        return str(row["user_record"]) if row and int(row["expires_at"]) > self.now else name


TestGuesses = Guesses.TestCase
TestGuesses.settings = settings(max_examples=40)  # `make soak` tries more
