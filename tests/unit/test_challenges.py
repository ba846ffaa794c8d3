"""Challenges, with a clock of the test."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor

import pytest

from shotgrid_login.challenges import LIFETIME, LONGEST_CREDENTIAL, MAX_ATTEMPTS, OpenedChallenge
from shotgrid_login.errors import ChallengeEnded, InvalidRequest
from tests.support.core import Core


def issued(core: Core, password: str = "the password") -> OpenedChallenge:
    challenge = core.challenges.issue("a_username", password, core.clock.now)
    return core.challenges.open(challenge.text, core.clock.now)


def row(core: Core, challenge: OpenedChallenge) -> dict[str, object]:
    found = core.storage.state.get(f"challenge#{challenge.challenge_id}")
    assert found is not None
    return dict(found)


def test_opened_challenge_has_the_credentials(core: Core) -> None:
    opened = issued(core, ' pä"ss\\&=+%20 \u0001😀 ')
    assert (opened.username, opened.password) == ("a_username", ' pä"ss\\&=+%20 \u0001😀 ')


def test_longest_credentials_fit_even_if_json_escapes_every_character(core: Core) -> None:
    longest = "\u0001" * LONGEST_CREDENTIAL
    text = core.challenges.issue(longest, longest, core.clock.now).text
    assert len(text) <= 7000  # the longest value that /auth/otp accepts
    assert core.challenges.open(text, core.clock.now).password == longest


def test_table_has_neither_password_nor_user_name(core: Core) -> None:
    opened = issued(core)
    assert row(core, opened) == {
        "id": f"challenge#{opened.challenge_id}",
        "attempts": 0,
        "expires_at": core.clock.now + LIFETIME,
    }


def test_repr_of_an_opened_challenge_has_no_password(core: Core) -> None:
    assert "the password" not in repr(issued(core))


def test_expired_challenge_has_ended(core: Core) -> None:
    text = core.challenges.issue("a", "b", core.clock.now).text
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
    text = core.challenges.issue("a", "b", core.clock.now).text
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
    assert [core.challenges.take_attempt(opened, core.clock.now) for _ in range(MAX_ATTEMPTS)] == [4, 3, 2, 1, 0]
    with pytest.raises(ChallengeEnded):
        core.challenges.take_attempt(opened, core.clock.now)


def test_parallel_attempts_share_none(core: Core) -> None:
    opened = issued(core)

    def attempt(_: int) -> int | None:
        try:
            return core.challenges.take_attempt(opened, core.clock.now)
        except ChallengeEnded:
            return None

    with ThreadPoolExecutor(12) as pool:
        left = [number for number in pool.map(attempt, range(12)) if number is not None]
    assert sorted(left) == [0, 1, 2, 3, 4]


def test_attempt_that_is_given_back_can_be_used_again(core: Core) -> None:
    opened = issued(core)
    for _ in range(20):
        assert core.challenges.take_attempt(opened, core.clock.now) == 4
        core.challenges.give_attempt_back(opened)
    core.challenges.give_attempt_back(opened)  # one too many has no effect
    assert core.challenges.take_attempt(opened, core.clock.now) == 4


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
