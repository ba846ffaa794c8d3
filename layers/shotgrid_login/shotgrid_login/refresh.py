"""Refresh: at most one call to the site for each expiry of an access token, for any number of tabs.

While the stored access token is fresh, every caller receives it again. When it is about to expire, one caller takes a
lease and calls the site. The others receive the stored token while it is valid. After its expiry a few of them wait
for the result, and all others have to come back, so that one session cannot occupy all function instances. The lease
expires, so if the function that holds it crashes, the site can be called again.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable

from shotgrid_login import log, signed_in_user
from shotgrid_login.errors import HandleReplayed, SessionEnded, SiteUnavailable
from shotgrid_login.places import REFRESHES, NoPlace, Places
from shotgrid_login.sessions import Handle, HandleState, Secrets, Session, Sessions, SignedIn
from shotgrid_login.site import RefreshTokenRejected, Site

# Longer than the longest calls to the site (`site.RESPONSE_SECONDS` and `site.USER_SECONDS`) and slow writes after
# them. Seconds.
LEASE_SECONDS = 25

# How long a caller waits for the holder of the lease. After that it may still have to call the site itself, and API
# Gateway stops waiting for a function after 29 s. Seconds.
WAIT_SECONDS = 3

# Pauses between two reads of the row while waiting. A site responds in about 0.2 s. Seconds.
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 0.5

# When a caller that does not wait should come back. Seconds.
RETRY_AFTER = 1

# The site is called at most once in this time because of a rejected access token. Seconds.
FORCED_INTERVAL = 30

# A user's record is read again with a new access token if it is older, so that a user who loses a permission group at
# the site loses it here too. Seconds.
USER_MAX_AGE = 15 * 60


class Refresh:
    """Refreshes the sessions of one site."""

    def __init__(
        self,
        site: Site,
        sessions: Sessions,
        places: Places,
        seconds: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._site = site
        self._sessions = sessions
        self._places = places
        self._seconds = seconds
        self._pause = pause

    def refresh(self, handle: Handle, rejected_access_token: str | None = None) -> SignedIn:
        """Return a valid handle of the session and a fresh access token.

        `rejected_access_token` is a token that the site rejected with 401 before it expired. The site ends sessions
        early, for example when two-factor authentication is turned on. If it is the stored token, the site is called
        once, for any number of tabs that report it.

        Raises:
            SessionEnded: the session has ended, never existed, or was just ended by the site.
            HandleReplayed: a copy of a handle was used, so the session was ended.
            SiteUnavailable, SiteError: the site did not decide; the session is unchanged.
        """
        session = self._sessions.find(handle.session_id, self._now())
        state, opened = self._recognize(handle, session)
        is_forced = self._is_forced(session, opened, rejected_access_token)
        if session.fresh_until > self._now() and not is_forced:
            return self._result(handle, session, state, opened)
        return self._renewed(handle, session, state, opened, is_forced=is_forced)

    def _is_forced(self, session: Session, opened: Secrets, rejected_access_token: str | None) -> bool:
        """Whether the site has to be called although the stored access token is fresh."""
        if rejected_access_token is None:
            return False
        if not hmac.compare_digest(rejected_access_token.encode(), opened.access_token.encode()):
            return False
        # After a call that did not bring a new token, the stored one is returned again until the interval is over.
        return self._is_leased(session) or session.forced_at + FORCED_INTERVAL <= self._now()

    def _renewed(
        self, handle: Handle, stale: Session, state: HandleState, opened: Secrets, *, is_forced: bool
    ) -> SignedIn:
        """Call the site, or wait for the caller that does."""
        session = stale
        awaited_lease = ""
        pause = FIRST_PAUSE
        deadline = self._seconds() + WAIT_SECONDS
        while True:
            if session.generation != stale.generation:  # another caller has rotated the session
                return self._result(handle, session, *self._recognize(handle, session))
            if self._seconds() > deadline:
                raise SiteUnavailable("another refresh of the session is still waiting for the site", RETRY_AFTER)
            is_enough = session.access_expires_at > self._now() and not session.legacy_hash and not is_forced
            if self._is_leased(session):
                if is_enough:
                    return self._result(handle, session, state, opened)
                if session.lease != awaited_lease and not self._sessions.join_waiters(session):
                    raise SiteUnavailable("enough callers wait for the refresh of the session", RETRY_AFTER)
                awaited_lease = session.lease
                self._pause(pause)
                pause = min(pause * 1.5, LONGEST_PAUSE)
            elif awaited_lease and not session.lease:
                # The lease holder failed. Fail too instead of retrying, or every waiting caller would hang on the
                # unresponsive site in turn.
                raise SiteUnavailable("another refresh of the session failed")
            else:
                now = self._now()
                try:
                    with self._places.taken(REFRESHES, now):
                        leased = self._sessions.take_lease(session, now + LEASE_SECONDS, now, is_forced=is_forced)
                        if leased is not None:
                            return self._call_site(handle, leased, opened)
                except NoPlace:
                    if is_enough:
                        return self._result(handle, session, state, opened)
                    raise
            session = self._sessions.find(stale.session_id, self._now())

    def _call_site(self, handle: Handle, session: Session, opened: Secrets) -> SignedIn:
        requested_at = self._now()
        try:
            tokens = self._site.refresh_token(opened.refresh_token)
            user = None
            if requested_at - session.user_read_at > USER_MAX_AGE:
                user = signed_in_user.read_again(self._site, tokens.access_token, session.user)
            rotated = self._sessions.rotate(session, handle, user, tokens, requested_at, self._now())
        except RefreshTokenRejected:
            if self._sessions.end_unless_rotated(session):
                raise SessionEnded from None
            rotated = None
        except Exception:
            # The site did not decide. Release the lease, so that the next caller does not wait until it expires.
            self._sessions.release_lease(session)
            raise
        if rotated is not None:
            return rotated
        # Another caller rotated the session after our lease expired, or the user signed out.
        latest = self._sessions.find(session.session_id, self._now())
        return self._result(handle, latest, *self._recognize(handle, latest))

    def _result(self, handle: Handle, session: Session, state: HandleState, opened: Secrets) -> SignedIn:
        noted = self._sessions.note_use(session, self._now(), confirms=state is HandleState.CURRENT)
        if noted.generation != session.generation:  # another caller has just rotated it
            return self._result(handle, noted, *self._recognize(handle, noted))
        if noted.legacy_hash:  # a function of an earlier version has rotated it, and its row has no bearer
            return self._renewed(handle, noted, state, opened, is_forced=False)
        return self._sessions.result(noted, handle, state, opened)

    def _recognize(self, handle: Handle, session: Session) -> tuple[HandleState, Secrets]:
        """Return the state of a valid handle and the session's secrets.

        Raises `SessionEnded` for a handle that was never issued. Ends the session and raises `HandleReplayed` if it is
        a copy.
        """
        state, opened = self._sessions.recognize(handle, session, self._now())
        if state is HandleState.REPLAYED:
            self._sessions.end(session)
            log.log_user(session.user_hash)  # operators have to find out whose handle was copied
            raise HandleReplayed
        return state, opened

    def _is_leased(self, session: Session) -> bool:
        return bool(session.lease) and session.lease_until > self._now()

    def _now(self) -> int:
        return int(self._seconds())
