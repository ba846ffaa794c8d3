"""What a site says about itself, and whether scripts and people can sign in there.

Facts are from `site-contract.md`. What a site answers to a sign-in is not shown: its errors repeat what was typed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from shotgrid_login.errors import InvalidCredentials, PasswordSignInDisabled, SiteError, SiteUnavailable
from shotgrid_login.site import OtpRequired, Site
from shotgrid_login_ops.check.connection import Answer, Connection, NoAnswer
from shotgrid_login_ops.check.findings import Finding, ok, problem, shown, unknown
from shotgrid_login_ops.check.person import Credentials, Person

# `user_authentication_method`: which need the person's password, and what the others are called.
PASSWORD_METHODS = {"default": "the site's own user names and passwords", "ldap": "user names and passwords of LDAP"}
SSO_METHODS = ("saml", "saml2")
AUTODESK_IDENTITY = "oxygen"

NO_CODE = "signs in without a code"
WANTS_CODE = "asks for a code"

# What no site was seen without (recorded, probed).
_SAID_BY_SITES = {"shotgun_version", "user_authentication_method"}

_COMPARE_ADDRESS = "Compare the address with the one in the browser: it is that of the site, nothing after the host."


def about(connection: Connection) -> tuple[list[Finding], str | None]:
    """Ask a site about itself; return the lines and how people sign in, None where it is no site that answers."""
    try:
        answer = connection.ask("GET", "/api/v1")
    except NoAnswer as none:
        return [none.finding("site")], None
    tls = connection.tls("site")
    data = answer.fields.get("data")
    if answer.status != 200 or not isinstance(data, dict) or not data.keys() & _SAID_BY_SITES:
        return [_not_a_site(answer), tls], None
    method = data.get("user_authentication_method")
    reachable = ok("site.reachable", "answers", "The site's REST API is there.")
    return [reachable, tls, _version(data), _sign_in(method)], method if isinstance(method, str) else ""


def script(connection: Connection, name: str, key: str) -> Finding:
    """Sign in with a script key, as on-prem scripts and webhooks do."""
    form = {"grant_type": "client_credentials", "client_id": name, "client_secret": key}
    try:
        answer = connection.ask("POST", "/api/v1/auth/access_token", body=form)
    except NoAnswer as none:
        return problem("site.script", none.value, f"While the script key was tried: {none.meaning}", none.next_step)
    if answer.status == 200 and answer.fields.get("access_token"):
        return ok(
            "site.script",
            "works",
            "The script key signs in. Two-factor authentication is for people and does not touch script keys.",
        )
    if answer.status in (400, 401) and "errors" in answer.fields:
        return problem(
            "site.script",
            "refused",
            "The site does not accept this script name and key. Two-factor authentication does not do that: the key is "
            "wrong, was changed, or the script was retired.",
            "Compare both with the script's page on the site, and run the check again.",
        )
    return problem(
        "site.script",
        f"status {answer.status}",
        "The site answers the script key with something that is neither yes nor no.",
        "Run the check again in a few minutes. If it stays so, run one of your scripts and compare.",
    )


def script_not_given() -> Finding:
    """Say how a script key is given."""
    return unknown(
        "site.script",
        None,
        "Not tried: no script key was given.",
        "To try one, put SHOTGRID_SCRIPT_NAME and SHOTGRID_SCRIPT_KEY into the environment.",
    )


def user_not_asked() -> Finding:
    """Say how a person's sign-in is tried."""
    return unknown(
        "site.user",
        None,
        "Not tried: whether a person's sign-in asks for a code shows only when somebody signs in.",
        "To try it, add --user, on a terminal.",
    )


def user_not_on_sso() -> Finding:
    """Say why nobody is asked for a password."""
    return unknown("site.user", None, "Not tried, and nobody was asked: the site takes no passwords, see site.sign-in.")


def user(site_url: str, credentials: Credentials, person: Person, *, code_is_for_gateway: bool) -> Finding:
    """Sign in with a password, and with a code where one is wanted, unless a sign-in by the gateway will need it."""
    if not credentials.complete:
        return unknown("site.user", None, "Not tried: nothing was typed.", "Run the check again with --user.")
    site = Site(site_url)
    try:
        site.password(credentials.username, credentials.password)
    except OtpRequired:
        if code_is_for_gateway:
            return ok(
                "site.user",
                WANTS_CODE,
                "Two-factor authentication is on for this person. The code is tried by the gateway, below.",
            )
        return _with_code(site, credentials, person)
    except (InvalidCredentials, PasswordSignInDisabled, SiteError, SiteUnavailable) as refused:
        return _refused(refused)
    return ok(
        "site.user",
        NO_CODE,
        "Two-factor authentication is off for this person. When it is switched on: pages that post to the token "
        "endpoint themselves break; pages of this gateway ask for the code; scripts are not affected.",
    )


def _with_code(site: Site, credentials: Credentials, person: Person) -> Finding:
    code = person.code()
    if not code:
        return unknown(
            "site.user",
            WANTS_CODE,
            "Two-factor authentication is on for this person. No code was typed, so the rest was not tried.",
            "Run the check again and type a code, to see the whole way work.",
        )
    try:
        site.password(credentials.username, credentials.password, code)
    except (OtpRequired, InvalidCredentials):
        return problem(
            "site.user",
            "code refused",
            "The site asks for a code, and did not accept this one, or the user name and password with it: it may not "
            "tell them apart.",
            "A code works once: wait for the app's next one, then run the check again.",
        )
    except (PasswordSignInDisabled, SiteError, SiteUnavailable) as refused:
        return _refused(refused)
    return ok(
        "site.user",
        WANTS_CODE,
        "Two-factor authentication is on for this person, and the code works. Pages that post to the token endpoint "
        "themselves and send no code are broken; pages of this gateway ask for it; scripts are not affected.",
    )


def _refused(error: Exception) -> Finding:
    match error:
        case InvalidCredentials():
            return problem(
                "site.user",
                "refused",
                "The site does not accept this user name and password.",
                "Check that they sign in on the site itself, then run the check again.",
            )
        case PasswordSignInDisabled():
            return problem(
                "site.user",
                "no passwords",
                "The site does not sign this person in by password, so this gateway cannot either.",
                "See what site.sign-in says.",
            )
        case SiteUnavailable(reason=reason):
            return problem(
                "site.user",
                "no answer",
                f"The site did not answer the sign-in ({reason}). Whether it took it is unknown.",
                "Run the check again in a few minutes.",
            )
        case SiteError(reason=reason):
            return problem(
                "site.user",
                "unexpected answer",
                f"The site answers the sign-in with something unknown ({reason}); the gateway would say site_error.",
                "Look for a proxy or an IP allow list in between, and run the check again.",
            )
    raise error


def _version(data: Mapping[str, Any]) -> Finding:
    version = data.get("shotgun_version")
    if not isinstance(version, str) or not version:
        return unknown("site.version", None, "The site does not say its version.")
    return ok("site.version", shown(version), "As the site says.")


def _sign_in(method: object) -> Finding:
    if not isinstance(method, str):
        return unknown(
            "site.sign-in",
            None,
            "The site does not say how people sign in.",
            "Run the check with --user: if a password signs in, this gateway can do it too.",
        )
    if method in PASSWORD_METHODS:
        return ok(
            "site.sign-in",
            method,
            f"People sign in with {PASSWORD_METHODS[method]}: this gateway can sign them in, and asks for the code "
            "where two-factor authentication is on.",
        )
    if method in SSO_METHODS:
        return problem(
            "site.sign-in",
            method,
            "People sign in by single sign-on (SAML): the site takes no passwords, so this gateway cannot sign them "
            "in. Scripts with script keys are not affected.",
            "Do not move pages to this gateway. If the site leaves single sign-on some day, run the check again then.",
        )
    if method == AUTODESK_IDENTITY:
        return problem(
            "site.sign-in",
            method,
            "People sign in with their Autodesk account: the site takes no passwords, so this gateway cannot sign them "
            "in, except people with a legacy login and a personal access token bound to it. Scripts with script keys "
            "are not affected.",
            "Do not move pages to this gateway, unless --user shows that the people who use them can sign in.",
        )
    return unknown(
        "site.sign-in",
        shown(method),
        "This is a way to sign in that the check does not know.",
        "Run the check with --user: if a password signs in, this gateway can do it too.",
    )


def _not_a_site(answer: Answer) -> Finding:
    def finding(value: str, meaning: str, next_step: str) -> Finding:
        return problem("site.reachable", value, meaning, next_step)

    status = f"status {answer.status}"
    if answer.status == 429 or answer.status >= 500:
        return finding(
            status,
            "The host answers, but the site is down, under maintenance or overloaded.",
            "Run the check again in a few minutes. If it stays so, ask the site's administrators.",
        )
    if 300 <= answer.status < 400:
        to = _where(answer.headers.get("location", ""))
        return finding(
            status,
            f"The host sends its visitors elsewhere{f', to {to}' if to else ''}. The gateway does not follow: passwords"
            " go to the site it was given, or nowhere.",
            "Open the address in a browser and give the check, and the gateway, the one where you end up.",
        )
    if "html" in answer.media_type:
        return finding(
            "a web page",
            "The host answers with a web page instead of the REST API: it is not a ShotGrid site, or a proxy or a "
            "portal in between answers for it.",
            _COMPARE_ADDRESS,
        )
    if answer.status in (401, 403):
        return finding(
            status,
            "The host refuses to say what it is: a proxy or an IP allow list in between, or not a ShotGrid site.",
            f"{_COMPARE_ADDRESS} Then try from a network that the site allows.",
        )
    return finding(
        status if answer.status != 200 else "not a site",
        "The host answers, but not as a ShotGrid site's REST API does.",
        _COMPARE_ADDRESS,
    )


def _where(location: str) -> str:
    """Return the host of a redirect, as it may hold more than is good to show; empty where it names none."""
    try:
        return shown(urlsplit(location).hostname or "")
    except ValueError:
        return ""
