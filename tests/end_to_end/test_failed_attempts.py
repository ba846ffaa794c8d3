"""Guessing gets slower, for a user and for an address, and nobody is locked out for good."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from shotgrid_login import failed_attempts
from tests.client import Gateway


def test_after_five_misses_a_user_waits_longer_each_time(gateway: Gateway) -> None:
    person = gateway.person()
    for _ in range(5):
        assert gateway.caller().password(person, "wrong").code == "invalid_credentials"
    waits = []
    for _ in range(7):
        assert gateway.caller().password(person, "wrong").code == "invalid_credentials"
        blocked = gateway.caller().password(person)
        assert (blocked.status, blocked.code) == (429, "too_many_attempts")
        assert blocked.headers["retry-after"] == str(blocked.body["retry_after"])
        waits.append(blocked.body["retry_after"])
        _wait_is_over(gateway, person.login)
    for wait, expected in zip(waits, [30, 60, 120, 240, 480, 900, 900], strict=True):
        assert expected - 10 <= wait <= expected
    assert gateway.site.asked_for(person, "password") == 5 + 7
    assert gateway.caller().password(person).status == 200


def test_others_are_not_kept_waiting(gateway: Gateway) -> None:
    victim, other = gateway.person(), gateway.person()
    for _ in range(7):
        gateway.caller().password(victim, "wrong")
    assert gateway.caller().password(victim).code == "too_many_attempts"
    assert gateway.caller().password(other).status == 200


def test_signing_in_forgets_the_misses(gateway: Gateway) -> None:
    person, caller = gateway.person(), gateway.caller()
    for _ in range(3):
        for _ in range(4):
            assert caller.password(person, "wrong").code == "invalid_credentials"
        assert caller.password(person).status == 200


def test_misses_are_forgotten_after_an_hour(gateway: Gateway) -> None:
    person = gateway.person()
    for _ in range(6):
        gateway.caller().password(person, "wrong")
    assert gateway.caller().password(person).code == "too_many_attempts"
    gateway.state.set(_row(person.login), expires_at=int(time.time()) - 1)
    for _ in range(5):
        assert gateway.caller().password(person, "wrong").code == "invalid_credentials"


def test_letter_case_and_spaces_do_not_make_another_user(gateway: Gateway) -> None:
    person, caller = gateway.person(), gateway.caller()
    logins = [person.login, person.login.upper(), f" {person.login}", person.login.title(), f"{person.login} "] * 2
    codes = []
    for login in logins:
        body = {"username": login, "password": "wrong"}
        codes.append(caller.send("POST", "/auth/password", body).code)
        gateway.names.add(login.strip())
    assert codes.count("invalid_credentials") == 6


def test_passwords_guessed_at_once_are_counted_before_they_are_tried(gateway: Gateway) -> None:
    person = gateway.person()
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda guess: gateway.caller().password(person, f"guess {guess}"), range(24)))
    assert gateway.site.asked_for(person, "password") <= 5 + 1


def test_wrong_codes_count_for_the_user_and_leave_the_challenge_its_attempts(gateway: Gateway) -> None:
    person, caller = gateway.person(two_factor=True), gateway.caller()
    for _ in range(2):
        challenge = caller.password(person)
        for _ in range(3):
            answer = caller.otp(challenge, "000000")
    assert answer.code == "invalid_otp"
    assert caller.password(person).code == "too_many_attempts"
    assert caller.otp(challenge, "000000").code == "too_many_attempts"
    _wait_is_over(gateway, person.login)
    left = caller.otp(challenge, "000000").body["attempts_left"]
    assert left == 1
    _wait_is_over(gateway, person.login)
    assert caller.otp(challenge, gateway.site.code(person.login)).status == 200


def test_an_address_that_tries_many_users_waits_too(gateway: Gateway) -> None:
    guesser = gateway.caller()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: guesser.password(gateway.person(), "wrong"), range(53)))
    assert sum(answer.code == "too_many_attempts" for answer in answers) >= 1
    person = gateway.person()
    assert guesser.password(person).code == "too_many_attempts"
    assert gateway.caller().password(person).status == 200


def test_one_ipv6_network_is_one_address(gateway: Gateway) -> None:
    row = failed_attempts._network("2001:db8:1:2:3::4")  # noqa: SLF001
    assert row == failed_attempts._network("2001:db8:1:2::")  # noqa: SLF001
    assert row != failed_attempts._network("2001:db8:1:3::")  # noqa: SLF001
    person = gateway.person()
    assert gateway.caller(x_forwarded_for="2001:db8::1").password(person).status == 200


def _row(login: str) -> str:
    return f"failed#user#{failed_attempts.user_hash(login)}"


def _wait_is_over(gateway: Gateway, login: str) -> None:
    gateway.state.set(_row(login), blocked_until=int(time.time()))
