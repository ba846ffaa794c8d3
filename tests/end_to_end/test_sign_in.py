"""The password step and the code step."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from tests.support.client import Gateway, Response


def test_without_two_factor_the_password_is_enough(gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=False)
    response = gateway.caller().password(user)
    assert response.status == 200
    assert response.headers["cache-control"] == "no-store"
    body = response.body
    assert body["status"] == "signed_in"
    assert body["token_type"] == "Bearer"
    assert 590 <= body["expires_in"] <= 600
    assert body["user"] == {"type": "HumanUser", "id": user.id, "login": user.login}
    assert _seconds_from_now(body["session"]["expires_at"]) == pytest.approx(12 * 3600, abs=60)
    assert _seconds_from_now(body["session"]["idle_expires_at"]) == pytest.approx(2 * 3600, abs=60)


def test_with_two_factor_the_code_is_asked_for_and_the_bearer_reads_from_the_site(gateway: Gateway) -> None:
    user, caller = gateway.new_user(two_factor=True), gateway.caller()
    challenge = caller.password(user)
    assert challenge.status == 202
    assert challenge.body.keys() == {"status", "challenge", "expires_in"}
    assert challenge.body["status"] == "otp_required"
    assert challenge.body["expires_in"] == 300
    response = caller.otp(challenge, gateway.site.code(user.login))
    assert response.status == 200
    read = requests.get(
        f"{gateway.site.url}/api/v1/entity/human_users/{user.id}",
        params={"fields": "login"},
        headers={"authorization": f"Bearer {response.body['access_token']}"},
        timeout=10,
    )
    assert read.json()["data"]["attributes"] == {"login": user.login}


def test_the_site_gets_the_password_as_it_was_typed(gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=True)
    user.password = ' pä"ss\\&=+%20 \u0001😀 '
    gateway.site.secrets.add(user.password)
    assert gateway.caller().signed_in(user).status == 200


@pytest.mark.parametrize("two_factor", [False, True])
def test_a_wrong_password_is_refused_at_the_first_step_if_the_site_checks_it_there(
    gateway: Gateway, two_factor: bool
) -> None:
    user = gateway.new_user(two_factor=two_factor, password_checked_first=True)
    response = gateway.caller().password(user, "not the password")
    assert (response.status, response.code) == (401, "invalid_credentials")
    assert user.login not in response.text


@pytest.mark.parametrize("wrong_code", [102, 106])
def test_a_wrong_password_shows_at_the_second_step_if_the_site_wants_the_code_first(
    gateway: Gateway, wrong_code: int
) -> None:
    user = gateway.new_user(two_factor=True, password_checked_first=False, wrong_code=wrong_code)
    caller = gateway.caller()
    challenge = caller.password(user, "not the password")
    assert challenge.status == 202
    response = caller.otp(challenge, gateway.site.code(user.login))
    assert (response.status, response.code, response.body["attempts_left"]) == (401, "invalid_otp", 4)


def test_a_user_that_the_site_does_not_know_is_refused_like_a_wrong_password(gateway: Gateway) -> None:
    caller = gateway.caller()
    user = gateway.new_user(two_factor=False)
    wrong = caller.password(user, "not the password")
    del gateway.site.accounts[user.login]
    unknown = caller.password(user)
    for response in (wrong, unknown):
        assert response.code == "invalid_credentials"
    assert {**wrong.body, "request_id": ""} == {**unknown.body, "request_id": ""}


@pytest.mark.parametrize("wrong_code", [102, 106])
def test_after_a_wrong_code_the_right_one_still_signs_in(gateway: Gateway, wrong_code: int) -> None:
    user, caller = gateway.new_user(two_factor=True, wrong_code=wrong_code), gateway.caller()
    challenge = caller.password(user)
    wrong = caller.otp(challenge, "000000")
    assert (wrong.status, wrong.code, wrong.body["attempts_left"]) == (401, "invalid_otp", 4)
    assert caller.otp(challenge, gateway.site.code(user.login)).status == 200


@pytest.mark.parametrize("wrong_code", [102, 106])
def test_a_code_works_once(gateway: Gateway, wrong_code: int) -> None:
    user, caller = gateway.new_user(two_factor=True, wrong_code=wrong_code), gateway.caller()
    code = gateway.site.code(user.login)
    assert caller.otp(caller.password(user), code).status == 200
    again = caller.otp(caller.password(user), code)
    assert (again.status, again.code) == (401, "invalid_otp")


def test_a_backup_code_is_taken_as_it_is_printed_with_spaces(gateway: Gateway) -> None:
    user, caller = gateway.new_user(two_factor=True), gateway.caller()
    backup_code = next(iter(user.backup_codes))
    typed = f" {backup_code[:4]} {backup_code[4:]}\t"
    assert caller.otp(caller.password(user), typed).status == 200
    assert caller.otp(caller.password(user), backup_code).code == "invalid_otp"


def test_the_sixth_attempt_finds_the_challenge_ended(gateway: Gateway) -> None:
    user, caller = gateway.new_user(two_factor=True), gateway.caller()
    challenge = caller.password(user)
    left = [caller.otp(challenge, f"00000{attempt}").body["attempts_left"] for attempt in range(5)]
    assert left == [4, 3, 2, 1, 0]
    sixth = caller.otp(challenge, gateway.site.code(user.login))
    assert (sixth.status, sixth.code) == (410, "challenge_ended")
    assert gateway.site.requests_for(user, "password") == 1 + 5


def test_codes_guessed_at_once_share_no_attempt(gateway: Gateway) -> None:
    user, caller = gateway.new_user(two_factor=True), gateway.caller()
    challenge = caller.password(user)
    with ThreadPoolExecutor(12) as pool:
        responses = list(pool.map(lambda guess: caller.otp(challenge, f"{guess:06d}"), range(12)))
    assert gateway.site.requests_for(user, "password") <= 1 + 5
    assert {response.status for response in responses} <= {401, 410, 429}


def test_an_expired_challenge_is_over(gateway: Gateway) -> None:
    user, caller = gateway.new_user(two_factor=True), gateway.caller()
    before = _challenge_rows(gateway)
    challenge = caller.password(user)
    (row_id,) = _challenge_rows(gateway) - before
    gateway.state.set(row_id, expires_at=int(time.time()))
    response = caller.otp(challenge, gateway.site.code(user.login))
    assert (response.status, response.code) == (410, "challenge_ended")
    assert gateway.site.requests_for(user, "password") == 1


def test_a_challenge_makes_one_session(gateway: Gateway) -> None:
    user, caller = gateway.new_user(two_factor=True), gateway.caller()
    challenge = caller.password(user)
    assert caller.otp(challenge, gateway.site.code(user.login)).status == 200
    again = caller.otp(challenge, gateway.site.code(user.login))
    assert (again.status, again.code) == (410, "challenge_ended")
    assert gateway.site.requests_for(user, "password") == 2


def test_two_right_codes_at_once_make_one_session(gateway: Gateway) -> None:
    user, caller = gateway.new_user(two_factor=True), gateway.caller()
    challenge = caller.password(user)
    with ThreadPoolExecutor(2) as pool:
        responses = list(pool.map(lambda code: caller.otp(challenge, code), user.backup_codes))
    assert sorted(response.status for response in responses) == [200, 410]


def test_a_challenge_that_was_tampered_with_does_not_open(gateway: Gateway) -> None:
    user, caller = gateway.new_user(two_factor=True), gateway.caller()
    challenge = caller.password(user).body["challenge"]
    header = 60  # local KMS authenticates a ciphertext's header only; the real one all of it
    for tampered in (
        challenge[:header] + ("A" if challenge[header] != "A" else "B") + challenge[header + 1 :],
        challenge[:60],
        challenge[60:],
        "AAAA",
        "not base64!",
        "ключ",
    ):
        response = caller.otp(tampered, gateway.site.code(user.login))
        assert (response.status, response.code) == (400, "invalid_request")
        assert response.body["detail"].startswith("challenge: ")
    assert gateway.site.requests_for(user, "password") == 1


def test_another_stacks_challenge_does_not_open(gateway: Gateway, other_gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=True)
    challenge = other_gateway.caller().password(user)
    assert challenge.status == 202
    gateway.secrets |= other_gateway.secrets
    response = gateway.caller().otp(challenge, gateway.site.code(user.login))
    assert (response.status, response.code) == (400, "invalid_request")
    assert response.body["detail"].startswith("challenge: ")
    assert other_gateway.caller().otp(challenge, gateway.site.code(user.login)).status == 200


@pytest.mark.parametrize("method", ["saml2", "oxygen"])
def test_sites_without_passwords_are_said_to_be_so(gateway: Gateway, method: str) -> None:
    user = gateway.new_user(authentication_method=method)
    response = gateway.caller().password(user)
    assert (response.status, response.code) == (403, "password_sign_in_disabled")


def test_a_site_that_turns_passwords_off_between_the_steps_is_said_to_have(gateway: Gateway) -> None:
    user, caller = gateway.new_user(two_factor=True), gateway.caller()
    challenge = caller.password(user)
    gateway.site.switch(user, authentication_method="saml2")
    response = caller.otp(challenge, gateway.site.code(user.login))
    assert (response.status, response.code) == (403, "password_sign_in_disabled")


def test_the_switch_to_two_factor_ends_sessions_and_asks_for_the_code_from_then_on(gateway: Gateway) -> None:
    user, caller = gateway.new_user(two_factor=False), gateway.caller()
    before = caller.signed_in(user).body
    gateway.site.switch(user, two_factor=True)
    refused = caller.refresh(before["refresh_token"], refused_access_token=before["access_token"])
    assert (refused.status, refused.code) == (401, "session_ended")
    challenge = caller.password(user)
    assert challenge.status == 202
    assert caller.otp(challenge, gateway.site.code(user.login)).status == 200


def test_a_site_that_turns_two_factor_off_between_the_steps_signs_in(gateway: Gateway) -> None:
    user, caller = gateway.new_user(two_factor=True), gateway.caller()
    challenge = caller.password(user)
    gateway.site.switch(user, two_factor=False)
    assert caller.otp(challenge, "123456").status == 200


FAULTS: list[tuple[str, int, str]] = [
    ("html", 502, "site_error"),
    ("html_401", 502, "site_error"),
    ("empty", 502, "site_error"),
    ("truncated_json", 502, "site_error"),
    ("not_an_object", 502, "site_error"),
    ("missing_access_token", 502, "site_error"),
    ("missing_refresh_token", 502, "site_error"),
    ("expires_in_text", 502, "site_error"),
    ("nested", 502, "site_error"),
    ("huge", 502, "site_error"),
    ("teapot", 502, "site_error"),
    ("redirect", 502, "site_error"),
    ("503", 503, "site_unavailable"),
    ("500", 503, "site_unavailable"),
    ("drop", 503, "site_unavailable"),
]


@pytest.mark.parametrize(("fault", "status", "code"), FAULTS)
def test_what_no_site_should_answer_is_an_error_that_costs_nothing(
    gateway: Gateway, fault: str, status: int, code: str
) -> None:
    user, caller = gateway.new_user(two_factor=True), gateway.caller()
    challenge = caller.password(user)
    gateway.site.switch(user, fault=fault)
    calls: list[Any] = [lambda: caller.password(user), lambda: caller.otp(challenge, "123456")]
    for call in calls * 4:
        response: Response = call()
        assert (response.status, response.code) == (status, code)
        if status == 503:
            assert response.headers["retry-after"] == str(response.body["retry_after"])
    gateway.site.switch(user, fault="")
    # Neither the challenge nor the user has spent an attempt on the site's faults.
    assert caller.otp(challenge, "000000").body["attempts_left"] == 4
    assert caller.otp(challenge, gateway.site.code(user.login)).status == 200


def _challenge_rows(gateway: Gateway) -> set[str]:
    return {row["id"]["S"] for row in gateway.state.all() if row["id"]["S"].startswith("challenge#")}


def _seconds_from_now(rfc3339: str) -> float:
    assert rfc3339.endswith("Z")
    return (datetime.fromisoformat(rfc3339) - datetime.now(UTC)).total_seconds()
