"""Sessions: one row for each signed-in session, and the handle that identifies it.

The page holds a handle, `<session id>.<secret>`. The row has the hash of the secret. Everything in the row that could
be misused is sealed to it: the site's tokens, and the current secret, which `refresh` returns again.

Each rotation retires a secret. The previous secret still works for a short time. Any older secret that comes back was
copied, so it ends the session (RFC 9700, section 4.14.2).
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from shotgrid_login import claims
from shotgrid_login.bearers import Bearer, Bearers, bearer_id
from shotgrid_login.errors import SessionEnded, SessionUnreadable, SiteError
from shotgrid_login.sealing import SealBroken, Sealer, TooLargeToSeal
from shotgrid_login.table import ConditionFailed, Row, Table
from shotgrid_login.users import User

if TYPE_CHECKING:
    from shotgrid_login.site import Tokens

# How long the previous handle still works, for a lost response or a second tab. Seconds.
PREVIOUS_HANDLE_SECONDS = 30

# A stored access token that is valid for longer than this is returned again, without a call to the site. Seconds. If
# the site's tokens live less than twice as long, half of their life is used, or no token would be returned twice.
FRESH_MARGIN = 60

# Activity is stored only if it moves the idle limit by more than this, so that most reads do not write. Seconds.
IDLE_RESOLUTION = 60

_HANDLE = re.compile(r"([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})")


class HandleState(Enum):
    """The state of a handle in its session."""

    CURRENT = "current"
    PREVIOUS = "previous"  # retired by the last rotation, and still in its grace period
    REPLAYED = "replayed"  # retired, and its grace period is over
    NOT_ISSUED = "not issued"


@dataclass(frozen=True)
class Handle:
    """The gateway's own refresh token, which the page holds. Its session id is not secret."""

    session_id: str
    secret: str = field(repr=False)

    @classmethod
    def new(cls) -> Handle:
        """Return the first handle of a new session. The session id has 128 random bits."""
        return cls.next_of(secrets.token_urlsafe(16))

    @classmethod
    def next_of(cls, session_id: str) -> Handle:
        """Return a new handle of an existing session. Its secret has 256 random bits."""
        return cls(session_id, secrets.token_urlsafe(32))

    @classmethod
    def parse(cls, text: str) -> Handle:
        """Parse the text of a handle; raises `SessionEnded` if it is not one."""
        match = _HANDLE.fullmatch(text)
        if not match:
            raise SessionEnded
        return cls(match[1], match[2])

    def __str__(self) -> str:
        return f"{self.session_id}.{self.secret}"

    @property
    def secret_hash(self) -> bytes:
        """SHA-256 of the secret. The secret has full entropy, so a plain hash is safe."""
        return hashlib.sha256(self.secret.encode()).digest()


@dataclass(frozen=True)
class Session:
    """A session's row, without its key. Times are epoch seconds.

    Attributes:
        sealed: the site's tokens and the current secret, as KMS ciphertext.
        secret_hash: hash of the current handle's secret. Each rotation changes it, so it identifies the version.
        previous_hash: hash of the previous handle's secret; empty before the first rotation.
        previous_until: end of the previous handle's grace period.
        fresh_until: until when the stored access token is returned again.
        bearers: ids of the access tokens that the authorizer may still accept, the current one first.
        lease: id of the refresh that is calling the site now; empty if there is none.
    """

    session_id: str
    user: User
    sealed: bytes = field(repr=False)
    secret_hash: bytes
    previous_hash: bytes
    previous_until: int
    signed_in_at: int
    expires_at: int
    idle_expires_at: int
    access_expires_at: int
    fresh_until: int
    bearers: tuple[str, ...]
    lease: str
    lease_until: int


@dataclass(frozen=True)
class SignedIn:
    """A session with the two secrets that the page receives."""

    session: Session
    access_token: str = field(repr=False)
    handle: Handle


@dataclass(frozen=True)
class Secrets:
    """The content of `Session.sealed`."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    handle_secret: str = field(repr=False)


class Sessions:
    """The session rows, and the bearers that belong to them.

    A bearer is written before the session row that lists it, and deleted before that row. If the function crashes in
    between, every usable bearer is still listed in its session row, so sign-out finds it. At worst an unused token hash
    is left behind.

    The SDK repeats a write whose response was lost. So each condition below is also true after the same write.
    """

    def __init__(
        self, table: Table, bearers: Bearers, sealer: Sealer | None, session_seconds: int, idle_seconds: int
    ) -> None:
        """Take the state table. Only `start`, `rotate` and `unseal` need the `sealer`."""
        self._table = table
        self._bearers = bearers
        self._sealer = sealer
        self._session_seconds = session_seconds
        self._idle_seconds = idle_seconds

    def start(self, user: User, tokens: Tokens, now: int) -> SignedIn:
        """Write a new session; raises `SiteError` if the tokens are too large to seal."""
        handle = Handle.new()
        session = self._build(handle, user, tokens, signed_in_at=now, now=now)
        self._write_bearer(session)
        self._table.put(_to_row(session))
        return SignedIn(session, tokens.access_token, handle)

    def find(self, session_id: str, now: int) -> Session:
        """Read a session; raises `SessionEnded` if it does not exist or has expired."""
        row = self._table.get(_row_id(session_id))
        if row is None:
            raise SessionEnded
        session = _from_row(row)
        if session.expires_at <= now or session.idle_expires_at <= now:
            raise SessionEnded
        return session

    def state_of(self, handle: Handle, session: Session, now: int) -> HandleState:
        """Return the state of a handle. Needs one more read if it is neither the current nor the previous handle."""
        if hmac.compare_digest(handle.secret_hash, session.secret_hash):
            return HandleState.CURRENT
        if hmac.compare_digest(handle.secret_hash, session.previous_hash):
            return HandleState.PREVIOUS if now <= session.previous_until else HandleState.REPLAYED
        retired = self._table.get(_retired_id(handle.secret_hash))
        if retired is not None and retired["session_id"] == session.session_id:
            return HandleState.REPLAYED
        return HandleState.NOT_ISSUED

    def unseal(self, session: Session) -> Secrets:
        """Open the session's secrets with one KMS call; raises `SessionUnreadable`."""
        try:
            opened = self._keyed.open(session.sealed, _context(session.session_id))
        except SealBroken:
            raise SessionUnreadable from None
        return Secrets(str(opened["access"]), str(opened["refresh"]), str(opened["secret"]))

    def note_activity(self, session: Session, now: int) -> Session:
        """Move the idle limit of a session that is used; raises `SessionEnded`."""
        idle_expires_at = self._idle_limit(now, session.access_expires_at, session.expires_at)
        if idle_expires_at - session.idle_expires_at <= IDLE_RESOLUTION:
            return session
        try:
            row = self._table.update(
                _row_id(session.session_id),
                "SET idle_expires_at = :idle_expires_at",
                # The session has not ended since it was read: an update would create an incomplete row. And no other
                # call has already moved the limit further.
                "attribute_exists(id) AND idle_expires_at < :idle_expires_at",
                {"idle_expires_at": idle_expires_at},
            )
        except ConditionFailed as failed:
            if failed.row is None:
                raise SessionEnded from None
            row = failed.row
        return _from_row(row)

    def take_lease(self, session: Session, until: int, now: int) -> str | None:
        """Return a lease to call the site for this version of the session; None if another caller has it."""
        lease = secrets.token_urlsafe(16)
        try:
            self._table.update(
                _row_id(session.session_id),
                "SET lease = :lease, lease_until = :until",
                # The session was not rotated since it was read: then its access token would be new. And no other
                # lease is valid: an expired one belongs to a function that crashed.
                "secret_hash = :secret_hash AND (lease = :none OR lease_until <= :now OR lease = :lease)",
                {"lease": lease, "until": until, "secret_hash": session.secret_hash, "none": "", "now": now},
            )
        except ConditionFailed:
            return None
        return lease

    def release_lease(self, session_id: str, lease: str) -> None:
        """Give the lease back, because the site did not decide."""
        # The session may have ended, or the lease may have expired and belong to another caller now.
        with contextlib.suppress(ConditionFailed):
            self._table.update(_row_id(session_id), "SET lease = :none", "lease = :lease", {"lease": lease, "none": ""})

    def rotate(self, session: Session, tokens: Tokens, requested_at: int, now: int) -> SignedIn | None:
        """Store new tokens under a new handle. `requested_at` is when the site was called for them.

        Returns None if the session has ended, or another caller has rotated it since it was read. These tokens are
        then lost.

        The previous access token stays a bearer until it expires, because another tab may be using it. If it is still
        fresh, the site has rejected it, and it stops being a bearer.
        """
        handle = Handle.next_of(session.session_id)
        rejected = session.bearers if session.fresh_until > requested_at else ()
        rotated = self._build(
            handle,
            session.user,
            tokens,
            signed_in_at=session.signed_in_at,
            now=requested_at,
            previous_hash=session.secret_hash,
            previous_until=now + PREVIOUS_HANDLE_SECONDS,
            previous_bearers=() if rejected else session.bearers[:1],
        )
        self._write_bearer(rotated)
        # Written before the session row. A handle that is listed as retired and still current counts as current.
        self._table.put(
            {
                "id": _retired_id(session.secret_hash),
                "session_id": session.session_id,
                "expires_at": session.signed_in_at + self._session_seconds,
            }
        )
        for row_id in rejected:
            self._bearers.delete(row_id)
        try:
            self._table.put(
                _to_row(rotated),
                # A session that was signed out in the meantime stays ended. A session that another caller rotated after
                # our lease expired keeps that caller's tokens. An expired lease alone does not discard our tokens: if
                # the site retires refresh tokens, no other caller could get new ones.
                "secret_hash = :read OR secret_hash = :written",
                {"read": session.secret_hash, "written": rotated.secret_hash},
            )
        except ConditionFailed:
            self._bearers.delete(rotated.bearers[0])
            return None
        return SignedIn(rotated, tokens.access_token, handle)

    def sign_out(self, handle: Handle, now: int) -> None:
        """End the session of a handle, which may also be one of its retired handles. Does nothing if there is none."""
        row = self._table.get(_row_id(handle.session_id))
        if row is None:
            return
        session = _from_row(row)
        if self.state_of(handle, session, now) is not HandleState.NOT_ISSUED:
            self.end(session)

    def end(self, session: Session) -> None:
        """End a session and its bearers, even if it was rotated since it was read."""
        self._end(session, "", None)

    def end_unless_rotated(self, session: Session) -> bool:
        """End a session whose refresh token the site rejected, unless a newer token is stored.

        Returns whether the session has ended.
        """
        # Another caller may have exchanged the rejected token for a new one in the meantime.
        return self._end(session, "attribute_not_exists(id) OR secret_hash = :read", {"read": session.secret_hash})

    def _end(self, session: Session, condition: str, values: Row | None) -> bool:
        for bearer in session.bearers:
            self._bearers.delete(bearer)
        try:
            row = self._table.delete(_row_id(session.session_id), condition, values)
        except ConditionFailed:
            return False
        for bearer in _from_row(row).bearers if row else ():
            if bearer not in session.bearers:
                self._bearers.delete(bearer)
        return True

    def _build(
        self,
        handle: Handle,
        user: User,
        tokens: Tokens,
        *,
        signed_in_at: int,
        now: int,
        previous_hash: bytes = b"",
        previous_until: int = 0,
        previous_bearers: tuple[str, ...] = (),
    ) -> Session:
        expires_at = signed_in_at + self._session_seconds
        site_expires_at = claims.expires_at(tokens.refresh_token)
        if site_expires_at is not None:
            expires_at = min(expires_at, site_expires_at)
        access_expires_at = min(now + tokens.expires_in, expires_at)
        try:
            sealed = self._keyed.seal(
                {"access": tokens.access_token, "refresh": tokens.refresh_token, "secret": handle.secret},
                _context(handle.session_id),
            )
        except TooLargeToSeal as error:
            raise SiteError(f"tokens too large to seal: {error}") from None
        return Session(
            session_id=handle.session_id,
            user=user,
            sealed=sealed,
            secret_hash=handle.secret_hash,
            previous_hash=previous_hash,
            previous_until=previous_until,
            signed_in_at=signed_in_at,
            expires_at=expires_at,
            idle_expires_at=self._idle_limit(now, access_expires_at, expires_at),
            access_expires_at=access_expires_at,
            fresh_until=min(now + tokens.expires_in - min(FRESH_MARGIN, tokens.expires_in // 2), expires_at),
            bearers=(bearer_id(tokens.access_token), *previous_bearers),
            lease="",
            lease_until=0,
        )

    def _idle_limit(self, now: int, access_expires_at: int, expires_at: int) -> int:
        # A page with a valid access token has no reason to call the gateway, so it does not count as idle.
        return min(max(now + self._idle_seconds, access_expires_at), expires_at)

    def _write_bearer(self, session: Session) -> None:
        self._bearers.put(session.bearers[0], Bearer(session.session_id, session.access_expires_at, session.user))

    @property
    def _keyed(self) -> Sealer:
        if self._sealer is None:
            raise RuntimeError("this function was set up without a key")
        return self._sealer


def _row_id(session_id: str) -> str:
    return f"session#{session_id}"


def _retired_id(secret_hash: bytes) -> str:
    return f"retired#{secret_hash.hex()}"


def _context(session_id: str) -> dict[str, str]:
    return {"purpose": "session", "session": session_id}


def _to_row(session: Session) -> Row:
    return {
        "id": _row_id(session.session_id),
        **session.user.to_row(),
        "sealed": session.sealed,
        "secret_hash": session.secret_hash,
        "previous_hash": session.previous_hash,
        "previous_until": session.previous_until,
        "signed_in_at": session.signed_in_at,
        "expires_at": session.expires_at,
        "idle_expires_at": session.idle_expires_at,
        "access_expires_at": session.access_expires_at,
        "fresh_until": session.fresh_until,
        "bearers": " ".join(session.bearers),
        "lease": session.lease,
        "lease_until": session.lease_until,
    }


def _from_row(row: Row) -> Session:
    def text(name: str) -> str:
        return str(row[name])

    def number(name: str) -> int:
        return int(row[name])

    def data(name: str) -> bytes:
        value = row[name]
        return value if isinstance(value, bytes) else b""

    return Session(
        session_id=text("id").removeprefix("session#"),
        user=User.from_row(row),
        sealed=data("sealed"),
        secret_hash=data("secret_hash"),
        previous_hash=data("previous_hash"),
        previous_until=number("previous_until"),
        signed_in_at=number("signed_in_at"),
        expires_at=number("expires_at"),
        idle_expires_at=number("idle_expires_at"),
        access_expires_at=number("access_expires_at"),
        fresh_until=number("fresh_until"),
        bearers=tuple(text("bearers").split()),
        lease=text("lease"),
        lease_until=number("lease_until"),
    )
