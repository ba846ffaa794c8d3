"""Sessions: one row for each signed-in session, and the handles that identify it.

The page holds a handle, `<session id>.<secret>`. Each rotation starts a *generation*: new tokens of the site, a new
bearer, and a new handle. The key that makes the handles of a generation is sealed in the row with the tokens. So the
table alone contains nothing that works as a handle, and a handle without its row neither.

After a rotation, the handle that rotated still works for a short time, for a lost response or a second tab. Each use
of it returns another handle of the new generation, a *sibling*. Every other handle that is not of the current
generation was copied, so it ends the session (RFC 9700, section 4.14.2). That also finds a copy that keeps pace with
its owner: owner and copy then hold siblings, one of them rotates, and the other sibling is no longer valid.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from shotgrid_login import base64url, claims
from shotgrid_login.bearers import Bearer, Bearers, bearer_id, new_bearer
from shotgrid_login.errors import SessionEnded, SessionUnreadable, SiteError
from shotgrid_login.parallel import together
from shotgrid_login.sealing import SealBroken, Sealer, TooLargeToSeal
from shotgrid_login.table import ConditionFailed, Row, Table
from shotgrid_login.users import User

if TYPE_CHECKING:
    from shotgrid_login.site import Tokens

# How long the handle that rotated still works after that, if its successor was used. A page waits 35 s for a response
# and calls three times with pauses of up to 5 s (`shotgrid-login.js`). Seconds.
GRACE_SECONDS = 120

# A stored access token that is valid for longer than this is returned again, without a call to the site. Seconds. If
# the site's tokens live less than twice as long, half of their life is used, or no token would be returned twice.
FRESH_MARGIN = 60

# Activity is stored only if it moves the idle limit by more than this, so that most reads do not write. Seconds.
IDLE_RESOLUTION = 60

# How many callers can wait for one call to the site. All others have to come back.
MAX_WAITERS = 5

# The index that finds the sessions of a user (template.yaml).
INDEX = "sessions-of-user"

_HANDLE = re.compile(r"([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})")

# The parts of a handle's secret. Bytes.
_RANDOM = 12
_ISSUED = 8  # shows that the handle was issued for this session, also long after its generation
_CURRENT = 12  # shows that it is of the current generation


class HandleState(Enum):
    """The state of a handle in its session."""

    CURRENT = "current"
    PREVIOUS = "previous"  # it made the last rotation, and its successor was not used yet or the grace period goes on
    REPLAYED = "replayed"  # issued for this session, and no longer valid
    NOT_ISSUED = "not issued"


@dataclass(frozen=True)
class Handle:
    """The gateway's own refresh token, which the page holds. Its session id is not secret."""

    session_id: str
    secret: bytes = field(repr=False)

    @classmethod
    def issue(cls, session_id: str, key: bytes, generation_key: bytes) -> Handle:
        """Return a new handle of a session and its current generation."""
        random = secrets.token_bytes(_RANDOM)
        return cls(session_id, random + _mac(key, random, _ISSUED) + _mac(generation_key, random, _CURRENT))

    @classmethod
    def parse(cls, text: str) -> Handle:
        """Parse the text of a handle; raises `SessionEnded` if it is not one."""
        match = _HANDLE.fullmatch(text)
        if not match:
            raise SessionEnded
        handle = cls(match[1], base64url.decode(match[2]))
        if str(handle) != text:  # another spelling of the same bytes
            raise SessionEnded
        return handle

    def __str__(self) -> str:
        return f"{self.session_id}.{base64url.encode(self.secret)}"

    @property
    def hash(self) -> bytes:
        """SHA-256 of the secret. The secret has full entropy, so a plain hash is safe."""
        return hashlib.sha256(base64url.encode(self.secret).encode()).digest()

    def is_issued_with(self, key: bytes) -> bool:
        """Whether the session with this key has issued the handle, in any generation."""
        return hmac.compare_digest(self.secret[_RANDOM : _RANDOM + _ISSUED], _mac(key, self.secret[:_RANDOM], _ISSUED))

    def is_of_generation(self, generation_key: bytes) -> bool:
        """Whether the handle is of the generation with this key."""
        return hmac.compare_digest(
            self.secret[_RANDOM + _ISSUED :], _mac(generation_key, self.secret[:_RANDOM], _CURRENT)
        )


@dataclass(frozen=True)
class Session:
    """A session's row, without its key. Times are epoch seconds.

    Attributes:
        user_hash: the hash of the user's login that logs contain; empty in rows of earlier versions.
        user_read_at: when the site last returned the user's record; 0 if it never did.
        sealed: the content of `Secrets`, as KMS ciphertext.
        handle_key: recognizes the handles that were issued for this session. It does not make a handle valid.
        generation: a random id that each rotation changes, so it identifies the version of the row.
        is_confirmed: whether a handle of this generation was used.
        previous_hash: hash of the handle that made the last rotation; empty before the first one. See `Secrets`.
        previous_until: end of that handle's grace period.
        fresh_until: until when the stored access token is returned again.
        forced_at: when the site was last called although the access token was fresh.
        bearers: ids of the bearers that the authorizer may still accept, the current one first.
        lease: id of the refresh that is calling the site now; empty if there is none.
        legacy_hash: only in rows of earlier versions: hash of the current handle's secret.
    """

    session_id: str
    user: User
    user_hash: str
    user_read_at: int
    sealed: bytes = field(repr=False)
    handle_key: bytes = field(repr=False)
    generation: str
    is_confirmed: bool
    previous_hash: bytes
    previous_until: int
    signed_in_at: int
    expires_at: int
    idle_expires_at: int
    access_expires_at: int
    fresh_until: int
    forced_at: int
    bearers: tuple[str, ...]
    lease: str
    lease_until: int
    legacy_hash: bytes = b""

    def has_expired(self, now: int) -> bool:
        """Whether the session is over although its row is still there."""
        return self.expires_at <= now or self.idle_expires_at <= now


@dataclass(frozen=True)
class Secrets:
    """The secrets of a session's current generation.

    Attributes:
        api_token: the bearer for the studio's own APIs; empty in rows of earlier versions.
        generation_key: makes the handles of this generation.
        previous_hash: hash of the handle that made the last rotation. It is sealed too, or a caller who can write the
            table could let a handle of its own count as the previous one.
        legacy_secret: only in rows of earlier versions: the current handle's secret.
    """

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)
    api_token: str = field(repr=False)
    generation_key: bytes = field(repr=False)
    previous_hash: bytes = b""
    legacy_secret: str = field(default="", repr=False)


@dataclass(frozen=True)
class NewSession:
    """A session that is not stored yet. Its secrets are sealed already, because that needs no user."""

    session_id: str
    tokens: Tokens
    generation: Secrets
    sealed: bytes = field(repr=False)


@dataclass(frozen=True)
class SignedIn:
    """A session with the secrets that the page receives."""

    session: Session
    access_token: str = field(repr=False)
    api_token: str = field(repr=False)
    handle: Handle


class Sessions:
    """The session rows, and the bearers that belong to them.

    The row of a bearer exists before the session row that lists it, and is deleted before that row. If the function
    crashes in between, each bearer that a page has is still listed in its session row, so sign-out finds it. At worst
    an unused token hash is left behind.

    The SDK repeats a write whose response was lost. So each condition below is also true after the same write.
    """

    def __init__(
        self, table: Table, bearers: Bearers, sealer: Sealer | None, session_seconds: int, idle_seconds: int
    ) -> None:
        """Take the state table. Only `prepare`, `rotate`, `recognize` and `result` need the `sealer`."""
        self._table = table
        self._bearers = bearers
        self._sealer = sealer
        self._session_seconds = session_seconds
        self._idle_seconds = idle_seconds

    def prepare(self, tokens: Tokens, now: int) -> NewSession:
        """Seal the secrets of a new session, and reserve the row of its bearer.

        Raises `SiteError` if they are too large to seal.
        """
        session_id, generation = secrets.token_urlsafe(16), _new_generation(tokens)
        sealed, _ = together(
            lambda: self._seal(session_id, generation),
            lambda: self._bearers.reserve(bearer_id(generation.api_token), now),
        )
        return NewSession(session_id, tokens, generation, sealed)

    def start(self, new: NewSession, user: User, now: int, *, user_hash: str) -> SignedIn:
        """Write a new session. `user_hash` is the hash of the user's login for logs (`hashes.Hashes.user`)."""
        session = self._build(
            new.session_id,
            secrets.token_bytes(32),
            user,
            new.tokens,
            new.generation,
            new.sealed,
            user_hash=user_hash,
            # Without the record, a user has only a login, and the next rotation reads it again.
            user_read_at=now if user.name or user.email else 0,
            signed_in_at=now,
            now=now,
        )
        # If a sign-out everywhere finds the new session at this moment, it deletes the reserved row first.
        together(
            lambda: self._bearers.put_reserved(*_current_bearer(session)),
            lambda: self._table.put(_to_row(session)),
        )
        return self._signed_in(session, new.generation)

    def find(self, session_id: str, now: int) -> Session:
        """Read a session; raises `SessionEnded` if it does not exist or has expired."""
        row = self._table.get(_row_id(session_id))
        if row is None:
            raise SessionEnded
        session = _from_row(row)
        if session.has_expired(now):
            raise SessionEnded
        return session

    def all(self) -> Iterator[Session]:
        """Read all sessions, also expired ones that DynamoDB has not deleted yet. Only for operators."""
        return map(_from_row, self._table.scan(_row_id("")))

    def recognize(self, handle: Handle, session: Session, now: int) -> tuple[HandleState, Secrets]:
        """Return the state of a handle that the session has issued, and the session's secrets, with one KMS call.

        Raises `SessionEnded` for a handle that was never issued, and `SessionUnreadable`.
        """
        if not self._is_issued(handle, session):
            raise SessionEnded
        opened = self._unseal(session)
        if self._is_current(handle, opened):
            return HandleState.CURRENT, opened
        # An unconfirmed successor may never have reached the page.
        in_grace = not session.is_confirmed or now <= session.previous_until
        previous_hash = session.previous_hash if opened.legacy_secret else opened.previous_hash
        if hmac.compare_digest(handle.hash, previous_hash) and in_grace:
            return HandleState.PREVIOUS, opened
        return HandleState.REPLAYED, opened

    def note_use(self, session: Session, now: int, *, confirms: bool) -> Session:
        """Note that a session is used, and return it; raises `SessionEnded`.

        `confirms`: whether the caller has a handle of the current generation. If another caller has rotated the session
        in the meantime, nothing is noted, and the returned session has another generation.
        """
        idle_expires_at = self._idle_limit(now, session.access_expires_at, session.expires_at)
        confirms = confirms and not session.is_confirmed
        if idle_expires_at - session.idle_expires_at <= IDLE_RESOLUTION and not confirms:
            return session
        condition, values = _unchanged(session)
        values |= {"idle_expires_at": max(idle_expires_at, session.idle_expires_at)}
        change = "SET idle_expires_at = :idle_expires_at"
        if confirms:  # only ever set: another caller may have confirmed the generation in the meantime
            change, values = f"{change}, confirmed = :one", values | {"one": 1}
        try:
            row = self._table.update(_row_id(session.session_id), change, condition, values)
        except ConditionFailed as failed:
            if failed.row is None:
                raise SessionEnded from None
            row = failed.row
        return _from_row(row)

    def take_lease(self, session: Session, until: int, now: int, *, is_forced: bool = False) -> Session | None:
        """Return the session with a lease to call the site for this version; None if another caller has it.

        `is_forced`: the stored access token is fresh, and the site has rejected it.
        """
        lease = secrets.token_urlsafe(16)
        condition, values = _unchanged(session)
        try:
            row = self._table.update(
                _row_id(session.session_id),
                "SET lease = :lease, lease_until = :until, waiters = :zero, forced_at = :forced_at",
                # The session was not rotated since it was read: then its access token would be new. And no other
                # lease is valid: an expired one belongs to a function that crashed.
                f"{condition} AND (lease = :none OR lease_until <= :now OR lease = :lease)",
                values
                | {
                    "lease": lease,
                    "until": until,
                    "none": "",
                    "now": now,
                    "zero": 0,
                    "forced_at": now if is_forced else session.forced_at,
                },
            )
        except ConditionFailed:
            return None
        return _from_row(row)

    def join_waiters(self, session: Session) -> bool:
        """Count a caller that waits for the holder of the lease. Returns False if there are enough of them."""
        try:
            self._table.update(
                _row_id(session.session_id),
                "ADD waiters :one",
                # Counted by the database, so that parallel callers cannot exceed the limit. A new lease starts at zero.
                "lease = :lease AND waiters < :most",
                {"lease": session.lease, "one": 1, "most": MAX_WAITERS},
            )
        except ConditionFailed as failed:
            # The lease is over: then there is nothing to wait for, and the caller goes on.
            return failed.row is None or failed.row["lease"] != session.lease
        return True

    def release_lease(self, session: Session) -> None:
        """Give the lease of `take_lease` back, because the site did not decide."""
        # The session may have ended, or the lease may have expired and belong to another caller now.
        with contextlib.suppress(ConditionFailed):
            self._table.update(
                _row_id(session.session_id),
                "SET lease = :none",
                "lease = :lease",
                {"lease": session.lease, "none": ""},
            )

    def rotate(
        self, session: Session, handle: Handle, user: User | None, tokens: Tokens, requested_at: int, now: int
    ) -> SignedIn | None:
        """Start a new generation, for the caller with `handle`. `requested_at` is when the site was called.

        `user` is the user's record if the site has just returned it. Returns None if the session has ended, or another
        caller has rotated it since it was read. These tokens are then lost.

        The previous bearer stays valid until it expires, because another tab may be using it. If the previous access
        token is still fresh, the site has rejected it, and its bearer ends.
        """
        current, older = session.bearers[:1], session.bearers[1:]
        generation = _new_generation(tokens, handle.hash)
        rotated = self._build(
            session.session_id,
            session.handle_key or secrets.token_bytes(32),
            user or session.user,
            tokens,
            generation,
            self._seal(session.session_id, generation),
            user_hash=session.user_hash,
            user_read_at=now if user else session.user_read_at,
            signed_in_at=session.signed_in_at,
            now=requested_at,
            previous_until=now + GRACE_SECONDS,
            previous_bearers=current,
            forced_at=session.forced_at,
        )
        self._bearers.put(*_current_bearer(rotated))
        for row_id in older:  # the new row does not list them, so sign-out would not find them
            self._bearers.delete(row_id)
        condition, values = _unchanged(session)
        try:
            self._table.put(
                _to_row(rotated),
                # A session that was signed out in the meantime stays ended. A session that another caller rotated after
                # our lease expired keeps that caller's tokens. An expired lease alone does not discard our tokens: if
                # the site retires refresh tokens, no other caller could get new ones.
                f"{condition} OR generation = :written",
                values | {"written": rotated.generation},
            )
        except ConditionFailed:
            self._bearers.delete(rotated.bearers[0])
            return None
        if session.fresh_until > requested_at:
            # After the session row: if the function crashes before, the session keeps a bearer that works.
            for row_id in current:
                self._bearers.delete(row_id)
        return self._signed_in(rotated, generation)

    def result(self, session: Session, handle: Handle, state: HandleState, opened: Secrets) -> SignedIn:
        """Return what the page with a current or previous handle receives. A previous handle gets a new sibling."""
        if state is HandleState.PREVIOUS:
            handle = Handle.issue(session.session_id, session.handle_key, opened.generation_key)
        return SignedIn(session, opened.access_token, opened.api_token, handle)

    def sign_out(self, handle: Handle, *, everywhere: bool = False) -> None:
        """End the session that has issued this handle, also long ago. Does nothing if no session has.

        `everywhere` ends all other sessions of its user, too.
        """
        row = self._table.get(_row_id(handle.session_id))
        if row is None:
            return
        session = _from_row(row)
        if not self._is_issued(handle, session):
            return
        if everywhere:
            self._end_others(session)
        # Its own session ends last: if the function crashes before, the page can repeat the request.
        self.end(session)

    def end(self, session: Session) -> None:
        """End a session and its bearers, even if it was rotated since it was read."""
        latest: Session | None = session
        while latest is not None:
            latest = self._end(latest)

    def end_unless_rotated(self, session: Session) -> bool:
        """End a session whose refresh token the site rejected, unless a newer token is stored.

        Returns whether the session has ended.
        """
        return self._end(session) is None

    def _end_others(self, session: Session) -> None:
        for row_id in self._table.ids(INDEX, "user_key", _user_key(session.user)):
            row = self._table.get(row_id)
            if row is not None and row_id != _row_id(session.session_id):
                self.end(_from_row(row))

    def _end(self, session: Session) -> Session | None:
        """End this version of a session. Returns the newer version, unended, if another caller has rotated it."""
        for bearer in session.bearers:
            self._bearers.delete(bearer)
        condition, values = _unchanged(session)
        try:
            # A rotated row lists a bearer that was not deleted above. A missing row: another caller or this write has
            # already ended the session.
            self._table.delete(_row_id(session.session_id), f"attribute_not_exists(id) OR {condition}", values)
        except ConditionFailed as failed:
            return _from_row(failed.row) if failed.row else None
        return None

    def _is_issued(self, handle: Handle, session: Session) -> bool:
        if session.handle_key and handle.is_issued_with(session.handle_key):
            return True
        # Handles of earlier versions do not show that they were issued.
        return any(hmac.compare_digest(handle.hash, known) for known in (session.legacy_hash, session.previous_hash))

    def _is_current(self, handle: Handle, opened: Secrets) -> bool:
        if opened.legacy_secret:
            return hmac.compare_digest(base64url.encode(handle.secret).encode(), opened.legacy_secret.encode())
        return handle.is_of_generation(opened.generation_key)

    def _build(
        self,
        session_id: str,
        handle_key: bytes,
        user: User,
        tokens: Tokens,
        generation: Secrets,
        sealed: bytes,
        *,
        user_hash: str,
        user_read_at: int,
        signed_in_at: int,
        now: int,
        previous_until: int = 0,
        previous_bearers: tuple[str, ...] = (),
        forced_at: int = 0,
    ) -> Session:
        expires_at = signed_in_at + self._session_seconds
        site_expires_at = claims.expires_at(tokens.refresh_token)
        if site_expires_at is not None:
            expires_at = min(expires_at, site_expires_at)
        access_expires_at = min(now + tokens.expires_in, expires_at)
        return Session(
            session_id=session_id,
            user=user,
            user_hash=user_hash,
            user_read_at=user_read_at,
            sealed=sealed,
            handle_key=handle_key,
            generation=secrets.token_urlsafe(16),
            is_confirmed=False,
            previous_hash=generation.previous_hash,
            previous_until=previous_until,
            signed_in_at=signed_in_at,
            expires_at=expires_at,
            idle_expires_at=self._idle_limit(now, access_expires_at, expires_at),
            access_expires_at=access_expires_at,
            fresh_until=min(now + tokens.expires_in - min(FRESH_MARGIN, tokens.expires_in // 2), expires_at),
            forced_at=forced_at,
            bearers=(bearer_id(generation.api_token), *previous_bearers),
            lease="",
            lease_until=0,
        )

    def _signed_in(self, session: Session, generation: Secrets) -> SignedIn:
        handle = Handle.issue(session.session_id, session.handle_key, generation.generation_key)
        return SignedIn(session, generation.access_token, generation.api_token, handle)

    def _seal(self, session_id: str, opened: Secrets) -> bytes:
        values = {
            "access": opened.access_token,
            "refresh": opened.refresh_token,
            "api": opened.api_token,
            "key": base64url.encode(opened.generation_key),
            "previous": opened.previous_hash.hex(),
        }
        try:
            return self._keyed.seal(values, _context(session_id))
        except TooLargeToSeal as error:
            raise SiteError(f"tokens too large to seal: {error}") from None

    def _unseal(self, session: Session) -> Secrets:
        try:
            opened = self._keyed.open(session.sealed, _context(session.session_id))
        except SealBroken:
            raise SessionUnreadable from None
        return Secrets(
            str(opened["access"]),
            str(opened["refresh"]),
            str(opened.get("api", "")),
            base64url.decode(str(opened.get("key", ""))),
            bytes.fromhex(str(opened.get("previous", ""))),
            str(opened.get("secret", "")),
        )

    def _idle_limit(self, now: int, access_expires_at: int, expires_at: int) -> int:
        # A page with a valid access token has no reason to call the gateway, so it does not count as idle.
        return min(max(now + self._idle_seconds, access_expires_at), expires_at)

    @property
    def _keyed(self) -> Sealer:
        if self._sealer is None:
            raise RuntimeError("this function was set up without a key")
        return self._sealer


def _new_generation(tokens: Tokens, previous_hash: bytes = b"") -> Secrets:
    return Secrets(tokens.access_token, tokens.refresh_token, new_bearer(), secrets.token_bytes(32), previous_hash)


def _current_bearer(session: Session) -> tuple[str, Bearer]:
    """Return the current bearer of a session, after its id."""
    return session.bearers[0], Bearer(session.session_id, session.access_expires_at, session.user)


def _mac(key: bytes, message: bytes, length: int) -> bytes:
    return hmac.digest(key, message, "sha256")[:length]


def _row_id(session_id: str) -> str:
    return f"session#{session_id}"


def _user_key(user: User) -> str:
    return f"{user.type}:{user.id}"


def _context(session_id: str) -> dict[str, str]:
    return {"purpose": "session", "session": session_id}


def _unchanged(session: Session) -> tuple[str, dict[str, str | int | bytes]]:
    """Return the condition, with its values, that the row exists and was not rotated since it was read."""
    if session.legacy_hash:
        return "secret_hash = :version", {"version": session.legacy_hash}
    return "generation = :version", {"version": session.generation}


def _to_row(session: Session) -> Row:
    return {
        "id": _row_id(session.session_id),
        "user_key": _user_key(session.user),
        **session.user.to_row(),
        "user_hash": session.user_hash,
        "user_read_at": session.user_read_at,
        "sealed": session.sealed,
        "handle_key": session.handle_key,
        "generation": session.generation,
        "confirmed": int(session.is_confirmed),
        "previous_hash": session.previous_hash,
        "previous_until": session.previous_until,
        "signed_in_at": session.signed_in_at,
        "expires_at": session.expires_at,
        "idle_expires_at": session.idle_expires_at,
        "access_expires_at": session.access_expires_at,
        "fresh_until": session.fresh_until,
        "forced_at": session.forced_at,
        "bearers": " ".join(session.bearers),
        "lease": session.lease,
        "lease_until": session.lease_until,
        "waiters": 0,
    }


def _from_row(row: Row) -> Session:
    # Rows of earlier versions have `secret_hash`, and none of the attributes with a default here.
    def text(name: str, default: str | None = None) -> str:
        return str(row[name] if default is None else row.get(name, default))

    def number(name: str, default: int | None = None) -> int:
        return int(row[name] if default is None else row.get(name, default))

    def data(name: str) -> bytes:
        value = row.get(name)
        return value if isinstance(value, bytes) else b""

    return Session(
        session_id=text("id").removeprefix("session#"),
        user=User.from_row(row),
        user_hash=text("user_hash", ""),
        user_read_at=number("user_read_at", 0),
        sealed=data("sealed"),
        handle_key=data("handle_key"),
        generation=text("generation", data("secret_hash").hex()),
        is_confirmed=bool(number("confirmed", 1)),
        previous_hash=data("previous_hash"),
        previous_until=number("previous_until"),
        signed_in_at=number("signed_in_at"),
        expires_at=number("expires_at"),
        idle_expires_at=number("idle_expires_at"),
        access_expires_at=number("access_expires_at"),
        fresh_until=number("fresh_until") if "generation" in row else 0,  # the rows of old versions have no bearer
        forced_at=number("forced_at", 0),
        bearers=tuple(text("bearers").split()),
        lease=text("lease"),
        lease_until=number("lease_until"),
        legacy_hash=data("secret_hash"),
    )
