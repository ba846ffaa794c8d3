"""Challenges: what stands between the password step and the code step, without a password at rest.

User name and password are sealed and given to the page as the challenge; the table has only the challenge's
id, how often a code was tried, and when it ends. So the table alone holds no password, and the page alone
opens nothing and cannot have more tries.
"""

from __future__ import annotations

import base64
import contextlib
import secrets
from dataclasses import dataclass, field

from shotgrid_login.errors import ChallengeEnded, InvalidRequest
from shotgrid_login.sealing import SealBroken, Sealer
from shotgrid_login.table import ConditionFailed, Table

LIFETIME = 300  # seconds: time to find the phone; ten codes of an app pass meanwhile
MAX_ATTEMPTS = 5

_PURPOSE = {"purpose": "challenge"}


@dataclass(frozen=True)
class OpenedChallenge:
    """A challenge that this stack sealed and that has time left. Whether it has attempts left, the table knows."""

    challenge_id: str
    username: str
    password: str = field(repr=False)


class Challenges:
    """Issues, opens and spends challenges."""

    def __init__(self, table: Table, sealer: Sealer) -> None:
        self._table = table
        self._sealer = sealer

    def issue(self, username: str, password: str, now: int) -> str:
        """Return a new challenge for the page, good for `LIFETIME` seconds: opaque, URL-safe text."""
        challenge_id = secrets.token_urlsafe(16)
        expires_at = now + LIFETIME
        sealed = self._sealer.seal(
            {"id": challenge_id, "username": username, "password": password, "expires_at": expires_at}, _PURPOSE
        )
        self._table.put({"id": f"challenge#{challenge_id}", "attempts": 0, "expires_at": expires_at})
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def open(self, challenge: str, now: int) -> OpenedChallenge:
        """Open what a page sent back.

        Raises:
            InvalidRequest: not a challenge of this stack, or altered.
            ChallengeEnded: its time is over.
        """
        try:
            sealed = base64.b64decode(challenge + "=" * (-len(challenge) % 4), altchars=b"-_", validate=True)
            opened = self._sealer.open(sealed, _PURPOSE)
        except (ValueError, SealBroken):
            raise InvalidRequest("challenge: not one that this gateway issued, or altered since") from None
        if int(opened["expires_at"]) <= now:
            raise ChallengeEnded
        return OpenedChallenge(str(opened["id"]), str(opened["username"]), str(opened["password"]))

    def take_attempt(self, challenge: OpenedChallenge, now: int) -> int:
        """Spend one attempt before the code is tried and return how many are left; raises `ChallengeEnded`."""
        try:
            row = self._table.update(
                _row_id(challenge),
                "ADD attempts :one",
                # Counted where it is checked, so that codes tried at once cannot share an attempt.
                "attempts < :max_attempts AND expires_at > :now AND attribute_not_exists(used_by)",
                {"one": 1, "max_attempts": MAX_ATTEMPTS, "now": now},
            )
        except ConditionFailed:
            raise ChallengeEnded from None
        return MAX_ATTEMPTS - int(row["attempts"])

    def give_attempt_back(self, challenge: OpenedChallenge) -> None:
        """The site gave no verdict on the code, so the attempt was none."""
        # Another attempt may have used the challenge up meanwhile: then there is nothing to give back to.
        with contextlib.suppress(ConditionFailed):
            self._table.update(
                _row_id(challenge), "ADD attempts :minus_one", "attempts > :zero", {"minus_one": -1, "zero": 0}
            )

    def use_up(self, challenge: OpenedChallenge) -> None:
        """End the challenge after its code was accepted; raises `ChallengeEnded` if another attempt already has."""
        me = secrets.token_urlsafe(16)
        try:
            self._table.update(
                _row_id(challenge),
                "SET used_by = :me",
                # One challenge makes one session, also when two codes at once were accepted. Our own mark is there
                # when the first answer to this write was lost and the SDK has sent it again.
                "attribute_exists(id) AND (attribute_not_exists(used_by) OR used_by = :me)",
                {"me": me},
            )
        except ConditionFailed:
            raise ChallengeEnded from None


def _row_id(challenge: OpenedChallenge) -> str:
    return f"challenge#{challenge.challenge_id}"
