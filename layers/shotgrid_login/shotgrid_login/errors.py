"""The error responses of the HTTP contract: one exception class for each outcome.

A class has what is the same each time (`status`, `code`, `title`). An instance has what differs (`detail`,
`attempts_left`, `retry_after`). `http` writes them as RFC 9457 problem details. Messages never contain user input or
text from the site.
"""

from __future__ import annotations


class LoginError(Exception):
    """A request that gets a documented error response.

    Attributes:
        outcome: the name in logs, if it is more specific than `code`.
        is_forgivable: whether an attempt to sign in that ends this way was certainly not a guess, so that it does not
            count as a failed attempt.
    """

    status = 500
    code = "internal_error"
    title = "Unexpected error"
    outcome = ""
    is_forgivable = False

    def __init__(self, detail: str, *, attempts_left: int | None = None, retry_after: int | None = None) -> None:
        """Take the text for the user. `retry_after` is in seconds."""
        super().__init__(detail)
        self.detail = detail
        self.attempts_left = attempts_left
        self.retry_after = retry_after


class InternalError(LoginError):
    """The service itself failed; the log has the reason."""

    def __init__(self) -> None:
        super().__init__("The sign-in service failed. Its log has the reason under this request's id.")


class InvalidRequest(LoginError):
    """The request does not follow the contract; `detail` names the field."""

    status = 400
    code = "invalid_request"
    title = "Invalid request"


class InvalidCredentials(LoginError):
    """The site rejected user name and password.

    `site_code` is the site's error code: 102, or another one if the site's contract has changed. 0 is no number.
    """

    status = 401
    code = "invalid_credentials"
    title = "Sign-in rejected"

    def __init__(self, site_code: int = 102) -> None:
        super().__init__("The site did not accept this user name and password.")
        self.site_code = site_code


class OtpRequired(LoginError):
    """The site requires a code (its error code 106). It is unknown whether it has checked the password first."""

    status = 400
    code = "otp_required"
    title = "Missing argument for 2FA login"

    def __init__(self) -> None:
        super().__init__("This account also needs a two-factor code: send it as auth_token.")


class InvalidOtp(LoginError):
    """The site rejected the code, or user name and password with it: the site may not distinguish them."""

    status = 401
    code = "invalid_otp"
    title = "Code rejected"

    def __init__(self, attempts_left: int) -> None:
        super().__init__(
            "The site did not accept this code, or the user name and password with it. A code works once: wait for"
            " the next one.",
            attempts_left=attempts_left,
        )


class SessionEnded(LoginError):
    """The session was signed out, expired, was revoked, never existed, or was ended by the site."""

    status = 401
    code = "session_ended"
    title = "Session ended"

    def __init__(self) -> None:
        super().__init__("This session has ended. Sign in again.")


class HandleReplayed(SessionEnded):
    """A handle was used that another one has replaced, so a copy exists. The session was ended."""

    outcome = "handle_replayed"


class SessionUnreadable(SessionEnded):
    """The sealed tokens of a session cannot be opened: its row was changed, or its key is gone."""

    outcome = "session_unreadable"


class OriginNotAllowed(LoginError):
    """A page whose origin is not in `AllowedOrigins`, or a cookie without an origin."""

    status = 403
    code = "origin_not_allowed"
    title = "Origin not allowed"


class PasswordSignInDisabled(LoginError):
    """The site does not accept passwords: it uses SAML SSO (`site_code` 108) or Autodesk Identity (110)."""

    status = 403
    code = "password_sign_in_disabled"
    title = "No sign-in by password"
    is_forgivable = True

    def __init__(self, site_code: int) -> None:
        super().__init__("This site does not accept passwords: it uses single sign-on or Autodesk Identity.")
        self.site_code = site_code


class BrowserSignInDisabled(LoginError):
    """The site, this deployment or the caller's network does not allow browser sign-in; `detail` has which."""

    status = 403
    code = "browser_sign_in_disabled"
    title = "No browser sign-in"


class NotFound(LoginError):
    """There is no such file, or the deployment does not serve it. API Gateway sends the same for unknown routes."""

    status = 404
    code = "not_found"
    title = "No such route"

    def __init__(self) -> None:
        super().__init__("There is no such route, or it does not support this method.")


class ChallengeEnded(LoginError):
    """The challenge has expired, was used, or has no attempts left."""

    status = 410
    code = "challenge_ended"
    title = "Start again"

    def __init__(
        self,
        detail: str = "This challenge has expired, was used, or has no attempts left. Start again with the password.",
    ) -> None:
        super().__init__(detail)


class ApprovalEnded(ChallengeEnded):
    """The user declined the approval request, it expired or was used, or the site does not know it.

    The site does not distinguish them.
    """

    def __init__(self) -> None:
        super().__init__("The request was declined or its time ran out. Start again.")


class ApprovalLost(ApprovalEnded):
    """An approval request ended after a poll without a usable response: that response may have had the result."""

    outcome = "approval_lost"


class PayloadTooLarge(LoginError):
    """The body is larger than the limit."""

    status = 413
    code = "payload_too_large"
    title = "Body too large"


class UnsupportedMediaType(LoginError):
    """The content type of the body is not the one that the route accepts."""

    status = 415
    code = "unsupported_media_type"
    title = "Unsupported media type"


class TooManyAttempts(LoginError):
    """Too many attempts of this user, or from this network. `retry_after` is in seconds, at least 1."""

    status = 429
    code = "too_many_attempts"
    title = "Too many attempts"

    def __init__(self, retry_after: int) -> None:
        super().__init__("Too many attempts to sign in. Wait before the next one.", retry_after=max(1, retry_after))


class SiteError(LoginError):
    """The site returned a response that is not in its contract.

    `reason` is for the log. It is one of our own phrases and never text from the site.
    """

    status = 502
    code = "site_error"
    title = "Unexpected response from the site"
    text = "The ShotGrid site returned an unexpected response."

    def __init__(self, reason: str, *, is_forgivable: bool = False) -> None:
        super().__init__(self.text)
        self.reason = reason
        self.is_forgivable = is_forgivable


class SiteRejectsGateway(SiteError):
    """The site returned a 403 page, as sites with an IP allow list do for addresses that are not in the list."""

    text = (
        "The ShotGrid site does not accept requests from this sign-in service: its IP allow list may not have the"
        " service's address. An administrator has to add it."
    )


class SiteMoved(SiteError):
    """The site redirects permanently to another host: it was renamed or migrated."""

    text = "The ShotGrid site has moved. An administrator has to set its new address in this sign-in service."


class SiteUnavailable(LoginError):
    """No connection, a timeout, an overloaded site or a 5xx status. Nothing was changed.

    `reason` is for the log. It is one of our own phrases and never text from the site. `retry_after` is in seconds.
    """

    status = 503
    code = "site_unavailable"
    title = "Site unavailable"
    is_forgivable = True

    def __init__(self, reason: str, retry_after: int = 5) -> None:
        super().__init__("The ShotGrid site cannot be reached or did not respond in time.", retry_after=retry_after)
        self.reason = reason
