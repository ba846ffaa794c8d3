"""One user's sign-in at a site.

Facts about sites are from `docs/site-contract.md`. Error texts of the site are never shown, because they repeat what
the user typed.
"""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Callable

from shotgrid_login import claims
from shotgrid_login.app_session_launcher import LONGEST_LABEL, Approved, AppSessionLauncher
from shotgrid_login.errors import (
    ApprovalEnded,
    BrowserSignInDisabled,
    InvalidCredentials,
    OtpRequired,
    PasswordSignInDisabled,
    SiteError,
    SiteUnavailable,
)
from shotgrid_login.site import SessionTokenRejected, Site, Tokens
from shotgrid_login_ops.check.approval import Pending, wait
from shotgrid_login_ops.check.findings import Finding, ok, printable, problem, unknown
from shotgrid_login_ops.check.site_sign_in import ENABLE_LAUNCHER
from shotgrid_login_ops.check.terminal import Credentials, Terminal

NO_CODE = "signs in without a code"
CODE_REQUIRED = "requires a code"
IN_BROWSER = "signs in with the browser"

# The name in the approval request of the check itself.
APP_NAME = "shotgrid-login check"

# As the vendor's own client polls (tk-core). Seconds.
POLL_SECONDS = 2

# A site ends a request after 305 s (probed). Seconds.
APPROVAL_SECONDS = 300


def not_checked() -> Finding:
    """Return the finding without a user."""
    return unknown(
        "site.user",
        None,
        "Not checked: only a sign-in shows whether a user can sign in, and whether the site requires a code.",
        "To check a user, add --user and run the command on a terminal.",
    )


def not_possible() -> Finding:
    """Return the finding for a site that accepts no passwords and has no launcher, so that there is no prompt."""
    return unknown("site.user", None, "Not checked: pages cannot sign users in to this site, see site.sign-in.")


def sign_in(
    site_url: str,
    credentials: Credentials,
    read_code: Callable[[], str],
    *,
    keep_code_for_gateway: bool,
    is_legacy: bool = False,
) -> Finding:
    """Sign in with a password, and with a code if the site requires one.

    A code works only once. `keep_code_for_gateway` stops before the code, so that the gateway's check can use it.
    `is_legacy` is for a site that accepts passwords of legacy logins only.
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
        return _failed_sign_in(error, is_legacy=is_legacy)
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


def _failed_sign_in(
    error: InvalidCredentials | PasswordSignInDisabled | SiteError | SiteUnavailable, *, is_legacy: bool = False
) -> Finding:
    match error:
        case InvalidCredentials() if is_legacy:
            return problem(
                "site.user",
                "rejected",
                "The site rejects this user name and password: there is no legacy login with this passphrase. Autodesk "
                "passwords do not work here.",
                "If site.browser is on, run the check again, and press Enter without a user name. For a legacy login, "
                "set up passphrase and personal access token in the site's Account Settings.",
            )
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
                "The site does not accept a password from this user. Pages can sign them in only in the browser.",
                "See site.sign-in. If site.browser is on, run the check again, and press Enter without a user name.",
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


def sign_in_with_browser(site_url: str, terminal: Terminal) -> Finding:
    """Sign in with the browser, as the gateway does: request an approval, poll, and exchange the session token.

    The site offers no way to end the session. It ends by itself.
    """
    site = Site(site_url)
    launcher = AppSessionLauncher(site.connection)

    def poll() -> Approved | Pending:
        try:
            approved = launcher.poll(request.request_id)
        except SiteUnavailable as error:
            return Pending(max(POLL_SECONDS, error.retry_after or 0), "The site does not respond.")
        return approved or Pending(POLL_SECONDS)

    try:
        request = launcher.request(APP_NAME, _machine())
        terminal.show_approval(f"Sign in to {site_url} in the browser.", APP_NAME, request.url)
        approved = wait(terminal, APPROVAL_SECONDS, POLL_SECONDS, poll)
        if isinstance(approved, Pending):
            return _not_approved(approved)
        tokens = site.session_token(approved.session_token)
        return _signed_in_with_browser(site, tokens, terminal)
    except BrowserSignInDisabled:
        return problem(
            "site.user",
            "browser sign-in disabled",
            "The site reports that its App Session Launcher is on, but it rejects the request for an approval.",
            ENABLE_LAUNCHER,
        )
    except ApprovalEnded:
        return problem(
            "site.user",
            "not approved",
            "The request was declined, or the site has ended it. The site does not report which.",
            "Run the check again, and approve the request. If it ends again although you approved it, contact Autodesk "
            "support.",
        )
    except SessionTokenRejected:
        return problem(
            "site.user",
            "session rejected",
            "The user approved the request, but the site does not accept the session that it returned. The user's "
            "license may have ended.",
            "Compare with another user. If the result is the same, contact Autodesk support.",
        )
    except (SiteError, SiteUnavailable) as error:
        return _failed_sign_in(error)


def _signed_in_with_browser(site: Site, tokens: Tokens, terminal: Terminal) -> Finding:
    """Read the signed-in user's record, as the gateway does; raises `SiteError`."""
    identity = claims.user(tokens.access_token)
    if identity is None:
        raise SiteError("access token names no user")
    name = "a user whose record the site does not return"
    with contextlib.suppress(SiteError, SiteUnavailable):  # the gateway does not need the record either
        user = site.user(*identity, tokens.access_token)
        name = printable(f"{user.name} ({user.login})")
    terminal.show(f"Signed in to the site as {name}.")
    return ok(
        "site.user",
        IN_BROWSER,
        "The browser sign-in works for this user. The site handles the second factor on its own pages, so this "
        "way stays the same when two-factor authentication is switched on. The session of this check ends by itself.",
    )


def _not_approved(pending: Pending) -> Finding:
    if pending.trouble:
        return problem(
            "site.user",
            "no response",
            f"The site stopped responding while the check waited for the approval, within {APPROVAL_SECONDS} s.",
            "Run the check again in a few minutes.",
        )
    return unknown(
        "site.user",
        None,
        f"Not checked: the request was not approved within {APPROVAL_SECONDS} s.",
        "Run the check again, and approve the request in the browser.",
    )


def _machine() -> str:
    """Return the name of this machine for the approval page: printable ASCII."""
    name = "".join(character for character in platform.node() if character.isascii() and character.isprintable())
    return name[:LONGEST_LABEL] or "unknown"
