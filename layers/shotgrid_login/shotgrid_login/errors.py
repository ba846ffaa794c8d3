"""Every refusal of the HTTP contract: one exception an outcome.

A class carries what does not change (`status`, `code`, `title`, and the `outcome` that the log and the metrics
name where it says more than `code`), an instance what does (`detail`, and where they apply `attempts_left` and
`retry_after`). `http` writes them as RFC 9457 problem details. None of it is a value that a person typed, or a
word of the site's.
"""

from __future__ import annotations


class LoginError(Exception):
    """A request that gets a documented refusal."""

    status = 500
    code = "internal_error"
    title = "Unexpected error"
    outcome = ""

    def __init__(self, detail: str, *, attempts_left: int | None = None, retry_after: int | None = None) -> None:
        """Say it for people in `detail`. `retry_after` is in seconds."""
        super().__init__(detail)
        self.detail = detail
        self.attempts_left = attempts_left
        self.retry_after = retry_after


class InternalError(LoginError):
    """The service itself failed; its log says how."""

    def __init__(self) -> None:
        super().__init__("The sign-in service failed. The log has this request's id.")


class InvalidRequest(LoginError):
    """The request is not one of the contract's; `detail` names the field."""

    status = 400
    code = "invalid_request"
    title = "Invalid request"


class InvalidCredentials(LoginError):
    """The site refused user and password."""

    status = 401
    code = "invalid_credentials"
    title = "Sign-in refused"

    def __init__(self) -> None:
        super().__init__("The site did not accept this user name and password.")


class OtpWanted(LoginError):
    """The site wants a code with the password, or another one."""

    status = 400
    code = "otp_required"
    title = "Missing argument for 2FA login"

    def __init__(self) -> None:
        super().__init__("This account signs in with a code as well: send it as auth_token.")


class InvalidOtp(LoginError):
    """The site refused the code, or user and password with it: it may not tell them apart."""

    status = 401
    code = "invalid_otp"
    title = "Code refused"

    def __init__(self, attempts_left: int) -> None:
        super().__init__(
            "The site did not accept this code, or the user name and password with it. A code works once: wait for"
            " the next one.",
            attempts_left=attempts_left,
        )


class SessionEnded(LoginError):
    """Signed out, expired, revoked, never issued, or ended by the site."""

    status = 401
    code = "session_ended"
    title = "Session ended"

    def __init__(self) -> None:
        super().__init__("There is no such session any more. Sign in again.")


class HandleReplayed(SessionEnded):
    """A handle that was retired long ago came back: somebody has a copy. The session was ended."""

    outcome = "handle_replayed"


class SessionUnreadable(SessionEnded):
    """A session's secrets do not open: its row was tampered with, or its key is gone."""

    outcome = "session_unreadable"


class OriginNotAllowed(LoginError):
    """A browser page that the deployment does not name, or a cookie that no page sent."""

    status = 403
    code = "origin_not_allowed"
    title = "Origin not allowed"


class PasswordSignInDisabled(LoginError):
    """The site signs people in elsewhere: SAML SSO (108) or Autodesk Identity (110), by the site's own codes."""

    status = 403
    code = "password_sign_in_disabled"
    title = "No sign-in by password"

    def __init__(self, site_code: int) -> None:
        super().__init__("This site does not sign people in by password: it uses single sign-on or Autodesk Identity.")
        self.site_code = site_code


class NotFound(LoginError):
    """No file by this name, or the deployment does not serve it. API Gateway says the same of other routes."""

    status = 404
    code = "not_found"
    title = "No such route"

    def __init__(self) -> None:
        super().__init__("There is no such route, or not with this method.")


class ChallengeEnded(LoginError):
    """Expired, used, or out of attempts."""

    status = 410
    code = "challenge_ended"
    title = "Start again"

    def __init__(self) -> None:
        super().__init__(
            "This challenge has expired, was used, or has no attempts left. Start again with the password."
        )


class PayloadTooLarge(LoginError):
    """A body over the limit."""

    status = 413
    code = "payload_too_large"
    title = "Body too large"


class UnsupportedMediaType(LoginError):
    """A body that does not say it is JSON."""

    status = 415
    code = "unsupported_media_type"
    title = "Not JSON"


class TooManyAttempts(LoginError):
    """Too many failed attempts for this user or from this address."""

    status = 429
    code = "too_many_attempts"
    title = "Too many attempts"

    def __init__(self, retry_after: int) -> None:
        super().__init__("Too many failed attempts. Wait before the next one.", retry_after=max(1, retry_after))


class SiteError(LoginError):
    """The site answered something that is none of the known outcomes.

    `reason` is for the log: one of our own phrases, never the site's words.
    """

    status = 502
    code = "site_error"
    title = "Unexpected answer from the site"

    def __init__(self, reason: str) -> None:
        super().__init__("The ShotGrid site gave an answer that this service does not know.")
        self.reason = reason


class SiteUnavailable(LoginError):
    """No connection, timed out, overloaded, 5xx: nothing is known, so nothing was changed.

    `reason` is for the log: one of our own phrases, never the site's words.
    """

    status = 503
    code = "site_unavailable"
    title = "Site unavailable"

    def __init__(self, reason: str, retry_after: int = 5) -> None:
        super().__init__("The ShotGrid site cannot be reached or did not answer in time.", retry_after=retry_after)
        self.reason = reason
