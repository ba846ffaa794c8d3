"""Limits on attempts through the deployed functions. `tests/unit/test_failed_attempts.py` has every limit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from shotgrid_login.user_attempts import ALL_FAILURES, KNOWN_FAILURES, UNKNOWN_FAILURES
from tests.support.client import Gateway


def test_tenth_failure_in_an_hour_does_not_reach_the_site_and_others_do_not_wait(gateway: Gateway) -> None:
    user, other, caller = gateway.new_user(), gateway.new_user(), gateway.caller()
    for _ in range(ALL_FAILURES):
        assert caller.password(user, "wrong").code == "invalid_credentials"
    blocked = gateway.caller().password(user)
    assert (blocked.status, blocked.code) == (429, "too_many_attempts")
    assert blocked.headers["retry-after"] == str(blocked.body["retry_after"])
    assert 3000 <= blocked.body["retry_after"] <= 3600
    assert gateway.site.requests_for(user, "password") == ALL_FAILURES
    assert caller.password(other).status == 200


def test_guesses_from_elsewhere_do_not_lock_out_a_user_on_a_known_network(gateway: Gateway) -> None:
    user, office, elsewhere = gateway.new_user(), gateway.caller(), gateway.caller()
    office.signed_in(user)
    for _ in range(UNKNOWN_FAILURES):
        assert elsewhere.password(user, "guess").code == "invalid_credentials"
    assert elsewhere.password(user).code == "too_many_attempts"
    for _ in range(KNOWN_FAILURES - 1):
        assert office.password(user, "wrong").code == "invalid_credentials"
    assert office.password(user).status == 200


def test_parallel_guesses_are_counted_before_they_reach_the_site(gateway: Gateway) -> None:
    user, caller = gateway.new_user(), gateway.caller()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda guess: caller.password(user, f"guess {guess}"), range(2 * ALL_FAILURES)))
    assert gateway.site.requests_for(user, "password") <= ALL_FAILURES


@pytest.mark.parametrize("route", ["password", "access_token"])
def test_user_name_with_an_invisible_character_is_rejected_by_name(gateway: Gateway, route: str) -> None:
    user = gateway.new_user()
    name = f"{user.login}\u200b"
    if route == "password":
        response = gateway.caller().send("POST", "/auth/password", {"username": name, "password": user.password})
        detail = response.body["detail"]
    else:
        response = gateway.caller().access_token(grant_type="password", username=name, password=user.password)
        detail = response.body["errors"][0]["detail"]
    assert response.status == 400
    assert detail.startswith("username: ")
    assert gateway.site.requests_for(user, "password") == 0


def test_code_typed_with_an_input_method_signs_in(gateway: Gateway) -> None:
    user, caller = gateway.new_user(two_factor=True), gateway.caller()
    code = "".join(chr(ord(digit) + 0xFEE0) for digit in gateway.site.code(user.login))
    assert caller.otp(caller.password(user), f"{code}\u200b").status == 200
