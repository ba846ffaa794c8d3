"""One user's sign-in at a site.

Facts about sites are from `docs/site-contract.md`. Error texts of the site are never shown, because they repeat what
the user typed.
"""

from __future__ import annotations

from collections.abc import Callable

from shotgrid_login.errors import InvalidCredentials, OtpRequired, PasswordSignInDisabled, SiteError, SiteUnavailable
from shotgrid_login.site import Site
from shotgrid_login_ops.check.findings import Finding, ok, problem, unknown
from shotgrid_login_ops.check.terminal import Credentials

NO_CODE = "signs in without a code"
CODE_REQUIRED = "requires a code"


def not_checked() -> Finding:
    """Return the finding without a user."""
    return unknown(
        "site.user",
        None,
        "Not checked: only a sign-in shows whether the site requires a code.",
        "To check a user, add --user and run the command on a terminal.",
    )


def not_checked_on_sso() -> Finding:
    """Return the finding for a site that accepts no passwords, so that there is no prompt for one."""
    return unknown("site.user", None, "Not checked: the site accepts no passwords, see site.sign-in.")


def sign_in(
    site_url: str, credentials: Credentials, read_code: Callable[[], str], *, keep_code_for_gateway: bool
) -> Finding:
    """Sign in with a password, and with a code if the site requires one.

    A code works only once. `keep_code_for_gateway` stops before the code, so that the gateway's check can use it.
    """
    if not credentials.is_complete:
        return unknown(
            "site.user", None, "Not checked: no user name or no password was typed.", "Run the check again with --user."
        )
    site = Site(site_url)
    try:
        site.password(credentials.username, credentials.password)
    except OtpRequired:
        if keep_code_for_gateway:
            return ok(
                "site.user",
                CODE_REQUIRED,
                "Two-factor authentication is on for this user. The code is used for the sign-in through the gateway, "
                "below.",
            )
        return _check_code(site, credentials, read_code)
    except (InvalidCredentials, PasswordSignInDisabled, SiteError, SiteUnavailable) as error:
        return _failed_sign_in(error)
    return ok(
        "site.user",
        NO_CODE,
        "Two-factor authentication is off for this user. When it is switched on, pages that post to the site's token "
        "endpoint themselves break. Pages of this gateway prompt for the code. Scripts with script keys are not "
        "affected.",
    )


def _check_code(site: Site, credentials: Credentials, read_code: Callable[[], str]) -> Finding:
    code = read_code()
    if not code:
        return unknown(
            "site.user",
            CODE_REQUIRED,
            "Two-factor authentication is on for this user. No code was typed, so the sign-in was not finished.",
            "To check the whole sign-in, run the check again and type a code.",
        )
    try:
        site.password(credentials.username, credentials.password, code)
    except (OtpRequired, InvalidCredentials):
        return problem(
            "site.user",
            "code rejected",
            "The site requires a code. It rejected this code, or it rejected the user name and password: some sites "
            "do not report which of them is wrong.",
            "A code works once: wait for the next code of the app, then run the check again.",
        )
    except (PasswordSignInDisabled, SiteError, SiteUnavailable) as error:
        return _failed_sign_in(error)
    return ok(
        "site.user",
        CODE_REQUIRED,
        "Two-factor authentication is on for this user, and the code works. Pages that post to the site's token "
        "endpoint without a code are broken. Pages of this gateway prompt for the code. Scripts with script keys are "
        "not affected.",
    )


def _failed_sign_in(error: InvalidCredentials | PasswordSignInDisabled | SiteError | SiteUnavailable) -> Finding:
    match error:
        case InvalidCredentials():
            return problem(
                "site.user",
                "rejected",
                "The site rejects this user name and password.",
                "Sign in with them on the site itself. If that works, run the check again.",
            )
        case PasswordSignInDisabled():
            return problem(
                "site.user",
                "no passwords",
                "The site does not accept a password from this user, so this gateway cannot sign them in.",
                "See site.sign-in.",
            )
        case SiteUnavailable(reason=reason):
            return problem(
                "site.user",
                "no response",
                f"The site did not respond to the sign-in ({reason}). It is unknown whether the site received it.",
                "Run the check again in a few minutes.",
            )
        case SiteError(reason=reason):
            return problem(
                "site.user",
                "unexpected response",
                f"The site's response to the sign-in is unexpected ({reason}). The gateway would return site_error.",
                "Look for a proxy or an IP allow list in between, and run the check again.",
            )
