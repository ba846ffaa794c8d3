"""Challenges: they connect the password step and the code step without storing the password.

User name and password are sealed, and the page keeps the ciphertext as the challenge. The table has only the
challenge's id, the number of attempts and the expiry. So the table alone contains no password, and the page alone
cannot open the challenge or get more attempts.
"""

from __future__ import annotations

import contextlib
import secrets
from dataclasses import dataclass, field

from shotgrid_login.errors import ChallengeEnded, InvalidRequest
from shotgrid_login.sealing import SealBroken, Sealer
from shotgrid_login.table import ConditionFailed, Table

LIFETIME = 300  # seconds: enough to find the phone; an app shows ten codes in this time
MAX_ATTEMPTS = 5

# The longest user name or password, in characters. Both fit into a challenge even if JSON escapes every character.
LONGEST_CREDENTIAL = 256

_CONTEXT = {"purpose": "challenge"}


@dataclass(frozen=True)
class Challenge:
    """A challenge for the page: opaque, URL-safe text that is valid for `expires_in` seconds."""

    text: str = field(repr=False)
    expires_in: int = LIFETIME


@dataclass(frozen=True)
class OpenedChallenge:
    """A challenge that this stack sealed and that has not expired. The table has its number of attempts."""

    challenge_id: str
    username: str
    password: str = field(repr=False)


class Challenges:
    """Issues and opens challenges, and counts their attempts."""

    def __init__(self, table: Table, sealer: Sealer) -> None:
        self._table = table
        self._sealer = sealer

    def issue(self, username: str, password: str, now: int) -> Challenge:
        """Return a new challenge."""
        challenge_id = secrets.token_urlsafe(16)
        expires_at = now + LIFETIME
        text = self._sealer.seal_as_text(
            {"id": challenge_id, "username": username, "password": password, "expires_at": expires_at}, _CONTEXT
        )
        self._table.put({"id": f"challenge#{challenge_id}", "attempts": 0, "expires_at": expires_at})
        return Challenge(text)

    def open(self, challenge: str, now: int) -> OpenedChallenge:
        """Open the text of a challenge.

        Raises:
            InvalidRequest: this stack did not issue it, or it was altered.
            ChallengeEnded: it has expired.
        """
        try:
            opened = self._sealer.open_text(challenge, _CONTEXT)
        except SealBroken:
            raise InvalidRequest("challenge: not issued by this gateway, or altered") from None
        if int(opened["expires_at"]) <= now:
            raise ChallengeEnded
        return OpenedChallenge(str(opened["id"]), str(opened["username"]), str(opened["password"]))

    def take_attempt(self, challenge: OpenedChallenge, now: int) -> int:
        """Count an attempt before the code is tried and return how many are left; raises `ChallengeEnded`."""
        try:
            row = self._table.update(
                _row_id(challenge),
                "ADD attempts :one",
                # Checked by the same write that counts, so that parallel codes cannot share an attempt.
                "attempts < :max_attempts AND expires_at > :now AND attribute_not_exists(used_by)",
                {"one": 1, "max_attempts": MAX_ATTEMPTS, "now": now},
            )
        except ConditionFailed:
            raise ChallengeEnded from None
        return MAX_ATTEMPTS - int(row["attempts"])

    def give_attempt_back(self, challenge: OpenedChallenge) -> None:
        """Undo `take_attempt`: the site did not judge the code."""
        # Another attempt may have used up the challenge in the meantime. Then nothing has to be undone.
        with contextlib.suppress(ConditionFailed):
            self._table.update(
                _row_id(challenge), "ADD attempts :minus_one", "attempts > :zero", {"minus_one": -1, "zero": 0}
            )

    def use_up(self, challenge: OpenedChallenge) -> None:
        """End the challenge after its code was accepted; raises `ChallengeEnded` if another attempt ended it first."""
        mark = secrets.token_urlsafe(16)
        try:
            self._table.update(
                _row_id(challenge),
                "SET used_by = :mark",
                # A challenge creates one session, even if the site accepted two codes at once. If the response to this
                # write is lost, the SDK repeats the write and finds its own mark.
                "attribute_exists(id) AND (attribute_not_exists(used_by) OR used_by = :mark)",
                {"mark": mark},
            )
        except ConditionFailed:
            raise ChallengeEnded from None


def _row_id(challenge: OpenedChallenge) -> str:
    return f"challenge#{challenge.challenge_id}"
