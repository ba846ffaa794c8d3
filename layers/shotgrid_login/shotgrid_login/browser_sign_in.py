"""Browser sign-in: the user approves it on the site's own page, and the gateway polls for the result.

It works on every site whose App Session Launcher is on, also on sites without passwords (Autodesk Identity, single
sign-on). A page starts the sign-in and then polls the gateway. Nothing runs between two polls.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from shotgrid_login import log, signed_in_user
from shotgrid_login.app_session_launcher import Approved, AppSessionLauncher, app_name, machine_id
from shotgrid_login.approvals import (
    GRACE_SECONDS,
    LIFETIME,
    POLL_INTERVAL,
    Approval,
    ApprovalChallenge,
    Approvals,
    Step,
    browser_hash,
)
from shotgrid_login.configuration import StartSettings
from shotgrid_login.errors import (
    ApprovalEnded,
    ApprovalLost,
    BrowserSignInDisabled,
    LoginError,
    SessionEnded,
    SiteError,
    SiteUnavailable,
)
from shotgrid_login.failed_attempts import FailedAttempts, Start
from shotgrid_login.hashes import Hashes
from shotgrid_login.parallel import together
from shotgrid_login.places import POLLS, STARTS, NoPlace, Places
from shotgrid_login.sessions import Sessions, SignedIn
from shotgrid_login.site import SessionTokenRejected, Site

# The time between two polls of a page (RFC 8628, 3.5). Seconds.
PAGE_INTERVAL = 5

# The longest pause that a busy site can request. A longer one would outlive the result. Seconds.
LONGEST_PAUSE = 20


@dataclass(frozen=True)
class Started:
    """A sign-in that the user has to approve at `approval_url` within `expires_in` seconds.

    Attributes:
        app_name: what the approval page shows as the application that requests the sign-in.
    """

    challenge: str = field(repr=False)
    approval_url: str = field(repr=False)
    app_name: str
    expires_in: int


@dataclass(frozen=True)
class Pending:
    """The user has not decided yet. `expires_in` is in seconds."""

    expires_in: int


class BrowserSignIn:
    """Signs users in to one site."""

    def __init__(
        self,
        site: Site,
        launcher: AppSessionLauncher,
        approvals: Approvals,
        sessions: Sessions,
        failed_attempts: FailedAttempts,
        hashes: Hashes,
        places: Places,
        *,
        offers_it: bool,
        seconds: Callable[[], float] = time.time,
    ) -> None:
        """`offers_it`: whether this deployment offers browser sign-in."""
        self._site = site
        self._launcher = launcher
        self._approvals = approvals
        self._sessions = sessions
        self._failed_attempts = failed_attempts
        self._hashes = hashes
        self._places = places
        self._offers_it = offers_it
        self._seconds = seconds

    def warm_up(self) -> None:
        """Connect to AWS before a user needs it: uncount a start from no network, which changes nothing."""
        self._failed_attempts.uncount_start(Start.of(self._hashes.network(""), ""))

    def start(
        self,
        settings: StartSettings,
        *,
        page_host: str,
        user_agent: str,
        source_address: str,
        browser: str,
        transport: str,
    ) -> Started:
        """Request an approval from the site.

        `browser` is the value of the browser's cookie, or "" with token transport.

        Raises:
            BrowserSignInDisabled: the site does not offer it, or this deployment does not allow it.
            TooManyAttempts, SiteError, SiteUnavailable.
        """
        self._check_offered()
        if not settings.allows(source_address):
            raise BrowserSignInDisabled("This gateway does not allow browser sign-in from this network.")
        network = self._hashes.network(source_address)
        log.logger.append_keys(network=network)
        start = Start.of(network, browser_hash(browser))
        requested_at = self._now()
        label = app_name(settings.app_name, page_host)
        with self._places.taken(STARTS, requested_at):
            self._failed_attempts.count_start(start, requested_at)
            try:
                request = self._launcher.request(label, machine_id(user_agent, source_address))
            except LoginError:
                self._failed_attempts.uncount_start(start)
                raise
        # The time runs from before the request, so that it is over before the site's.
        ends_at = requested_at + LIFETIME
        challenge = self._approvals.issue(request.request_id, browser, transport, network, ends_at)
        log.count("start_without_approval")
        return Started(challenge, request.url, label, max(0, ends_at - self._now()))

    def open_challenge(self, challenge: str, browser: str) -> ApprovalChallenge:
        """Open the text of a challenge for `finish`; raises `InvalidRequest`."""
        return self._approvals.open(challenge, browser)

    def finish(self, challenge: ApprovalChallenge) -> SignedIn | Pending:
        """Return the new session, or `Pending` if the user has not decided.

        A caller that has lost the response can call again within `approvals.RESULT_SECONDS`.

        Raises:
            ApprovalEnded: the user declined, the time is over, or the result was used or lost.
            SiteError, SiteUnavailable: the challenge is still valid.
            BrowserSignInDisabled: this deployment does not allow it.
        """
        self._check_offered()
        approval = self._approvals.take_lease(challenge, self._seconds())
        log.logger.append_keys(network=approval.network)
        match approval.step:
            case Step.WAIT:
                return self._pending(approval)
            case Step.REPEAT:
                return self._repeated(approval)
            case Step.POLL:
                return self._in_place(approval, lambda: self._polled(challenge, approval))
            case Step.EXCHANGE:
                return self._in_place(approval, lambda: self._exchanged(challenge, approval, None))

    def _in_place(self, approval: Approval, call: Callable[[], SignedIn | Pending]) -> SignedIn | Pending:
        """Call the site, or return `Pending` if there is no place. The page polls again."""
        try:
            place = self._places.take(POLLS, self._now())
        except Exception as error:
            self._release(approval, is_unclear=approval.has_unclear_poll)  # the site was not called
            if not isinstance(error, NoPlace):
                raise
            log.logger.warning("approval_without_place", extra={"reason": error.reason})
            return self._pending(approval)
        with self._places.held(place):
            return call()

    def _polled(self, challenge: ApprovalChallenge, approval: Approval) -> SignedIn | Pending:
        try:
            approved = self._launcher.poll(challenge.request_id)
        except ApprovalEnded:
            if not self._approvals.end(approval):
                return self._pending(approval)  # another caller has the lease, and perhaps the result
            if approval.has_unclear_poll:
                raise ApprovalLost from None
            raise
        except Exception as error:
            self._release(approval, error, is_unclear=True)
            raise
        if approved is None:
            self._release(approval)
            return self._pending(approval)
        return self._exchanged(challenge, approval, approved)

    def _exchanged(self, challenge: ApprovalChallenge, approval: Approval, new: Approved | None) -> SignedIn:
        """Exchange the session token, and start the session. `new` is the result of a poll; None if the row has it.

        The session token is a whole web session at the site. So it is deleted as soon as it is no longer needed.
        """
        now = self._now()
        try:
            if new is not None:
                self._approvals.keep_approved(approval, new, now)
            approved = new or self._approvals.approved(approval)
            tokens = self._site.session_token(approved.session_token)
            new_session, user = together(
                lambda: self._sessions.prepare(tokens, now),
                lambda: signed_in_user.read(self._site, tokens.access_token, approved.login),
            )
            if user.type != "HumanUser" or not user.login:
                raise SiteError("access token is not of a HumanUser with a login")
            signed_in = self._sessions.start(new_session, user, now, user_hash=self._hashes.user(user.login))
        except SessionTokenRejected:
            self._approvals.end(approval)
            raise SiteError("session token rejected") from None
        except Exception as error:
            # The session token still works, so the next caller exchanges it, if it is in the row.
            self._release(approval, error, is_unclear=True)
            raise
        # If the function crashes here, or another caller has taken the expired lease, the session is never handed out.
        # No page has its handle, and it ends at its idle limit.
        if not self._approvals.finish(approval, signed_in, self._now()):
            raise ApprovalEnded
        self._failed_attempts.uncount_start(Start.of(approval.network, challenge.browser_hash))
        log.count("start_without_approval", -1)  # the sum in an hour is that of the starts without an approval
        return signed_in

    def _repeated(self, approval: Approval) -> SignedIn:
        """Return the session that this approval started, unless it has ended or was rotated since."""
        result = self._approvals.result(approval)
        try:
            session = self._sessions.find(result.handle.session_id, self._now())
        except SessionEnded:
            raise ApprovalEnded from None
        if session.generation != result.generation:
            raise ApprovalEnded
        return SignedIn(session, result.access_token, result.api_token, result.handle)

    def _check_offered(self) -> None:
        if not self._offers_it:
            raise BrowserSignInDisabled("This gateway does not offer browser sign-in.")

    def _release(self, approval: Approval, error: Exception | None = None, *, is_unclear: bool = False) -> None:
        """Give the lease back, and allow the next call of the site after the pause that a busy site requests."""
        pause = POLL_INTERVAL
        if isinstance(error, SiteUnavailable) and error.retry_after:
            pause = error.retry_after = min(error.retry_after, LONGEST_PAUSE)
        # From now on, and not from when the poll was sent: the site may have received it late.
        self._approvals.release(approval, self._seconds() + pause, is_unclear=is_unclear)

    def _pending(self, approval: Approval) -> Pending:
        return Pending(max(0, approval.expires_at - GRACE_SECONDS - self._now()))

    def _now(self) -> int:
        return int(self._seconds())
