"""Refresh: at most one call to the site for each expiry of an access token, for any number of tabs.

While the stored access token is fresh, every caller receives it again. When it is about to expire, one caller takes a
lease and calls the site, and the others wait for the result. The lease expires, so if the function that holds it
crashes, the other callers wait longer but not forever.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from shotgrid_login.bearers import bearer_id
from shotgrid_login.errors import HandleReplayed, SessionEnded, SiteUnavailable
from shotgrid_login.sessions import Handle, HandleState, Session, Sessions, SignedIn
from shotgrid_login.site import RefreshTokenRejected, Site

# Longer than the longest call to the site (`site.RESPONSE_SECONDS`) and slow writes after it. Seconds.
LEASE_SECONDS = 20

# How long a caller waits for the holder of the lease. After that it may still have to call the site itself, and API
# Gateway stops waiting for a function after 29 s. Seconds.
WAIT_SECONDS = 12

# Pauses between two reads of the row while waiting. A site responds in about 0.2 s. Seconds.
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 0.5


class Refresh:
    """Refreshes the sessions of one site."""

    def __init__(
        self,
        site: Site,
        sessions: Sessions,
        seconds: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._site = site
        self._sessions = sessions
        self._seconds = seconds
        self._pause = pause

    def refresh(self, handle: Handle, rejected_access_token: str | None = None) -> SignedIn:
        """Return the session's current handle and a fresh access token.

        `rejected_access_token` is a token that the site rejected with 401 before it expired. The site ends sessions
        early, for example when two-factor authentication is turned on. If it is the stored token, the site is called
        once, for any number of tabs that report it.

        Raises:
            SessionEnded: the session has ended, never existed, or was just ended by the site.
            HandleReplayed: a copy of an old handle was used, so the session was ended.
            SiteUnavailable, SiteError: the site did not decide; the session is unchanged.
        """
        session = self._sessions.find(handle.session_id, self._now())
        match self._sessions.state_of(handle, session, self._now()):
            case HandleState.NOT_ISSUED:
                raise SessionEnded
            case HandleState.REPLAYED:
                self._sessions.end(session)
                raise HandleReplayed
        is_rejected = rejected_access_token is not None and bearer_id(rejected_access_token) == session.bearers[0]
        if session.fresh_until > self._now() and not is_rejected:
            return self._current(session)
        return self._renewed(session)

    def _renewed(self, stale: Session) -> SignedIn:
        """Call the site, or wait for the caller that does."""
        session = stale
        awaited_lease = ""
        pause = FIRST_PAUSE
        deadline = self._seconds() + WAIT_SECONDS
        while True:
            if session.secret_hash != stale.secret_hash:
                return self._current(session)  # another caller has rotated the session
            if self._seconds() > deadline:
                wait = max(1, session.lease_until - self._now())
                raise SiteUnavailable("another refresh of the session is still waiting for the site", wait)
            if session.lease and session.lease_until > self._now():
                awaited_lease = session.lease
                self._pause(pause)
                pause = min(pause * 1.5, LONGEST_PAUSE)
            elif awaited_lease and not session.lease:
                # The lease holder failed. Fail too instead of retrying, or every waiting caller would hang on the
                # unresponsive site in turn.
                raise SiteUnavailable("another refresh of the session failed")
            else:
                now = self._now()
                lease = self._sessions.take_lease(session, now + LEASE_SECONDS, now)
                if lease:
                    return self._call_site(session, lease)
            session = self._sessions.find(stale.session_id, self._now())

    def _call_site(self, session: Session, lease: str) -> SignedIn:
        requested_at = self._now()
        try:
            tokens = self._site.refresh_token(self._sessions.unseal(session).refresh_token)
            rotated = self._sessions.rotate(session, tokens, requested_at, self._now())
        except RefreshTokenRejected:
            if self._sessions.end_unless_rotated(session):
                raise SessionEnded from None
            rotated = None
        except Exception:
            # The site did not decide. Release the lease, so that the next caller does not wait until it expires.
            self._sessions.release_lease(session.session_id, lease)
            raise
        if rotated is not None:
            return rotated
        # Another caller rotated the session after our lease expired, or the user signed out.
        return self._current(self._sessions.find(session.session_id, self._now()))

    def _current(self, session: Session) -> SignedIn:
        session = self._sessions.note_activity(session, self._now())
        secrets = self._sessions.unseal(session)
        return SignedIn(session, secrets.access_token, Handle(session.session_id, secrets.handle_secret))

    def _now(self) -> int:
        return int(self._seconds())
