"""Sign-in: the password step and the code step, for sites with and without two-factor authentication.

Calls that do not depend on each other are made at the same time. Only these orders matter:

- An attempt is counted before the site is called.
- A challenge is used up, and its attempt is still the only one that did so, before a session is written.
- The row of a bearer is reserved before its session is written (`sessions`).
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Callable

from shotgrid_login import log, signed_in_user
from shotgrid_login.challenges import Challenge, Challenges
from shotgrid_login.errors import (
    ChallengeEnded,
    InvalidCredentials,
    InvalidOtp,
    InvalidRequest,
    LoginError,
    OtpRequired,
)
from shotgrid_login.failed_attempts import Attempt, FailedAttempts
from shotgrid_login.hashes import Hashes
from shotgrid_login.parallel import outcome, together
from shotgrid_login.sessions import Sessions, SignedIn
from shotgrid_login.site import CANNOT_AUTHENTICATE, Site, Tokens
from shotgrid_login.users import is_invisible


class SignIn:
    """Signs users in to one site."""

    def __init__(
        self,
        site: Site,
        challenges: Challenges,
        sessions: Sessions,
        failed_attempts: FailedAttempts,
        hashes: Hashes,
        seconds: Callable[[], float] = time.time,
    ) -> None:
        self._site = site
        self._challenges = challenges
        self._sessions = sessions
        self._failed_attempts = failed_attempts
        self._hashes = hashes
        self._seconds = seconds

    def warm_up(self) -> None:
        """Connect to AWS before a user needs it: read the failed attempts of no user."""
        self._failed_attempts.read("", self._now())

    def with_password(self, username: str, password: str, source_address: str) -> SignedIn | Challenge:
        """Return the new session, or a challenge if the site requires a code.

        A challenge does not mean that the password was right: the site may check it only together with the code.

        Raises:
            InvalidRequest: the user name contains characters that are not visible.
            InvalidCredentials, PasswordSignInDisabled, TooManyAttempts, SiteError, SiteUnavailable.
        """
        attempt, now = self._count(username, source_address)
        try:
            tokens = self._request_tokens(attempt, username, password)
        except OtpRequired:  # the site has judged no code, and may not have looked at the password
            challenge, _ = together(
                lambda: self._challenges.issue(
                    username, password, self._now(), name=attempt.name, user=attempt.holder.user
                ),
                lambda: self._failed_attempts.forgive(attempt, self._now()),
            )
            return challenge
        return self._start_session(attempt, username, tokens, now)

    def in_one_step(
        self, username: str, password: str, code: str | None, source_address: str, session_uuid: str | None = None
    ) -> SignedIn:
        """Return the new session of a caller that sends password and code together, as with the site's own endpoint.

        `session_uuid` is for the site: the window of the site that opened the page.

        Raises:
            OtpRequired: the site requires a code, or rejected this one.
            InvalidCredentials: the site rejected user name and password, or perhaps only the code.
            InvalidRequest: the user name contains characters that are not visible.
            PasswordSignInDisabled, TooManyAttempts, SiteError, SiteUnavailable.
        """
        typed_code = (code and _normalized(code)) or None
        attempt, now = self._count(username, source_address)
        try:
            tokens = self._request_tokens(attempt, username, password, typed_code, session_uuid)
        except OtpRequired:
            end = self._failed_attempts.forgive if typed_code is None else self._failed_attempts.failed
            end(attempt, self._now())
            raise
        return self._start_session(attempt, username, tokens, now)

    def with_code(self, challenge: str, code: str, source_address: str) -> SignedIn:
        """Return the new session. White space and invisible characters in the code are ignored.

        Raises:
            InvalidOtp: the site rejected the code, or user name and password with it.
            InvalidRequest, ChallengeEnded, PasswordSignInDisabled, TooManyAttempts, SiteError, SiteUnavailable.
        """
        typed_code = _normalized(code)
        if not typed_code:
            raise InvalidRequest("code: empty")
        now = self._now()
        received = self._challenges.receive(challenge, now)
        taken, typed = together(
            lambda: self._challenges.take_attempt(received, now),
            lambda: outcome(lambda: self._failed_attempts.read_again(received.name, received.user, now)),
        )
        try:
            if isinstance(typed, Exception):
                raise typed
            attempt = self._failed_attempts.count(typed, source_address, now)
        except Exception:  # the site was not called
            self._challenges.give_attempt_back(received)
            raise
        try:
            tokens = self._request_tokens(attempt, taken.username, taken.password, typed_code)
        except OtpRequired:
            self._failed_attempts.failed(attempt, self._now())
            raise InvalidOtp(taken.attempts_left) from None
        except InvalidCredentials:
            raise InvalidOtp(taken.attempts_left) from None
        except LoginError as error:
            if error.is_forgivable:
                self._challenges.give_attempt_back(received)
            raise
        try:
            return self._start_session(attempt, taken.username, tokens, now, lambda: self._challenges.use_up(received))
        except ChallengeEnded:  # another code was accepted at the same time
            self._failed_attempts.forgive(attempt, self._now())
            raise

    def _count(self, username: str, source_address: str) -> tuple[Attempt, int]:
        """Count an attempt, and return it with its time."""
        if any(is_invisible(character) for character in username):
            raise InvalidRequest("username: contains control characters or invisible characters")
        now = self._now()
        return self._failed_attempts.count(self._failed_attempts.read(username, now), source_address, now), now

    def _request_tokens(
        self, attempt: Attempt, username: str, password: str, code: str | None = None, session_uuid: str | None = None
    ) -> Tokens:
        """Call the site, and note the end of the attempt if it does not succeed; raises as `Site.password`.

        It is for the caller to note the end after `OtpRequired`.
        """
        try:
            return self._site.password(username, password, code, session_uuid)
        except OtpRequired:
            raise
        except LoginError as error:
            if isinstance(error, InvalidCredentials):
                _report_unknown_code(error)
            if error.is_forgivable:
                self._failed_attempts.forgive(attempt, self._now())
            else:
                self._failed_attempts.failed(attempt, self._now())
            raise

    def _start_session(
        self,
        attempt: Attempt,
        username: str,
        tokens: Tokens,
        now: int,
        use_up_challenge: Callable[[], None] = lambda: None,
    ) -> SignedIn:
        """Start the session, after the site has accepted the attempt. `now` is when the site was called.

        Raises what `use_up_challenge` raises, before a session is written.
        """
        _, new, user = together(
            use_up_challenge,
            lambda: self._sessions.prepare(tokens, now),
            lambda: signed_in_user.read(self._site, tokens.access_token, username),
        )
        # If the second call fails, the session is never handed out. No page has its handle, and it ends at its idle
        # limit.
        signed_in, _ = together(
            lambda: self._sessions.start(new, user, now, user_hash=self._hashes.user(user.login)),
            lambda: self._failed_attempts.succeeded(attempt, user, self._now()),
        )
        return signed_in

    def _now(self) -> int:
        return int(self._seconds())


def _report_unknown_code(error: InvalidCredentials) -> None:
    """Log a rejection with an error code that no site was seen to send: the site's contract may have changed."""
    if error.site_code != CANNOT_AUTHENTICATE:
        log.logger.warning("unknown_site_code", extra={"site_code": error.site_code})
        log.count("unknown_site_code")


def _normalized(code: str) -> str:
    """Return a typed code as the site expects it.

    Backup codes are printed, and therefore typed, in groups. Input methods type full-width digits. A copied code can
    contain invisible characters.
    """
    plain = unicodedata.normalize("NFKC", code)
    return "".join(each for each in plain if not each.isspace() and not is_invisible(each))
