"""Challenges: they connect the password step and the code step without storing the password.

User name and password are combined with a random pad of the same length (a one-time pad). The page keeps the result,
sealed, as the challenge. The table has the pad, the number of attempts and the expiry. So the table alone contains no
password, and the page alone cannot open the challenge or get more attempts.

The pad leaves the table when the challenge is used. Then no one can read the password, even with the key.
"""

from __future__ import annotations

import base64
import contextlib
import secrets
from dataclasses import dataclass, field

from shotgrid_login.errors import ChallengeEnded, InvalidRequest
from shotgrid_login.parallel import together
from shotgrid_login.sealing import SealBroken, Sealer
from shotgrid_login.table import ConditionFailed, Table

LIFETIME = 300  # seconds: enough to find the phone; an app shows ten codes in this time
MAX_ATTEMPTS = 5

# The longest user name or password, in characters. A challenge with both has less than 7,000 characters.
LONGEST_CREDENTIAL = 256

# The user name's length stands before it. Bytes.
_LENGTH_BYTES = 2

_CONTEXT = {"purpose": "challenge"}


@dataclass(frozen=True)
class Challenge:
    """A challenge for the page: opaque, URL-safe text that is valid for `expires_in` seconds."""

    text: str = field(repr=False)
    expires_in: int = LIFETIME


@dataclass(frozen=True)
class OpenedChallenge:
    """A challenge that this stack sealed and that has not expired. The table has its number of attempts and its pad.

    Attributes:
        padded: user name and password, combined with the pad.
        name: hash of the user name.
        user: hash of the user that the attempt of the password step has counted for.
    """

    challenge_id: str
    padded: bytes = field(repr=False)
    name: str
    user: str


@dataclass(frozen=True)
class TakenAttempt:
    """The credentials of a challenge for one attempt, and how many attempts are left after it."""

    username: str = field(repr=False)
    password: str = field(repr=False)
    attempts_left: int


class Challenges:
    """Issues and opens challenges, and counts their attempts."""

    def __init__(self, table: Table, sealer: Sealer) -> None:
        self._table = table
        self._sealer = sealer

    def issue(self, username: str, password: str, now: int, *, name: str, user: str) -> Challenge:
        """Return a new challenge. `name` and `user` are hashes, see `OpenedChallenge`."""
        challenge_id, expires_at = secrets.token_urlsafe(16), now + LIFETIME
        credentials = _credentials(username, password)
        pad = secrets.token_bytes(len(credentials))
        padded = base64.b64encode(_xor(credentials, pad)).decode()
        sealed: dict[str, str | int] = {"id": challenge_id, "padded": padded, "expires_at": expires_at}
        row: dict[str, str | int | bytes] = {"attempts": 0, "one_time_pad": pad, "expires_at": expires_at}
        text, _ = together(
            lambda: self._sealer.seal_as_text(sealed | {"name": name, "user": user}, _CONTEXT),
            lambda: self._table.put({"id": f"challenge#{challenge_id}", **row}),
        )
        return Challenge(text)

    def open(self, challenge: str, now: int) -> OpenedChallenge:
        """Open the text of a challenge.

        Raises:
            InvalidRequest: this stack did not issue it, or it was altered.
            ChallengeEnded: it has expired, or a version that sealed no hash of the name issued it.
        """
        try:
            opened = self._sealer.open_text(challenge, _CONTEXT)
        except SealBroken:
            raise InvalidRequest("challenge: not issued by this gateway, or altered") from None
        if int(opened["expires_at"]) <= now or "name" not in opened:
            raise ChallengeEnded
        padded = base64.b64decode(str(opened["padded"]))
        return OpenedChallenge(str(opened["id"]), padded, str(opened["name"]), str(opened["user"]))

    def take_attempt(self, challenge: OpenedChallenge, now: int) -> TakenAttempt:
        """Count an attempt before the code is tried; raises `ChallengeEnded`."""
        try:
            row = self._table.update(
                _row_id(challenge),
                "ADD attempts :one",
                # Checked by the same write that counts, so that parallel codes cannot share an attempt. The pad leaves
                # the row when the challenge is used.
                "attempts < :max_attempts AND expires_at > :now AND attribute_exists(one_time_pad)",
                {"one": 1, "max_attempts": MAX_ATTEMPTS, "now": now},
            )
        except ConditionFailed:
            raise ChallengeEnded from None
        pad = row["one_time_pad"]
        credentials = _xor(challenge.padded, pad if isinstance(pad, bytes) else b"")
        start = _LENGTH_BYTES + int.from_bytes(credentials[:_LENGTH_BYTES])
        username, password = credentials[_LENGTH_BYTES:start].decode(), credentials[start:].decode()
        return TakenAttempt(username, password, MAX_ATTEMPTS - int(row["attempts"]))

    def give_attempt_back(self, challenge: OpenedChallenge) -> None:
        """Undo `take_attempt`: the site did not judge the code."""
        mark = secrets.token_urlsafe(9)
        # Another attempt may have used up the challenge in the meantime. Then nothing has to be undone.
        with contextlib.suppress(ConditionFailed):
            self._table.update(
                _row_id(challenge),
                "ADD attempts :minus_one SET given_back = :mark",
                # If the response to this write is lost, the SDK repeats the write and finds its own mark.
                "attempts > :zero AND (attribute_not_exists(given_back) OR given_back <> :mark)",
                {"minus_one": -1, "zero": 0, "mark": mark},
            )

    def use_up(self, challenge: OpenedChallenge) -> None:
        """End the challenge after its code was accepted; raises `ChallengeEnded` if another attempt ended it first."""
        mark = secrets.token_urlsafe(16)
        try:
            self._table.update(
                _row_id(challenge),
                "SET used_by = :mark REMOVE one_time_pad",
                # A challenge creates one session, even if the site accepted two codes at once. If the response to this
                # write is lost, the SDK repeats the write and finds its own mark.
                "attribute_exists(id) AND (attribute_not_exists(used_by) OR used_by = :mark)",
                {"mark": mark},
            )
        except ConditionFailed:
            raise ChallengeEnded from None


def _row_id(challenge: OpenedChallenge) -> str:
    return f"challenge#{challenge.challenge_id}"


def _credentials(username: str, password: str) -> bytes:
    name = username.encode()
    return len(name).to_bytes(_LENGTH_BYTES) + name + password.encode()


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(left ^ right for left, right in zip(one, other, strict=True))
