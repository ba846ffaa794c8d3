"""Challenges: they connect the password step and the code step without storing the password.

User name and password are combined with a random pad of the same length (a one-time pad). The page keeps the result,
sealed, as the challenge. The table has the pad, the number of attempts and the expiry. So the table alone contains no
password, and the page alone cannot open the challenge or get more attempts.

The pad leaves the table when the challenge is used. Then no one can read the password, even with the key.

The text of a challenge is `<id>.<expiry>.<hashes>.<proof>.<sealed>`. All parts but the last one are its head. It names
the rows that the code step needs, so that it can read them while KMS opens the sealed part. The proof shows that this
stack wrote the head. A page must not learn the hashes of the user name and of the user: equal ones would show that two
names are one user, or that a user has signed in before. So they are combined with a pad that is made from the id and
the stack's secret.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import re
import secrets
from dataclasses import dataclass, field

from shotgrid_login import base64url
from shotgrid_login.errors import ChallengeEnded, InvalidRequest
from shotgrid_login.hashes import LENGTH, Hashes
from shotgrid_login.parallel import outcome, together
from shotgrid_login.sealing import SealBroken, Sealer
from shotgrid_login.table import ConditionFailed, Row, Table

LIFETIME = 300  # seconds: enough to find the phone; an app shows ten codes in this time
MAX_ATTEMPTS = 5

# The longest user name or password, in characters. A challenge with both has less than 7,000 characters.
LONGEST_CREDENTIAL = 256

# The user name's length stands before it. Bytes.
_LENGTH_BYTES = 2

_CONTEXT = {"purpose": "challenge"}

# The parts of a head. Bytes.
_HASHES_BYTES = 2 * LENGTH // 2  # two hashes, and two hexadecimal digits are one byte
_PROOF_BYTES = 16

_TEXT = re.compile(
    r"(?P<claims>(?P<id>[\w-]{22})\.(?P<expires_at>[0-9]{1,12})\.(?P<hashes>[\w-]{22}))\.(?P<proof>[\w-]{22})"
    r"\.(?P<sealed>[\w-]+)",
    re.ASCII,
)


@dataclass(frozen=True)
class Challenge:
    """A challenge for the page: opaque, URL-safe text that is valid for `expires_in` seconds."""

    text: str = field(repr=False)
    expires_in: int = LIFETIME


@dataclass(frozen=True)
class ReceivedChallenge:
    """A challenge that a page has sent. This stack wrote its head. `Challenges.take_attempt` checks the sealed part.

    Attributes:
        name: hash of the user name.
        user: hash of the user that the attempt of the password step has counted for.
    """

    challenge_id: str
    name: str
    user: str
    sealed: str = field(repr=False)


@dataclass(frozen=True)
class TakenAttempt:
    """The credentials of a challenge for one attempt, and how many attempts are left after it."""

    username: str = field(repr=False)
    password: str = field(repr=False)
    attempts_left: int


class Challenges:
    """Issues and opens challenges, and counts their attempts."""

    def __init__(self, table: Table, sealer: Sealer, hashes: Hashes) -> None:
        """Take the state table."""
        self._table = table
        self._sealer = sealer
        self._hashes = hashes

    def issue(self, username: str, password: str, now: int, *, name: str, user: str) -> Challenge:
        """Return a new challenge. `name` and `user` are hashes, see `ReceivedChallenge`."""
        challenge_id, expires_at = secrets.token_urlsafe(16), now + LIFETIME
        credentials = _credentials(username, password)
        pad = secrets.token_bytes(len(credentials))
        padded = base64.b64encode(_xor(credentials, pad)).decode()
        sealed, _ = together(
            lambda: self._sealer.seal_as_text({"id": challenge_id, "padded": padded}, _CONTEXT),
            lambda: self._table.put(
                {"id": f"challenge#{challenge_id}", "attempts": 0, "one_time_pad": pad, "expires_at": expires_at}
            ),
        )
        hashes = self._hidden(challenge_id, bytes.fromhex(name + user))
        claims = f"{challenge_id}.{expires_at}.{base64url.encode(hashes)}"
        return Challenge(f"{claims}.{self._proof(claims)}.{sealed}")

    def receive(self, text: str, now: int) -> ReceivedChallenge:
        """Read the head of a challenge.

        Raises:
            InvalidRequest: this stack did not write it.
            ChallengeEnded: it has expired, or an earlier version of this stack issued it.
        """
        match = _TEXT.fullmatch(text)
        if match is None:
            self._open(text)
            raise ChallengeEnded
        if not hmac.compare_digest(match["proof"], self._proof(match["claims"])):
            raise _not_issued()
        if int(match["expires_at"]) <= now:
            raise ChallengeEnded
        hashes = self._hidden(match["id"], base64url.decode(match["hashes"])).hex()
        return ReceivedChallenge(match["id"], hashes[:LENGTH], hashes[LENGTH:], match["sealed"])

    def take_attempt(self, challenge: ReceivedChallenge, now: int) -> TakenAttempt:
        """Open the challenge, and count an attempt before the code is tried.

        Raises:
            InvalidRequest: the sealed part was altered, or is that of another challenge.
            ChallengeEnded: it has expired, was used, or has no attempts left.
        """
        padded, row = together(
            lambda: outcome(lambda: self._padded(challenge)), lambda: outcome(lambda: self._count(challenge, now))
        )
        if isinstance(padded, Exception):
            # If KMS has failed, the attempt is undone. An attempt with an altered challenge stays counted.
            if not isinstance(padded, InvalidRequest) and not isinstance(row, Exception):
                self.give_attempt_back(challenge)
            raise padded
        if isinstance(row, Exception):
            raise row
        pad = row["one_time_pad"]
        credentials = _xor(padded, pad if isinstance(pad, bytes) else b"")
        start = _LENGTH_BYTES + int.from_bytes(credentials[:_LENGTH_BYTES])
        username, password = credentials[_LENGTH_BYTES:start].decode(), credentials[start:].decode()
        return TakenAttempt(username, password, MAX_ATTEMPTS - int(row["attempts"]))

    def give_attempt_back(self, challenge: ReceivedChallenge) -> None:
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

    def use_up(self, challenge: ReceivedChallenge) -> None:
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

    def _padded(self, challenge: ReceivedChallenge) -> bytes:
        """Return user name and password, combined with the pad; raises `InvalidRequest`."""
        opened = self._open(challenge.sealed)
        if opened["id"] != challenge.challenge_id:
            raise _not_issued()
        return base64.b64decode(str(opened["padded"]))

    def _open(self, sealed: str) -> dict[str, str | int]:
        try:
            return self._sealer.open_text(sealed, _CONTEXT)
        except SealBroken:
            raise _not_issued() from None

    def _count(self, challenge: ReceivedChallenge, now: int) -> Row:
        try:
            return self._table.update(
                _row_id(challenge),
                "ADD attempts :one",
                # Checked by the same write that counts, so that parallel codes cannot share an attempt. The pad leaves
                # the row when the challenge is used.
                "attempts < :max_attempts AND expires_at > :now AND attribute_exists(one_time_pad)",
                {"one": 1, "max_attempts": MAX_ATTEMPTS, "now": now},
            )
        except ConditionFailed:
            raise ChallengeEnded from None

    def _proof(self, claims: str) -> str:
        return base64url.encode(self._hashes.digest("challenge", claims)[:_PROOF_BYTES])

    def _hidden(self, challenge_id: str, hashes: bytes) -> bytes:
        """Hide the two hashes of a challenge, or show them again."""
        return _xor(hashes, self._hashes.digest("challenge pad", challenge_id)[:_HASHES_BYTES])


def _not_issued() -> InvalidRequest:
    return InvalidRequest("challenge: not issued by this gateway, or altered")


def _row_id(challenge: ReceivedChallenge) -> str:
    return f"challenge#{challenge.challenge_id}"


def _credentials(username: str, password: str) -> bytes:
    name = username.encode()
    return len(name).to_bytes(_LENGTH_BYTES) + name + password.encode()


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(left ^ right for left, right in zip(one, other, strict=True))
