"""Sign-in: the password step and the code step, before and after the site asks for codes."""

from __future__ import annotations

import time
from collections.abc import Callable

from aws_lambda_powertools import Logger

from shotgrid_login import claims
from shotgrid_login.challenges import Challenges, OpenedChallenge
from shotgrid_login.errors import (
    InvalidCredentials,
    InvalidOtp,
    LoginError,
    OtpWanted,
    SiteError,
    SiteUnavailable,
    TooManyAttempts,
)
from shotgrid_login.failed_attempts import FailedAttempts
from shotgrid_login.sessions import Sessions, SignedIn, User
from shotgrid_login.site import OtpRequired, Site, Tokens, usable_text

logger = Logger(service="shotgrid-login", child=True)


class SignIn:
    """Signs people in to one site."""

    def __init__(
        self,
        site: Site,
        challenges: Challenges,
        sessions: Sessions,
        failed_attempts: FailedAttempts,
        seconds: Callable[[], float] = time.time,
    ) -> None:
        self._site = site
        self._challenges = challenges
        self._sessions = sessions
        self._failed_attempts = failed_attempts
        self._seconds = seconds

    def with_password(self, username: str, password: str, source_address: str) -> SignedIn | str:
        """Return the session, or the challenge when the site wants a code.

        A challenge does not say that the password was right: a site may want the code first.

        Raises:
            InvalidCredentials, PasswordSignInDisabled, TooManyAttempts, SiteError, SiteUnavailable.
        """
        try:
            return self._start(username, password, None, source_address)
        except OtpRequired:
            return self._challenges.issue(username, password, self._now())

    def at_once(self, username: str, password: str, code: str | None, source_address: str) -> SignedIn:
        """Return the session of one who asks for the code by themselves, as callers of the site's own endpoint do.

        Raises:
            OtpWanted: the site wants a code, or another one.
            InvalidCredentials: the site refused user and password, or perhaps only the code.
            PasswordSignInDisabled, TooManyAttempts, SiteError, SiteUnavailable.
        """
        try:
            return self._start(username, password, code and _without_space(code), source_address)
        except OtpRequired:
            raise OtpWanted from None

    def open_challenge(self, challenge: str) -> OpenedChallenge:
        """Open a challenge for `with_code`; raises `InvalidRequest`, `ChallengeEnded`."""
        return self._challenges.open(challenge, self._now())

    def with_code(self, challenge: OpenedChallenge, code: str, source_address: str) -> SignedIn:
        """Return the session. White space in the code does not count: backup codes are printed in groups.

        Raises:
            InvalidOtp: the site refused the code, or user and password with it.
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
        except (InvalidCredentials, OtpRequired):
            # Sites were not seen refusing a code yet: the vendor's clients expect 102 or 106.
            raise InvalidOtp(attempts_left) from None
        except LoginError:
            self._challenges.give_attempt_back(challenge)
            self._failed_attempts.forgive(attempt)
            raise
        self._failed_attempts.succeeded(attempt)
        self._challenges.use_up(challenge)
        return self._started(challenge.username, tokens, now)

    def _start(self, username: str, password: str, code: str | None, source_address: str) -> SignedIn:
        now = self._now()
        attempt = self._failed_attempts.count(username, source_address, now)
        try:
            tokens = self._site.password(username, password, code)
        except OtpRequired:
            if code is None:
                self._failed_attempts.forgive(attempt)
            raise
        except InvalidCredentials:
            raise
        except LoginError:
            self._failed_attempts.forgive(attempt)
            raise
        self._failed_attempts.succeeded(attempt)
        return self._started(username, tokens, now)

    def _started(self, username: str, tokens: Tokens, now: int) -> SignedIn:
        return self._sessions.start(self._user(username, tokens.access_token), tokens, now)

    def _user(self, username: str, access_token: str) -> User:
        """Ask the site who has signed in. A site that does not say keeps nobody out."""
        named = claims.user(access_token)
        if named is None:
            raise SiteError("access token names no user")
        try:
            person = self._site.person(*named, access_token)
        except (SiteError, SiteUnavailable) as error:
            logger.warning("person_unknown", extra={"reason": error.reason})
            return User(*named, usable_text(username))
        return User(*named, person.login, person.name, person.email, person.permission_group)

    def _now(self) -> int:
        return int(self._seconds())


def _without_space(code: str) -> str:
    # Backup codes are printed in groups, and typed so.
    return "".join(code.split())
