"""Limits on attempts through the deployed functions. `tests/unit/test_failed_attempts.py` has every limit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.support.client import Gateway


def test_seventh_attempt_waits_and_others_do_not(gateway: Gateway) -> None:
    user, other, caller = gateway.new_user(), gateway.new_user(), gateway.caller()
    for _ in range(6):
        assert caller.password(user, "wrong").code == "invalid_credentials"
    blocked = caller.password(user)
    assert (blocked.status, blocked.code) == (429, "too_many_attempts")
    assert blocked.headers["retry-after"] == str(blocked.body["retry_after"])
    assert 20 <= blocked.body["retry_after"] <= 30
    assert gateway.site.requests_for(user, "password") == 6
    assert caller.password(other).status == 200
    assert gateway.caller().password(user).status == 200


def test_parallel_guesses_are_counted_before_they_reach_the_site(gateway: Gateway) -> None:
    user, caller = gateway.new_user(), gateway.caller()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda guess: caller.password(user, f"guess {guess}"), range(12)))
    assert gateway.site.requests_for(user, "password") <= 5 + 1
