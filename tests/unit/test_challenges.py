"""Challenges, with a clock of the test."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from shotgrid_login.challenges import LIFETIME, LONGEST_CREDENTIAL, MAX_ATTEMPTS, Challenges, OpenedChallenge
from shotgrid_login.errors import ChallengeEnded, InvalidRequest
from shotgrid_login.table import Table
from tests.local.in_process import InProcessAws
from tests.support.core import Core
from tests.support.lost_responses import SentTwice


def issued(core: Core, password: str = "the password") -> OpenedChallenge:
    challenge = core.challenge("a_username", password)
    return core.challenges.open(challenge.text, core.clock.now)


def row(core: Core, challenge: OpenedChallenge) -> dict[str, object]:
    found = core.storage.state.get(f"challenge#{challenge.challenge_id}")
    assert found is not None
    return dict(found)


def left(core: Core, challenge: OpenedChallenge) -> int:
    """Take an attempt and return how many are left."""
    return core.challenges.take_attempt(challenge, core.clock.now).attempts_left


@pytest.mark.parametrize("password", ["the password", ' pä"ss\\&=+%20 \u0001\0😀 ', "\0", "😀" * LONGEST_CREDENTIAL])
@pytest.mark.parametrize("username", ["a_username", "é", "\u0001" * LONGEST_CREDENTIAL, "😀" * LONGEST_CREDENTIAL])
def test_attempt_has_the_credentials(core: Core, username: str, password: str) -> None:
    text = core.challenge(username, password).text
    assert len(text) <= 7000  # the longest value that /auth/otp accepts
    taken = core.challenges.take_attempt(core.challenges.open(text, core.clock.now), core.clock.now)
    assert (taken.username, taken.password, taken.attempts_left) == (username, password, MAX_ATTEMPTS - 1)


def test_table_alone_has_neither_password_nor_user_name(core: Core) -> None:
    opened = issued(core)
    found = row(core, opened)
    pad = found.pop("one_time_pad")
    assert isinstance(pad, bytes)
    assert len(pad) == len(opened.padded)
    assert b"password" not in pad
    assert found == {"id": f"challenge#{opened.challenge_id}", "attempts": 0, "expires_at": core.clock.now + LIFETIME}


def test_challenge_alone_has_neither_password_nor_user_name_even_for_the_owner_of_the_key(core: Core) -> None:
    text = core.challenge("a_username", "the password").text
    values = core.storage.sealer.open_text(text, {"purpose": "challenge"})
    assert values.keys() == {"id", "padded", "expires_at", "name", "user"}
    assert values["name"] == values["user"] == core.hashes.user("a_username")
    padded = base64.b64decode(str(values["padded"]))
    assert b"a_username" not in padded
    assert b"the password" not in padded
    other = core.storage.sealer.open_text(core.challenge("a_username", "the password").text, {"purpose": "challenge"})
    assert other["padded"] != values["padded"]


def test_used_challenge_has_no_pad(core: Core) -> None:
    opened = issued(core)
    core.challenges.take_attempt(opened, core.clock.now)
    core.challenges.use_up(opened)
    assert row(core, opened).keys() == {"id", "attempts", "expires_at", "used_by"}


@pytest.mark.parametrize("fields", [{"username": "a", "password": "b"}, {"padded": "AAA="}])
def test_challenge_of_a_previous_version_has_ended(core: Core, fields: dict[str, str]) -> None:
    values: dict[str, str | int] = {"id": "x", "expires_at": core.clock.now + 60, **fields}
    text = core.storage.sealer.seal_as_text(values, {"purpose": "challenge"})
    core.storage.state.put({"id": "challenge#x", "attempts": 0, "expires_at": core.clock.now + 60})
    with pytest.raises(ChallengeEnded):
        core.challenges.open(text, core.clock.now)


def test_credentials_are_not_in_a_repr(core: Core) -> None:
    opened = issued(core)
    taken = core.challenges.take_attempt(opened, core.clock.now)
    assert "the password" not in repr([opened, taken])
    assert "a_username" not in repr([opened, taken])


def test_expired_challenge_has_ended(core: Core) -> None:
    text = core.challenge("a", "b").text
    opened = core.challenges.open(text, core.clock.now + LIFETIME - 1)
    with pytest.raises(ChallengeEnded):
        core.challenges.open(text, core.clock.now + LIFETIME)
    with pytest.raises(ChallengeEnded):
        core.challenges.take_attempt(opened, core.clock.now + LIFETIME)


@pytest.mark.parametrize("text", ["", "AAAA", "not base64!", "ключ", "A" * 7000, "====", "\x00"])
def test_text_that_is_not_a_challenge_is_an_invalid_request(core: Core, text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^challenge: "):
        core.challenges.open(text, core.clock.now)


def test_altered_challenge_is_an_invalid_request(core: Core) -> None:
    text = core.challenge("a", "b").text
    position = 60  # local KMS authenticates only the header of a ciphertext
    for altered in (
        text[:position] + ("A" if text[position] != "A" else "B") + text[position + 1 :],
        text[:position],
        text[position:],
    ):
        with pytest.raises(InvalidRequest, match=r"^challenge: "):
            core.challenges.open(altered, core.clock.now)


def test_value_sealed_for_another_purpose_is_not_a_challenge(core: Core) -> None:
    values: dict[str, str | int] = {"id": "x", "username": "a", "password": "b", "expires_at": core.clock.now + 60}
    sealed = core.storage.sealer.seal(values, {"purpose": "session", "session": "x"})
    with pytest.raises(InvalidRequest, match=r"^challenge: "):
        core.challenges.open(base64.urlsafe_b64encode(sealed).decode(), core.clock.now)


def test_five_attempts_are_allowed_and_the_sixth_finds_the_challenge_ended(core: Core) -> None:
    opened = issued(core)
    assert [left(core, opened) for _ in range(MAX_ATTEMPTS)] == [4, 3, 2, 1, 0]
    with pytest.raises(ChallengeEnded):
        core.challenges.take_attempt(opened, core.clock.now)


def test_parallel_attempts_share_none(core: Core) -> None:
    opened = issued(core)

    def attempt(_: int) -> int | None:
        try:
            return left(core, opened)
        except ChallengeEnded:
            return None

    with ThreadPoolExecutor(12) as pool:
        found = [number for number in pool.map(attempt, range(12)) if number is not None]
    assert sorted(found) == [0, 1, 2, 3, 4]


def test_attempt_that_is_given_back_can_be_used_again(core: Core) -> None:
    opened = issued(core)
    for _ in range(20):
        assert left(core, opened) == 4
        core.challenges.give_attempt_back(opened)
    core.challenges.give_attempt_back(opened)  # one too many has no effect
    assert left(core, opened) == 4


def test_used_challenge_has_ended_for_every_other_attempt(core: Core) -> None:
    opened = issued(core)
    core.challenges.take_attempt(opened, core.clock.now)
    core.challenges.take_attempt(opened, core.clock.now)
    core.challenges.use_up(opened)
    with pytest.raises(ChallengeEnded):
        core.challenges.use_up(opened)
    with pytest.raises(ChallengeEnded):
        core.challenges.take_attempt(opened, core.clock.now)


def test_parallel_uses_of_a_challenge_have_one_winner(core: Core) -> None:
    opened = issued(core)

    def use(_: int) -> bool:
        try:
            core.challenges.use_up(opened)
        except ChallengeEnded:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(use, range(8))) == 1


def test_challenge_without_a_row_cannot_be_used(core: Core) -> None:
    opened = issued(core)
    core.storage.state.delete(f"challenge#{opened.challenge_id}")
    with pytest.raises(ChallengeEnded):
        core.challenges.take_attempt(opened, core.clock.now)
    with pytest.raises(ChallengeEnded):
        core.challenges.use_up(opened)
    assert core.storage.state.get(f"challenge#{opened.challenge_id}") is None


def test_attempt_is_given_back_once_although_the_response_to_the_write_was_lost(
    core: Core, in_process_aws: InProcessAws
) -> None:
    challenge = issued(core)
    assert [left(core, challenge) for _ in range(3)] == [4, 3, 2]
    dynamodb: Any = SentTwice(in_process_aws.client("dynamodb"))
    Challenges(Table(dynamodb, "core-state"), core.storage.sealer).give_attempt_back(challenge)
    assert left(core, challenge) == 2
