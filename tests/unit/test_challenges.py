"""Challenges, with a clock of the test."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest

from shotgrid_login.aws import AwsError
from shotgrid_login.challenges import LIFETIME, LONGEST_CREDENTIAL, MAX_ATTEMPTS, Challenges, ReceivedChallenge
from shotgrid_login.errors import ChallengeEnded, InvalidRequest
from shotgrid_login.table import Table
from tests.local.in_process import InProcessAws
from tests.support.core import AWS_FAILS, Core
from tests.support.lost_responses import SentTwice


def issued(core: Core, password: str = "the password") -> ReceivedChallenge:
    challenge = core.challenge("a_username", password)
    return core.challenges.receive(challenge.text, core.clock.now)


def row(core: Core, challenge: ReceivedChallenge) -> dict[str, object]:
    found = core.storage.state.get(f"challenge#{challenge.challenge_id}")
    assert found is not None
    return dict(found)


def left(core: Core, challenge: ReceivedChallenge) -> int:
    """Take an attempt and return how many are left."""
    return core.challenges.take_attempt(challenge, core.clock.now).attempts_left


@pytest.mark.parametrize("password", ["the password", ' pä"ss\\&=+%20 \u0001\0😀 ', "\0", "😀" * LONGEST_CREDENTIAL])
@pytest.mark.parametrize("username", ["a_username", "é", "\u0001" * LONGEST_CREDENTIAL, "😀" * LONGEST_CREDENTIAL])
def test_attempt_has_the_credentials(core: Core, username: str, password: str) -> None:
    text = core.challenge(username, password).text
    assert len(text) <= 7000  # the longest value that /auth/otp accepts
    taken = core.challenges.take_attempt(core.challenges.receive(text, core.clock.now), core.clock.now)
    assert (taken.username, taken.password, taken.attempts_left) == (username, password, MAX_ATTEMPTS - 1)


def test_table_alone_has_neither_password_nor_user_name(core: Core) -> None:
    opened = issued(core)
    found = row(core, opened)
    pad = found.pop("one_time_pad")
    assert isinstance(pad, bytes)
    assert len(pad) == 2 + len("a_username") + len("the password")
    assert b"password" not in pad
    assert found == {"id": f"challenge#{opened.challenge_id}", "attempts": 0, "expires_at": core.clock.now + LIFETIME}


def test_challenge_alone_has_neither_password_nor_user_name_even_for_the_owner_of_the_key(core: Core) -> None:
    def opened() -> dict[str, str | int]:
        challenge = issued(core)
        values = core.storage.sealer.open_text(challenge.sealed, {"purpose": "challenge"})
        assert values.keys() == {"id", "padded"}
        assert values["id"] == challenge.challenge_id
        return values

    one, other = opened(), opened()
    padded = base64.b64decode(str(one["padded"]))
    assert b"a_username" not in padded
    assert b"the password" not in padded
    assert other["padded"] != one["padded"]


def test_challenge_names_its_rows_only_to_its_own_stack(core: Core) -> None:
    name, user = core.hashes.user("a_username"), core.hashes.record("HumanUser", 24)
    texts = [
        core.challenges.issue("a_username", "b", core.clock.now, name=name, user=shown).text for shown in (user, name)
    ]
    received = [core.challenges.receive(text, core.clock.now) for text in texts]
    assert [(each.name, each.user) for each in received] == [(name, user), (name, name)]
    # A page cannot compare them: neither two of one challenge, nor those of two challenges.
    hidden = [base64.urlsafe_b64decode(text.split(".")[2] + "==") for text in texts]
    assert len({part for each in hidden for part in (each[:8], each[8:])}) == 4
    assert not {bytes.fromhex(each) for each in (name, user)} & {
        part for each in hidden for part in (each[:8], each[8:])
    }


def test_used_challenge_has_no_pad(core: Core) -> None:
    opened = issued(core)
    core.challenges.take_attempt(opened, core.clock.now)
    core.challenges.use_up(opened)
    assert row(core, opened).keys() == {"id", "attempts", "expires_at", "used_by"}


def test_challenge_of_a_previous_version_has_ended(core: Core) -> None:
    values: dict[str, str | int] = {"id": "x", "expires_at": core.clock.now + 60, "padded": "AAA="}
    text = core.storage.sealer.seal_as_text(values, {"purpose": "challenge"})
    with pytest.raises(ChallengeEnded):
        core.challenges.receive(text, core.clock.now)


def test_credentials_are_not_in_a_repr(core: Core) -> None:
    opened = issued(core)
    taken = core.challenges.take_attempt(opened, core.clock.now)
    assert "the password" not in repr([opened, taken])
    assert "a_username" not in repr([opened, taken])


def test_expired_challenge_has_ended(core: Core) -> None:
    text = core.challenge("a", "b").text
    challenge = core.challenges.receive(text, core.clock.now + LIFETIME - 1)
    assert core.challenges.take_attempt(challenge, core.clock.now + LIFETIME - 1)
    with pytest.raises(ChallengeEnded):
        core.challenges.receive(text, core.clock.now + LIFETIME)
    with pytest.raises(ChallengeEnded):
        core.challenges.take_attempt(challenge, core.clock.now + LIFETIME)


HEAD = f"{'A' * 22}.1000000000.{'A' * 22}.{'A' * 22}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "AAAA",
        "not base64!",
        "ключ",
        "A" * 7000,
        "====",
        "\x00",
        "....",
        HEAD,
        f"{HEAD}.",
        f"{HEAD}.=",
        f"{HEAD}.AAAA",
    ],
)
def test_text_that_is_not_a_challenge_is_an_invalid_request(core: Core, text: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^challenge: "):
        core.challenges.receive(text, core.clock.now)


@pytest.mark.parametrize("end", [".A", "=", "\n", "ä"])
def test_challenge_with_more_after_it_is_an_invalid_request(core: Core, end: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^challenge: "):
        core.challenges.receive(core.challenge("a", "b").text + end, core.clock.now)


def test_altered_head_is_an_invalid_request(core: Core) -> None:
    text, other = (core.challenge("a", "b").text.split(".") for _ in range(2))
    later = str(int(text[1]) + 1)
    # The last letter has four bits that stand for no byte.
    same_bytes = text[2][:-1] + chr(ord(text[2][-1]) + 1)
    assert base64.urlsafe_b64decode(same_bytes + "==") == base64.urlsafe_b64decode(text[2] + "==")
    alterations = [(0, other[0]), (1, later), (1, "0" + text[1]), (2, other[2]), (2, same_bytes), (3, other[3])]
    for part, altered in alterations:
        with pytest.raises(InvalidRequest, match=r"^challenge: "):
            core.challenges.receive(".".join([*text[:part], altered, *text[part + 1 :]]), core.clock.now)
    for letter in range(22):
        proof = text[3][:letter] + ("A" if text[3][letter] != "A" else "Q") + text[3][letter + 1 :]
        with pytest.raises(InvalidRequest, match=r"^challenge: "):
            core.challenges.receive(".".join([*text[:3], proof, text[4]]), core.clock.now)
    assert core.challenges.receive(".".join(text), core.clock.now)


def test_altered_sealed_part_is_an_invalid_request_and_takes_no_attempt_of_another_challenge(core: Core) -> None:
    challenge, other = issued(core), issued(core)
    sealed, position = challenge.sealed, 60  # local KMS authenticates only the header of a ciphertext
    for altered in (
        other.sealed,
        sealed[:position] + ("A" if sealed[position] != "A" else "B") + sealed[position + 1 :],
        sealed[:position],
        sealed[position:],
        "A",
        "A" * 6900,
    ):
        with pytest.raises(InvalidRequest, match=r"^challenge: "):
            core.challenges.take_attempt(replace(challenge, sealed=altered), core.clock.now)
    assert left(core, other) == 4


def test_altered_challenge_does_not_get_its_attempt_back(core: Core) -> None:
    challenge = issued(core)
    with pytest.raises(InvalidRequest):
        core.challenges.take_attempt(replace(challenge, sealed="AAAA"), core.clock.now)
    assert left(core, challenge) == 3


def test_attempt_is_given_back_if_kms_fails(core: Core) -> None:
    challenge = issued(core)
    with patch.object(core.storage.sealer, "open_text", side_effect=AWS_FAILS), pytest.raises(AwsError):
        core.challenges.take_attempt(challenge, core.clock.now)
    assert [left(core, challenge) for _ in range(MAX_ATTEMPTS)] == [4, 3, 2, 1, 0]
    # No attempt was taken, so none is given back.
    with patch.object(core.storage.sealer, "open_text", side_effect=AWS_FAILS), pytest.raises(AwsError):
        core.challenges.take_attempt(challenge, core.clock.now)
    with pytest.raises(ChallengeEnded):
        left(core, challenge)


def test_challenge_of_another_stack_is_an_invalid_request(core: Core) -> None:
    core.restart()
    text = core.challenge("a", "b").text
    vars(core.hashes)["_secret"] = b"another secret"
    with pytest.raises(InvalidRequest, match=r"^challenge: "):
        core.challenges.receive(text, core.clock.now)


def test_altered_challenge_gives_no_further_attempts(core: Core) -> None:
    challenge = issued(core)
    altered = replace(challenge, sealed="AAAA")
    for _ in range(MAX_ATTEMPTS):
        left(core, challenge)
    with pytest.raises(InvalidRequest):
        core.challenges.take_attempt(altered, core.clock.now)
    with pytest.raises(ChallengeEnded):
        left(core, challenge)


def test_value_sealed_for_another_purpose_is_not_a_challenge(core: Core) -> None:
    challenge = issued(core)
    values = core.storage.sealer.open_text(challenge.sealed, {"purpose": "challenge"})
    for context in ({"purpose": "session", "session": "x"}, {"purpose": "approval"}):
        sealed = core.storage.sealer.seal_as_text(values, context)
        with pytest.raises(InvalidRequest, match=r"^challenge: "):
            core.challenges.take_attempt(replace(challenge, sealed=sealed), core.clock.now)


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
    Challenges(Table(dynamodb, "core-state"), core.storage.sealer, core.hashes).give_attempt_back(challenge)
    assert left(core, challenge) == 2
