"""Sessions: a row for each person signed in, and the handle that finds it.

The page holds a handle, `<session id>.<secret>`; the row has the secret's hash, and everything that could be
misused (the site's tokens, and the current secret itself for `refresh` to repeat) sealed to that row.
Each rotation retires a secret. The last one retired keeps answering for a moment; any other that comes back
was copied, and ends the session (RFC 9700, section 4.14.2).
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

from shotgrid_login import bearers, claims
from shotgrid_login.errors import SessionEnded, SessionUnreadable, SiteError
from shotgrid_login.sealing import SealBroken, Sealer, TooLargeToSeal
from shotgrid_login.table import ConditionFailed, Row, Table

if TYPE_CHECKING:
    from shotgrid_login.site import Tokens

# How long the handle before the current one still answers: a lost response, a second tab. Seconds.
PREVIOUS_HANDLE_SECONDS = 30

# A stored access token with more left than this is handed out again instead of asking the site. Seconds. On a site
# whose tokens live less than twice as long, half of their life, or such a token would never be handed out twice.
FRESH_MARGIN = 60

# Activity is written down when it moves the idle limit by more than this: a read should not always write. Seconds.
IDLE_RESOLUTION = 60

_HANDLE = re.compile(r"([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})")


class HandleState(Enum):
    """What a handle is to its session."""

    CURRENT = "current"
    PREVIOUS = "previous"  # retired just now
    REPLAYED = "replayed"  # retired, and its grace is over
    NOT_ISSUED = "not issued"


@dataclass(frozen=True)
class Handle:
    """What the page holds. The id is no secret."""

    session_id: str
    secret: str = field(repr=False)

    @classmethod
    def new(cls) -> Handle:
        """Make the first handle of a new session, whose id has 128 bits."""
        return cls.next_of(secrets.token_urlsafe(16))

    @classmethod
    def next_of(cls, session_id: str) -> Handle:
        """Make another handle of a session; its secret has 256 bits."""
        return cls(session_id, secrets.token_urlsafe(32))

    @classmethod
    def parse(cls, text: str) -> Handle:
        """Read what a page sent; raises `SessionEnded` if it has not the shape of a handle."""
        match = _HANDLE.fullmatch(text)
        if not match:
            raise SessionEnded
        return cls(match[1], match[2])

    def __str__(self) -> str:
        return f"{self.session_id}.{self.secret}"

    @property
    def secret_hash(self) -> bytes:
        """SHA-256 of the secret; the secret has full entropy, so a plain hash gives nothing away."""
        return hashlib.sha256(self.secret.encode()).digest()


@dataclass(frozen=True)
class User:
    """The person, as the site names them. Where it could not be asked, `login` is what they typed, the rest empty."""

    type: str
    id: int
    login: str
    name: str = ""
    email: str = ""
    permission_group: str = ""


@dataclass(frozen=True)
class Session:
    """A session's row, without its key. Times are epoch seconds.

    Attributes:
        sealed: the site's tokens and the current secret, as KMS ciphertext.
        secret_hash: of the current handle; it changes with each rotation, so it tells versions apart.
        previous_hash: of the handle before, empty before the first rotation.
        fresh_until: until when the stored access token is handed out again.
        bearers: ids of the access tokens that the authorizer may still know.
        lease: who is asking the site right now; empty when nobody is.
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
    """All that an answer to the page is made of."""

    session: Session
    access_token: str = field(repr=False)
    handle: Handle


@dataclass(frozen=True)
class Secrets:
    """What `Session.sealed` holds."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    handle_secret: str = field(repr=False)


class Sessions:
    """The rows, and the bearers that come and go with them.

    A bearer is written before the session that names it and deleted before it: a function that dies in between
    leaves no bearer that signing out would not find, but for the hash of a token that nobody was given.

    The SDK sends a write again when its answer was lost, so each condition here also holds after the same write.
    """

    def __init__(
        self, table: Table, bearers_table: Table, sealer: Sealer | None, session_seconds: int, idle_seconds: int
    ) -> None:
        """`sealer` is for `start`, `rotate` and `unseal`; the other methods need no key."""
        self._table = table
        self._bearers_table = bearers_table
        self._sealer = sealer
        self._session_seconds = session_seconds
        self._idle_seconds = idle_seconds

    def start(self, user: User, tokens: Tokens, now: int) -> SignedIn:
        """Write a new session; raises `SiteError` if the tokens are too large to seal."""
        handle = Handle.new()
        session = self._built(handle, user, tokens, signed_in_at=now, now=now)
        self._write_bearer(session)
        self._table.put(_to_row(session))
        return SignedIn(session, tokens.access_token, handle)

    def find(self, session_id: str, now: int) -> Session:
        """Read a session; raises `SessionEnded` if there is none, or its time is over."""
        row = self._table.get(_row_id(session_id))
        if row is None:
            raise SessionEnded
        session = _from_row(row)
        if session.expires_at <= now or session.idle_expires_at <= now:
            raise SessionEnded
        return session

    def state_of(self, handle: Handle, session: Session, now: int) -> HandleState:
        """Tell what a handle is to its session. One more read if it is neither the current nor the last one."""
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
            opened = self._keyed.open(session.sealed, _purpose(session.session_id))
        except SealBroken:
            raise SessionUnreadable from None
        return Secrets(str(opened["access"]), str(opened["refresh"]), str(opened["secret"]))

    def note_activity(self, session: Session, now: int) -> Session:
        """Move the idle limit of a session that is in use."""
        idle_expires_at = self._idle_limit(now, session.access_expires_at, session.expires_at)
        if idle_expires_at - session.idle_expires_at <= IDLE_RESOLUTION:
            return session
        try:
            row = self._table.update(
                _row_id(session.session_id),
                "SET idle_expires_at = :idle_expires_at",
                # Not a session that ended since it was read (an update would bring it back as a torso), nor one
                # that another call has already moved further.
                "attribute_exists(id) AND idle_expires_at < :idle_expires_at",
                {"idle_expires_at": idle_expires_at},
            )
        except ConditionFailed as failed:
            if failed.row is None:
                raise SessionEnded from None
            row = failed.row
        return _from_row(row)

    def take_lease(self, session: Session, until: int, now: int) -> str | None:
        """Become the one who asks the site for this version of the session; None if another one is."""
        lease = secrets.token_urlsafe(16)
        try:
            self._table.update(
                _row_id(session.session_id),
                "SET lease = :lease, lease_until = :until",
                # Not after a rotation that came since it was read: its access token is new. Not while another one's
                # lease runs; one that has run out belonged to a function that died.
                "secret_hash = :secret_hash AND (lease = :nobody OR lease_until <= :now OR lease = :lease)",
                {"lease": lease, "until": until, "secret_hash": session.secret_hash, "nobody": "", "now": now},
            )
        except ConditionFailed:
            return None
        return lease

    def release_lease(self, session_id: str, lease: str) -> None:
        """Let the next one ask the site: this one got no verdict."""
        # The session may have ended, or the lease run out and be another one's by now.
        with contextlib.suppress(ConditionFailed):
            self._table.update(
                _row_id(session_id), "SET lease = :nobody", "lease = :lease", {"lease": lease, "nobody": ""}
            )

    def rotate(self, session: Session, tokens: Tokens, asked_at: int, now: int) -> SignedIn | None:
        """Store the tokens that the site was asked for at `asked_at` under a new handle.

        None if the session has ended or another caller has rotated it since it was read; these tokens are lost then.

        The access token before stays a bearer for the little that it has left, as another tab may be using it. One
        that is still fresh was refused by the site, and stops being one.
        """
        handle = Handle.next_of(session.session_id)
        refused = session.bearers if session.fresh_until > asked_at else ()
        rotated = self._built(
            handle,
            session.user,
            tokens,
            signed_in_at=session.signed_in_at,
            now=asked_at,
            previous_hash=session.secret_hash,
            previous_until=now + PREVIOUS_HANDLE_SECONDS,
            previous_bearers=() if refused else session.bearers[:1],
        )
        self._write_bearer(rotated)
        # Written first: a handle that is known as retired and still current is current.
        self._table.put(
            {
                "id": _retired_id(session.secret_hash),
                "session_id": session.session_id,
                "expires_at": session.signed_in_at + self._session_seconds,
            }
        )
        for bearer in refused:
            self._bearers_table.delete(bearer)
        try:
            self._table.put(
                _to_row(rotated),
                # A session that was signed out meanwhile stays ended, and one that another caller rotated after our
                # lease had run out keeps what that one stored. A lease that ran out alone is no reason to lose
                # tokens: on a site that retires refresh tokens nobody else can get new ones.
                "secret_hash = :read OR secret_hash = :written",
                {"read": session.secret_hash, "written": rotated.secret_hash},
            )
        except ConditionFailed:
            self._bearers_table.delete(rotated.bearers[0])
            return None
        return SignedIn(rotated, tokens.access_token, handle)

    def sign_out(self, handle: Handle, now: int) -> None:
        """End the session of any handle that was ever issued for it. Nothing happens if there is none."""
        row = self._table.get(_row_id(handle.session_id))
        if row is None:
            return
        session = _from_row(row)
        if self.state_of(handle, session, now) is not HandleState.NOT_ISSUED:
            self.end(session)

    def end(self, session: Session) -> None:
        """End a session and its bearers, also if it has rotated since it was read."""
        self._end(session, "", None)

    def end_unless_rotated(self, session: Session) -> bool:
        """End a session whose refresh token the site refused, unless a later one is stored; say whether it is over."""
        # The refused token may be one that another caller has traded in meanwhile.
        return self._end(session, "attribute_not_exists(id) OR secret_hash = :read", {"read": session.secret_hash})

    def _end(self, session: Session, condition: str, values: Row | None) -> bool:
        for bearer in session.bearers:
            self._bearers_table.delete(bearer)
        try:
            row = self._table.delete(_row_id(session.session_id), condition, values)
        except ConditionFailed:
            return False
        for bearer in _from_row(row).bearers if row else ():
            if bearer not in session.bearers:
                self._bearers_table.delete(bearer)
        return True

    def _built(
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
                _purpose(handle.session_id),
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
            bearers=(bearers.bearer_id(tokens.access_token), *previous_bearers),
            lease="",
            lease_until=0,
        )

    def _idle_limit(self, now: int, access_expires_at: int, expires_at: int) -> int:
        # Whoever has a good access token has no reason to call, so is not idle.
        return min(max(now + self._idle_seconds, access_expires_at), expires_at)

    def _write_bearer(self, session: Session) -> None:
        self._bearers_table.put(
            {
                "id": session.bearers[0],
                "session_id": session.session_id,
                "expires_at": session.access_expires_at,
                **_user_to_row(session.user),
            }
        )

    @property
    def _keyed(self) -> Sealer:
        if self._sealer is None:
            raise RuntimeError("this function has no key")
        return self._sealer


def _row_id(session_id: str) -> str:
    return f"session#{session_id}"


def _retired_id(secret_hash: bytes) -> str:
    return f"retired#{secret_hash.hex()}"


def _purpose(session_id: str) -> dict[str, str]:
    return {"purpose": "session", "session": session_id}


def _user_to_row(user: User) -> Row:
    return {
        "user_type": user.type,
        "user_id": user.id,
        "login": user.login,
        "name": user.name,
        "email": user.email,
        "permission_group": user.permission_group,
    }


def _user_from_row(row: Row) -> User:
    # Sessions from before the site was asked have only the first three.
    more = (str(row.get(name, "")) for name in ("name", "email", "permission_group"))
    return User(str(row["user_type"]), int(row["user_id"]), str(row["login"]), *more)


def _to_row(session: Session) -> Row:
    return {
        "id": _row_id(session.session_id),
        **_user_to_row(session.user),
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
        user=_user_from_row(row),
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
