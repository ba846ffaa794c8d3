"""Guessing gets slower: for a user from one network, for a user from everywhere, and for an address."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from shotgrid_login.failed_attempts import Attempt
from tests.site.fake_site import Account
from tests.support.client import Caller, Gateway


def test_after_five_misses_a_user_waits_longer_each_time(gateway: Gateway) -> None:
    user, caller = gateway.new_user(), gateway.caller()
    for _ in range(5):
        assert caller.password(user, "wrong").code == "invalid_credentials"
    waits = []
    for _ in range(7):
        assert caller.password(user, "wrong").code == "invalid_credentials"
        blocked = caller.password(user)
        assert (blocked.status, blocked.code) == (429, "too_many_attempts")
        assert blocked.headers["retry-after"] == str(blocked.body["retry_after"])
        waits.append(blocked.body["retry_after"])
        _wait_is_over(gateway, user, caller)
    for wait, expected in zip(waits, [30, 60, 120, 240, 480, 900, 900], strict=True):
        assert expected - 10 <= wait <= expected
    assert gateway.site.requests_for(user, "password") == 5 + 7
    assert caller.password(user).status == 200


def test_a_stranger_elsewhere_cannot_keep_a_person_out(gateway: Gateway) -> None:
    user, stranger = gateway.new_user(), gateway.caller()
    for _ in range(7):
        stranger.password(user, "wrong")
    assert stranger.password(user).code == "too_many_attempts"
    assert gateway.caller().password(user).status == 200


def test_guesses_from_many_addresses_are_slowed_down_too(gateway: Gateway) -> None:
    user = gateway.new_user()
    callers = [gateway.caller() for _ in range(14)]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            list(pool.map(lambda caller: caller.password(user, "wrong"), callers))
    assert gateway.site.requests_for(user, "password") <= 50 + 1
    assert gateway.caller().password(user).code == "too_many_attempts"


def test_others_are_not_kept_waiting(gateway: Gateway) -> None:
    victim, other, caller = gateway.new_user(), gateway.new_user(), gateway.caller()
    for _ in range(7):
        caller.password(victim, "wrong")
    assert caller.password(victim).code == "too_many_attempts"
    assert caller.password(other).status == 200


def test_signing_in_forgets_the_misses(gateway: Gateway) -> None:
    user, caller = gateway.new_user(), gateway.caller()
    for _ in range(3):
        for _ in range(4):
            assert caller.password(user, "wrong").code == "invalid_credentials"
        assert caller.password(user).status == 200


def test_misses_are_forgotten_a_day_after_the_first(gateway: Gateway) -> None:
    user, caller = gateway.new_user(), gateway.caller()
    for _ in range(6):
        caller.password(user, "wrong")
    assert caller.password(user).code == "too_many_attempts"
    for row_id in (_rows(user, caller).failed_by_user_and_network, _rows(user, caller).failed_by_user):
        day = int(gateway.state.get(row_id)["expires_at"]["N"]) - time.time()
        assert 86_300 < day <= 86_400
        gateway.state.set(row_id, expires_at=int(time.time()) - 1)
    for _ in range(5):
        assert caller.password(user, "wrong").code == "invalid_credentials"


def test_an_office_that_signs_in_all_day_collects_no_misses(gateway: Gateway) -> None:
    office = gateway.caller()
    for _ in range(3):
        assert office.password(gateway.new_user()).status == 200
    row = gateway.state.get(_rows(gateway.new_user(), office).failed_by_network)
    assert row["misses"]["N"] == "0"
    first_hour = row["expires_at"]["N"]
    assert office.password(gateway.new_user(), "wrong").code == "invalid_credentials"
    assert gateway.state.get(row["id"]["S"])["expires_at"]["N"] == first_hour


def test_letter_case_and_spaces_do_not_make_another_user(gateway: Gateway) -> None:
    user, caller = gateway.new_user(), gateway.caller()
    logins = [user.login, user.login.upper(), f" {user.login}", user.login.title(), f"{user.login} "] * 2
    codes = []
    for login in logins:
        body = {"username": login, "password": "wrong"}
        codes.append(caller.send("POST", "/auth/password", body).code)
        gateway.names.add(login.strip())
    assert codes.count("invalid_credentials") == 6


def test_passwords_guessed_at_once_are_counted_before_they_are_tried(gateway: Gateway) -> None:
    user, caller = gateway.new_user(), gateway.caller()
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda guess: caller.password(user, f"guess {guess}"), range(24)))
    assert gateway.site.requests_for(user, "password") <= 5 + 1


def test_wrong_codes_count_for_the_user_and_leave_the_challenge_its_attempts(gateway: Gateway) -> None:
    user, caller = gateway.new_user(two_factor=True), gateway.caller()
    for _ in range(2):
        challenge = caller.password(user)
        for _ in range(3):
            response = caller.otp(challenge, "000000")
    assert response.code == "invalid_otp"
    assert caller.password(user).code == "too_many_attempts"
    assert caller.otp(challenge, "000000").code == "too_many_attempts"
    _wait_is_over(gateway, user, caller)
    assert caller.otp(challenge, "000000").body["attempts_left"] == 1
    _wait_is_over(gateway, user, caller)
    assert caller.otp(challenge, gateway.site.code(user.login)).status == 200


def test_an_address_that_tries_many_users_waits_too(gateway: Gateway) -> None:
    guesser = gateway.caller()
    with ThreadPoolExecutor(4) as pool:
        responses = list(pool.map(lambda _: guesser.password(gateway.new_user(), "wrong"), range(53)))
    assert sum(response.code == "too_many_attempts" for response in responses) >= 1
    user = gateway.new_user()
    assert guesser.password(user).code == "too_many_attempts"
    assert gateway.caller().password(user).status == 200


def test_one_ipv6_network_is_one_address(gateway: Gateway) -> None:
    user = gateway.new_user()
    for host in range(6):
        caller = gateway.caller(x_forwarded_for=f"2001:db8:1:2:{host}::1")
        assert caller.password(user, "wrong").code == "invalid_credentials"
    assert gateway.caller(x_forwarded_for="2001:db8:1:2::9").password(user).code == "too_many_attempts"
    assert gateway.caller(x_forwarded_for="2001:db8:1:3::9").password(user).status == 200


def test_an_address_that_is_none_is_one_all_the_same(gateway: Gateway) -> None:
    caller = gateway.caller(x_forwarded_for="test-invoke-source-ip")
    assert caller.password(gateway.new_user()).status == 200


def _rows(user: Account, caller: Caller) -> Attempt:
    return Attempt.of(user.login, caller.address)


def _wait_is_over(gateway: Gateway, user: Account, caller: Caller) -> None:
    gateway.state.set(_rows(user, caller).failed_by_user_and_network, blocked_until=int(time.time()))
