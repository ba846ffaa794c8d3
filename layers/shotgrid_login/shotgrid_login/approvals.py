"""Approval challenges, and one table row for each approval request.

The page keeps the challenge: the sealed id of the site's approval request, bound to the browser that started it. The
row controls the polls: at most one at a time, and at most one every `POLL_INTERVAL` seconds, for any number of callers.
It also has the result, sealed to the row: first the session token, then the session's handle. Each is there for
`RESULT_SECONDS` at most.

So the table alone contains no request id, and the page alone cannot poll the site or open a result.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field, replace
from enum import Enum

from shotgrid_login.app_session_launcher import Approved
from shotgrid_login.errors import ApprovalEnded, ApprovalLost, InvalidRequest
from shotgrid_login.parallel import together
from shotgrid_login.sealing import SealBroken, Sealer
from shotgrid_login.sessions import Handle, SignedIn
from shotgrid_login.table import ConditionFailed, Row, Table

# The time that users have to approve. The site's request lives 305 s. Seconds.
LIFETIME = 300

# How long polls go on after that: the user may have approved in the last moment. Seconds.
GRACE_SECONDS = 20

# The shortest time between two polls of the site, as in the vendor's client. Seconds.
POLL_INTERVAL = 2

# How long a session token can be exchanged, and how long a lost response can be repeated. Seconds.
RESULT_SECONDS = 60

# Longer than the timeout of the function that polls (28 s in template.yaml), so a caller whose lease has expired has
# certainly stopped. Seconds.
LEASE_SECONDS = 30

_CHALLENGE_CONTEXT = {"purpose": "approval"}


@dataclass(frozen=True)
class ApprovalChallenge:
    """An approval challenge that this stack sealed.

    Attributes:
        browser_hash: SHA-256 of the browser's cookie; "" with token transport, where the page holds the challenge.
        transport: the value of `transport.Transport` that the page chose at the start.
    """

    approval_id: str
    request_id: str = field(repr=False)
    browser_hash: str
    transport: str


class Step(Enum):
    """What the caller of `Approvals.take_lease` has to do."""

    WAIT = "wait"  # another caller polls now, or has just polled
    POLL = "poll"
    EXCHANGE = "exchange"  # the request is approved, and its session token is in the row
    REPEAT = "repeat"  # the session was started, and its handle is in the row


@dataclass(frozen=True)
class Approval:
    """A row, as `Approvals.take_lease` found it. Times are epoch seconds.

    Attributes:
        network: hash of the network that started the sign-in.
        lease: the caller's lease with the steps `POLL` and `EXCHANGE`.
        has_unclear_poll: the last poll had no usable response, so the result may be lost.
    """

    approval_id: str
    step: Step
    expires_at: int
    network: str
    lease: str
    has_unclear_poll: bool
    sealed: bytes = field(repr=False)


@dataclass(frozen=True)
class Result:
    """The secrets of a session that an approval started, and the session's first generation."""

    handle: Handle
    access_token: str = field(repr=False)
    api_token: str = field(repr=False)
    generation: str


class Approvals:
    """Issues and opens approval challenges, and keeps their rows."""

    def __init__(self, table: Table, sealer: Sealer) -> None:
        self._table = table
        self._sealer = sealer

    def issue(self, request_id: str, browser: str, transport: str, network: str, ends_at: int) -> str:
        """Write the row of a new approval request and return the challenge.

        `browser` is the value of the browser's cookie. `ends_at` is when the user's time is over, in epoch seconds.
        """
        approval_id = secrets.token_urlsafe(16)
        challenge = {
            "id": approval_id,
            "request_id": request_id,
            "browser_hash": browser_hash(browser),
            "transport": transport,
        }
        row: dict[str, str | int] = {
            "id": _row_id(approval_id),
            "next_step": Step.POLL.value,
            "network": network,
            "next_poll_at": 0,
            "lease": "",
            "lease_until": 0,
            "has_unclear_poll": 0,
            "expires_at": ends_at + GRACE_SECONDS,
        }
        text, _ = together(
            lambda: self._sealer.seal_as_text(challenge, _CHALLENGE_CONTEXT),
            lambda: self._table.put(row),
        )
        return text

    def open(self, challenge: str, browser: str) -> ApprovalChallenge:
        """Open the text of a challenge. `browser` is the value of the caller's browser cookie, or "".

        Raises `InvalidRequest` if this stack did not issue it, it was altered, or another browser started it.
        """
        try:
            opened = self._sealer.open_text(challenge, _CHALLENGE_CONTEXT)
        except SealBroken:
            raise InvalidRequest("challenge: not issued by this gateway, or altered") from None
        expected = str(opened["browser_hash"])
        if expected and not hmac.compare_digest(expected, browser_hash(browser)):
            raise InvalidRequest("challenge: issued to another browser, or the browser no longer has its cookie")
        return ApprovalChallenge(str(opened["id"]), str(opened["request_id"]), expected, str(opened["transport"]))

    def take_lease(self, challenge: ApprovalChallenge, now: float) -> Approval:
        """Return the row with the caller's next step; raises `ApprovalEnded`."""
        row_id, lease = _row_id(challenge.approval_id), secrets.token_urlsafe(16)
        try:
            return _approval(self._take_lease(row_id, lease, "", now), lease)
        except ConditionFailed as failed:
            row = failed.row
        if row is None:
            raise ApprovalEnded
        if int(row["expires_at"]) <= int(now):
            self._delete_expired(row_id, now)
            raise ApprovalEnded
        if row["lease"] and int(row["lease_until"]) <= int(now):
            # The holder of the lease crashed. The site may have given it the result.
            with contextlib.suppress(ConditionFailed):
                taken = self._take_lease(row_id, lease, str(row["lease"]), now)
                return replace(_approval(taken, lease), has_unclear_poll=True)
        return _approval(row, "")

    def _take_lease(self, row_id: str, lease: str, expected_lease: str, now: float) -> Row:
        return self._table.update(
            row_id,
            "SET lease = :lease, lease_until = :lease_until",
            # The row exists and has not expired: an update would create an incomplete row. The sign-in is not finished,
            # and the last poll was long enough ago. No other caller polls: the site gives the result to one caller
            # only, and its response to the other caller would end the sign-in.
            "expires_at > :now AND next_step <> :repeat AND next_poll_at <= :now_in_ms"
            " AND (lease = :expected_lease OR lease = :lease)",
            {
                "lease": lease,
                "lease_until": int(now) + LEASE_SECONDS,
                "expected_lease": expected_lease,
                "now": int(now),
                "now_in_ms": _milliseconds(now),
                "repeat": Step.REPEAT.value,
            },
        )

    def _delete_expired(self, row_id: str, now: float) -> None:
        """Delete a row before DynamoDB does, which can take days: it may contain a result."""
        with contextlib.suppress(ConditionFailed):
            # It is still expired: its lease holder may have sealed a result into it in the meantime.
            self._table.delete(row_id, "expires_at <= :now", {"now": int(now)})

    def release(self, approval: Approval, next_poll_at: float, *, is_unclear: bool = False) -> None:
        """Give the lease back. `is_unclear`: the poll had no usable response."""
        # The lease may have expired, and the row may have been deleted.
        with contextlib.suppress(ConditionFailed):
            self._table.update(
                _row_id(approval.approval_id),
                "SET lease = :none, next_poll_at = :next_poll_at, has_unclear_poll = :is_unclear",
                "lease = :lease",
                {
                    "lease": approval.lease,
                    "none": "",
                    "next_poll_at": _milliseconds(next_poll_at),
                    "is_unclear": int(is_unclear),
                },
            )

    def keep_approved(self, approval: Approval, approved: Approved, now: int) -> None:
        """Seal the session token into the row before it is exchanged. The lease stays taken.

        The site has forgotten the token, so this row is the only place to find it again. Raises `ApprovalLost` if the
        row no longer exists, or another caller has its lease.
        """
        values = {"session_token": approved.session_token, "login": approved.login}
        try:
            self._table.update(
                _row_id(approval.approval_id),
                "SET sealed = :sealed, next_step = :exchange, expires_at = :expires_at",
                # A deleted row stays deleted. A row of which another caller has the lease is not changed.
                "lease = :lease",
                {
                    "sealed": self._sealer.seal(values, _row_context(approval.approval_id)),
                    "exchange": Step.EXCHANGE.value,
                    "expires_at": now + RESULT_SECONDS,
                    "lease": approval.lease,
                },
            )
        except ConditionFailed:
            raise ApprovalLost from None

    def approved(self, approval: Approval) -> Approved:
        """Open the session token that `keep_approved` sealed; raises `ApprovalEnded` if it cannot be opened."""
        opened = self._open(approval)
        return Approved(str(opened["session_token"]), str(opened["login"]))

    def finish(self, approval: Approval, signed_in: SignedIn, now: int) -> bool:
        """Replace the session token by the session's handle. Returns whether the sign-in is finished by this call."""
        values = {
            "handle": str(signed_in.handle),
            "access_token": signed_in.access_token,
            "api_token": signed_in.api_token,
            "generation": signed_in.session.generation,
        }
        sealed = self._sealer.seal(values, _row_context(approval.approval_id))
        try:
            self._table.update(
                _row_id(approval.approval_id),
                "SET sealed = :sealed, next_step = :repeat, lease = :none, expires_at = :expires_at",
                # One approval starts one session. If the response to this write is lost, the SDK repeats the write and
                # finds its own value.
                "lease = :lease OR sealed = :sealed",
                {
                    "sealed": sealed,
                    "repeat": Step.REPEAT.value,
                    "none": "",
                    "expires_at": now + RESULT_SECONDS,
                    "lease": approval.lease,
                },
            )
        except ConditionFailed:
            return False
        return True

    def result(self, approval: Approval) -> Result:
        """Open the session's secrets that `finish` sealed; raises `ApprovalEnded` if they cannot be opened."""
        opened = self._open(approval)
        if "generation" not in opened:  # sealed by an earlier version
            raise ApprovalEnded
        return Result(
            Handle.parse(str(opened["handle"])),
            str(opened["access_token"]),
            str(opened["api_token"]),
            str(opened["generation"]),
        )

    def end(self, approval: Approval) -> bool:
        """Delete the row, with the session token if it has one. Returns whether this caller still had the lease."""
        try:
            # Another caller may have taken the expired lease and received the result.
            self._table.delete(_row_id(approval.approval_id), "lease = :lease", {"lease": approval.lease})
        except ConditionFailed as failed:
            return failed.row is None  # the SDK has repeated the write
        return True

    def _open(self, approval: Approval) -> dict[str, str | int]:
        try:
            return self._sealer.open(approval.sealed, _row_context(approval.approval_id))
        except SealBroken:
            raise ApprovalEnded from None


def browser_hash(browser: str) -> str:
    """Return the hash that identifies a browser: SHA-256 of its cookie in hexadecimal digits, "" without a cookie."""
    return hashlib.sha256(browser.encode(errors="replace")).hexdigest() if browser else ""


def _row_id(approval_id: str) -> str:
    return f"approval#{approval_id}"


def _row_context(approval_id: str) -> dict[str, str]:
    return {"purpose": "approval", "approval": approval_id}


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)


def _approval(row: Row, lease: str) -> Approval:
    next_step = Step(str(row["next_step"]))
    sealed = row.get("sealed", b"")
    return Approval(
        approval_id=str(row["id"]).removeprefix("approval#"),
        step=next_step if lease or next_step is Step.REPEAT else Step.WAIT,
        expires_at=int(row["expires_at"]),
        network=str(row["network"]),
        lease=lease,
        has_unclear_poll=bool(row["has_unclear_poll"]),
        sealed=sealed if isinstance(sealed, bytes) else b"",
    )
