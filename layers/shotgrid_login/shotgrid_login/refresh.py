"""Refresh: at most one call to the site for each expiry, whatever the number of tabs.

While the stored access token is fresh it is handed out again. Otherwise one caller takes a lease and asks the
site; the others wait for what it stores. A lease runs out, so a function that died holding it delays the others
but never hangs them.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from shotgrid_login.bearers import bearer_id
from shotgrid_login.errors import HandleReplayed, SessionEnded, SiteUnavailable
from shotgrid_login.sessions import Handle, HandleState, Session, Sessions, SignedIn
from shotgrid_login.site import RefreshTokenRefused, Site

# Longer than a site call can take (`site.ANSWER_SECONDS`) with slow writes after it. Seconds.
LEASE_SECONDS = 20

# How long a caller waits for another one's result before it says so. A site call of its own may still follow, and
# API Gateway gives up on a function after 29 s. Seconds.
WAIT_SECONDS = 12

# Between looks at the row while waiting: a site answers in about 0.2 s. Seconds.
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 0.5


class Refresh:
    """Refreshes sessions of one site."""

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

    def refresh(self, handle: Handle, refused_access_token: str | None = None) -> SignedIn:
        """Return the session's access token and handle as they are now, fresh.

        `refused_access_token` is one that the site answered with 401 although it has not expired: the site ends
        sessions early, when two-factor authentication is switched on for one. If it is the stored one, the site
        is asked, once whatever the number of tabs that were refused.

        Raises:
            SessionEnded: over, never issued, or ended by the site just now.
            HandleReplayed: a copy was used, so the session was ended.
            SiteUnavailable, SiteError: the site gave no verdict; the session is as it was.
        """
        session = self._sessions.find(handle.session_id, self._now())
        match self._sessions.state_of(handle, session, self._now()):
            case HandleState.NOT_ISSUED:
                raise SessionEnded
            case HandleState.REPLAYED:
                self._sessions.end(session)
                raise HandleReplayed
        refused = refused_access_token is not None and bearer_id(refused_access_token) == session.bearers[0]
        if session.fresh_until > self._now() and not refused:
            return self._again(session)
        return self._refreshed(session)

    def _refreshed(self, stale: Session) -> SignedIn:
        session = stale
        waiting_for = ""
        pause = FIRST_PAUSE
        give_up = self._seconds() + WAIT_SECONDS
        while True:
            if session.secret_hash != stale.secret_hash:
                return self._again(session)  # another caller's rotation: as new as it can be
            if self._seconds() > give_up:
                wait = max(1, session.lease_until - self._now())
                raise SiteUnavailable("another refresh of the session is still waiting for the site", wait)
            if session.lease and session.lease_until > self._now():
                waiting_for = session.lease
                self._pause(pause)
                pause = min(pause * 1.5, LONGEST_PAUSE)
            elif waiting_for and not session.lease:
                # The one we waited for let go without a result. Asking again at once would only be the next in a
                # queue of callers that all wait for a site that does not answer.
                raise SiteUnavailable("another refresh of the session failed")
            else:
                now = self._now()
                lease = self._sessions.take_lease(session, now + LEASE_SECONDS, now)
                if lease:
                    return self._ask_site(session, lease)
            session = self._sessions.find(stale.session_id, self._now())

    def _ask_site(self, session: Session, lease: str) -> SignedIn:
        asked_at = self._now()
        try:
            tokens = self._site.refresh_token(self._sessions.unseal(session).refresh_token)
            rotated = self._sessions.rotate(session, tokens, asked_at, self._now())
        except RefreshTokenRefused:
            if self._sessions.end_unless_rotated(session):
                raise SessionEnded from None
            rotated = None
        except Exception:
            # No verdict on the session, whatever went wrong: the next caller need not wait for our lease to run out.
            self._sessions.release_lease(session.session_id, lease)
            raise
        if rotated is not None:
            return rotated
        # Another caller rotated the session after our lease had run out, or the person signed out.
        return self._again(self._sessions.find(session.session_id, self._now()))

    def _again(self, session: Session) -> SignedIn:
        session = self._sessions.note_activity(session, self._now())
        secrets = self._sessions.unseal(session)
        return SignedIn(session, secrets.access_token, Handle(session.session_id, secrets.handle_secret))

    def _now(self) -> int:
        return int(self._seconds())
