"""The password step and the code step through the deployed functions. `tests/unit/test_sign_in.py` has every case."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from tests.support.client import Gateway, Response


def test_password_signs_in_without_two_factor(gateway: Gateway) -> None:
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


def test_code_signs_in_with_two_factor_and_its_token_reads_from_the_site(gateway: Gateway) -> None:
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


def test_password_reaches_the_site_unchanged(gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=True)
    user.password = ' pä"ss\\&=+%20 \u0001😀 '
    gateway.site.secrets.add(user.password)
    assert gateway.caller().signed_in(user).status == 200


@pytest.mark.parametrize("two_factor", [False, True])
def test_wrong_password_is_rejected(gateway: Gateway, two_factor: bool) -> None:
    user = gateway.new_user(two_factor=two_factor, password_checked_first=True)
    response = gateway.caller().password(user, "not the password")
    assert (response.status, response.code) == (401, "invalid_credentials")
    assert user.login not in response.text


def test_unknown_user_and_wrong_password_get_the_same_response(gateway: Gateway) -> None:
    caller = gateway.caller()
    user = gateway.new_user(two_factor=False)
    wrong = caller.password(user, "not the password")
    del gateway.site.accounts[user.login]
    unknown = caller.password(user)
    for response in (wrong, unknown):
        assert response.code == "invalid_credentials"
    assert {**wrong.body, "request_id": ""} == {**unknown.body, "request_id": ""}


@pytest.mark.parametrize("wrong_code", [102, 106])
def test_right_code_after_a_wrong_one_signs_in(gateway: Gateway, wrong_code: int) -> None:
    user, caller = gateway.new_user(two_factor=True, wrong_code=wrong_code), gateway.caller()
    challenge = caller.password(user)
    wrong = caller.otp(challenge, "000000")
    assert (wrong.status, wrong.code, wrong.body["attempts_left"]) == (401, "invalid_otp", 4)
    assert caller.otp(challenge, gateway.site.code(user.login)).status == 200


def test_sixth_code_finds_the_challenge_ended(gateway: Gateway) -> None:
    user, caller = gateway.new_user(two_factor=True), gateway.caller()
    challenge = caller.password(user)
    left = [caller.otp(challenge, f"00000{attempt}").body["attempts_left"] for attempt in range(5)]
    assert left == [4, 3, 2, 1, 0]
    sixth = caller.otp(challenge, gateway.site.code(user.login))
    assert (sixth.status, sixth.code) == (410, "challenge_ended")
    assert gateway.site.requests_for(user, "password") == 1 + 5


def test_two_right_codes_in_parallel_create_one_session(gateway: Gateway) -> None:
    user, caller = gateway.new_user(two_factor=True), gateway.caller()
    challenge = caller.password(user)
    with ThreadPoolExecutor(2) as pool:
        responses = list(pool.map(lambda code: caller.otp(challenge, code), user.backup_codes))
    assert sorted(response.status for response in responses) == [200, 410]


def test_altered_challenge_is_an_invalid_request(gateway: Gateway) -> None:
    user, caller = gateway.new_user(two_factor=True), gateway.caller()
    challenge = caller.password(user).body["challenge"]
    header = 60  # local KMS authenticates only the header of a ciphertext; AWS KMS authenticates all of it
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


@pytest.mark.parametrize("method", ["saml2", "oxygen"])
def test_site_without_passwords_is_reported(gateway: Gateway, method: str) -> None:
    user = gateway.new_user(authentication_method=method)
    response = gateway.caller().password(user)
    assert (response.status, response.code) == (403, "password_sign_in_disabled")


def test_two_factor_switch_ends_sessions_and_then_requires_a_code(gateway: Gateway) -> None:
    user, caller = gateway.new_user(two_factor=False), gateway.caller()
    before = caller.signed_in(user).body
    gateway.site.switch(user, two_factor=True)
    rejected = caller.refresh(before["refresh_token"], refused_access_token=before["access_token"])
    assert (rejected.status, rejected.code) == (401, "session_ended")
    challenge = caller.password(user)
    assert challenge.status == 202
    assert caller.otp(challenge, gateway.site.code(user.login)).status == 200


FAULTS: list[tuple[str, int, str]] = [
    ("html", 502, "site_error"),
    ("huge", 502, "site_error"),
    ("redirect", 502, "site_error"),
    ("503", 503, "site_unavailable"),
    ("drop", 503, "site_unavailable"),
]


@pytest.mark.parametrize(("fault", "status", "code"), FAULTS)
def test_unexpected_response_of_the_site_is_an_error_and_costs_no_attempt(
    gateway: Gateway, fault: str, status: int, code: str
) -> None:
    user, caller = gateway.new_user(two_factor=True), gateway.caller()
    challenge = caller.password(user)
    gateway.site.switch(user, fault=fault)
    calls: list[Any] = [lambda: caller.password(user), lambda: caller.otp(challenge, "123456")]
    for call in calls * 3:
        response: Response = call()
        assert (response.status, response.code) == (status, code)
        if status == 503:
            assert response.headers["retry-after"] == str(response.body["retry_after"])
    gateway.site.switch(user, fault="")
    # The faults of the site have used no attempt of the challenge or of the user.
    assert caller.otp(challenge, "000000").body["attempts_left"] == 4
    assert caller.otp(challenge, gateway.site.code(user.login)).status == 200


def _seconds_from_now(rfc3339: str) -> float:
    assert rfc3339.endswith("Z")
    return (datetime.fromisoformat(rfc3339) - datetime.now(UTC)).total_seconds()
