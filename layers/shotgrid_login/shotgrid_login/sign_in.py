"""Sign-in: the password step and the code step, for sites with and without two-factor authentication."""

from __future__ import annotations

import time
from collections.abc import Callable

from shotgrid_login import log, signed_in_user
from shotgrid_login.challenges import Challenge, Challenges, OpenedChallenge
from shotgrid_login.errors import (
    InvalidCredentials,
    InvalidOtp,
    LoginError,
    OtpRequired,
    TooManyAttempts,
)
from shotgrid_login.failed_attempts import FailedAttempts
from shotgrid_login.hashes import Hashes
from shotgrid_login.sessions import Sessions, SignedIn
from shotgrid_login.site import CANNOT_AUTHENTICATE, Site, Tokens


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

    def with_password(self, username: str, password: str, source_address: str) -> SignedIn | Challenge:
        """Return the new session, or a challenge if the site requires a code.

        A challenge does not mean that the password was right: the site may check it only together with the code.

        Raises:
            InvalidCredentials, PasswordSignInDisabled, TooManyAttempts, SiteError, SiteUnavailable.
        """
        try:
            return self._sign_in(username, password, None, source_address)
        except OtpRequired:
            return self._challenges.issue(username, password, self._now())

    def in_one_step(
        self, username: str, password: str, code: str | None, source_address: str, session_uuid: str | None = None
    ) -> SignedIn:
        """Return the new session of a caller that sends password and code together, as with the site's own endpoint.

        `session_uuid` is for the site: the window of the site that opened the page.

        Raises:
            OtpRequired: the site requires a code, or rejected this one.
            InvalidCredentials: the site rejected user name and password, or perhaps only the code.
            PasswordSignInDisabled, TooManyAttempts, SiteError, SiteUnavailable.
        """
        return self._sign_in(username, password, code and _without_space(code), source_address, session_uuid)

    def open_challenge(self, challenge: str) -> OpenedChallenge:
        """Open the text of a challenge for `with_code`; raises `InvalidRequest`, `ChallengeEnded`."""
        return self._challenges.open(challenge, self._now())

    def with_code(self, challenge: OpenedChallenge, code: str, source_address: str) -> SignedIn:
        """Return the new session. White space in the code is ignored.

        Raises:
            InvalidOtp: the site rejected the code, or user name and password with it.
            ChallengeEnded, PasswordSignInDisabled, TooManyAttempts, SiteError, SiteUnavailable.
        """
        now = self._now()
        attempts_left = self._challenges.take_attempt(challenge, now)
        try:
            attempt = self._failed_attempts.count(challenge.username, source_address, now)
        except TooManyAttempts:
            self._challenges.give_attempt_back(challenge)
            raise
        try:
            tokens = self._site.password(challenge.username, challenge.password, _without_space(code))
        except OtpRequired:
            raise InvalidOtp(attempts_left) from None
        except InvalidCredentials as error:
            _report_unknown_code(error)
            raise InvalidOtp(attempts_left) from None
        except LoginError as error:
            if error.is_forgivable:
                self._challenges.give_attempt_back(challenge)
                self._failed_attempts.forgive(attempt)
            raise
        self._failed_attempts.succeeded(attempt)
        self._challenges.use_up(challenge)
        return self._start_session(challenge.username, tokens, now)

    def _sign_in(
        self, username: str, password: str, code: str | None, source_address: str, session_uuid: str | None = None
    ) -> SignedIn:
        now = self._now()
        attempt = self._failed_attempts.count(username, source_address, now)
        try:
            tokens = self._site.password(username, password, code, session_uuid)
        except OtpRequired:
            if code is None:  # not a guess: the site has judged no code, and may not have looked at the password
                self._failed_attempts.forgive(attempt)
            raise
        except LoginError as error:
            if isinstance(error, InvalidCredentials):
                _report_unknown_code(error)
            if error.is_forgivable:
                self._failed_attempts.forgive(attempt)
            raise
        self._failed_attempts.succeeded(attempt)
        return self._start_session(username, tokens, now)

    def _start_session(self, username: str, tokens: Tokens, now: int) -> SignedIn:
        user = signed_in_user.read(self._site, tokens.access_token, username)
        return self._sessions.start(user, tokens, now, user_hash=self._hashes.user(user.login))

    def _now(self) -> int:
        return int(self._seconds())


def _report_unknown_code(error: InvalidCredentials) -> None:
    """Log a rejection with an error code that no site was seen to send: the site's contract may have changed."""
    if error.site_code != CANNOT_AUTHENTICATE:
        log.logger.warning("unknown_site_code", extra={"site_code": error.site_code})
        log.count("unknown_site_code")


def _without_space(code: str) -> str:
    # Backup codes are printed, and therefore typed, in groups.
    return "".join(code.split())
