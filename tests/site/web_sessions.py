"""The web sessions of a site. A session token is the cookie of a web session (probed)."""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

# A site moves the end of a web session at most once in this time, in seconds (probed).
MOVE_SECONDS = 300


@dataclass
class WebSession:
    """A web session of one account. Times are in seconds since 1970."""

    login: str
    created_at: float
    moved_at: float
    expires_at: float


class WebSessions:
    """All web sessions of a site, by session token."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.mints: Counter[str] = Counter()  # how many access tokens each session token was exchanged for
        self._clock = clock
        self._lock = threading.RLock()
        self._sessions: dict[str, WebSession] = {}

    def create(self, login: str, seconds: int) -> str:
        """Start a session that ends after this time without use. Return its session token."""
        token = secrets.token_hex(16)
        now = self._clock()
        with self._lock:
            self._sessions[token] = WebSession(login, now, now, now + seconds)
        return token

    def get(self, token: str) -> WebSession | None:
        """Return a session that has not ended."""
        with self._lock:
            session = self._sessions.get(token)
            return session if session and self._clock() < session.expires_at else None

    def login(self, token: str) -> str:
        """Return the login of a session, also after its end. Return "" for an unknown token."""
        session = self._sessions.get(token)
        return session.login if session else ""

    def move(self, token: str, seconds: int) -> None:
        """Move the end of a session to now plus this time, at most once in `MOVE_SECONDS`."""
        now = self._clock()
        with self._lock:
            session = self._sessions[token]
            if now - session.moved_at >= MOVE_SECONDS:
                session.moved_at, session.expires_at = now, now + seconds

    def renew(self, token: str, seconds: int) -> None:
        """Move the end of a session to now plus this time."""
        now = self._clock()
        with self._lock:
            session = self._sessions[token]
            session.moved_at, session.expires_at = now, now + seconds

    def end_one(self, token: str) -> None:
        """End one session. An unknown token has no effect."""
        with self._lock:
            self._sessions.pop(token, None)

    def end(self, is_ended: Callable[[str], bool]) -> None:
        """End the sessions of the accounts that `is_ended` selects by login."""
        with self._lock:
            self._sessions = {token: one for token, one in self._sessions.items() if not is_ended(one.login)}
