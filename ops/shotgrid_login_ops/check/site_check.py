"""Checks of a site: how users sign in there, and whether a script key works.

Facts about sites are from `docs/site-contract.md`. Error texts of the site are never shown, because they repeat what
the user typed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from shotgrid_login_ops.check.connection import Connection, NoResponse, Response
from shotgrid_login_ops.check.findings import Finding, ok, printable, problem, unknown
from shotgrid_login_ops.check.site_sign_in import SignIn

# Every known site returns at least one of these fields (recorded, probed).
_SITE_FIELDS = {"shotgun_version", "user_authentication_method"}

_COMPARE_ADDRESS = "Compare the address with the one in the browser. Use only the part up to the host name."


def check_site(connection: Connection) -> tuple[list[Finding], SignIn | None]:
    """Request a site's description.

    Return the findings and how users sign in: None if the host is not a site or does not respond.
    """
    try:
        response = connection.request("GET", "/api/v1")
    except NoResponse as error:
        return [error.finding("site")], None
    tls = connection.tls("site")
    data = response.fields.get("data")
    if response.status != 200 or not isinstance(data, dict) or not data.keys() & _SITE_FIELDS:
        return [_not_a_site(response), tls], None
    sign_in = SignIn.from_about(data)
    reachable = ok("site.reachable", "responds", "The site's REST API responds.")
    return [reachable, tls, _version(data), *sign_in.findings()], sign_in


def check_script(connection: Connection, name: str, key: str) -> Finding:
    """Sign in with a script key, as on-prem scripts and webhooks do."""
    form = {"grant_type": "client_credentials", "client_id": name, "client_secret": key}
    try:
        response = connection.request("POST", "/api/v1/auth/access_token", body=form)
    except NoResponse as error:
        return problem(
            "site.script", error.value, f"The script key could not be checked: {error.meaning}", error.next_step
        )
    if response.status == 200 and response.fields.get("access_token"):
        return ok(
            "site.script",
            "works",
            "The script key signs in. Two-factor authentication applies to users only. It does not affect script keys.",
        )
    if response.status in (400, 401) and "errors" in response.fields:
        return problem(
            "site.script",
            "rejected",
            "The site rejects this script name and key. Two-factor authentication is not the cause: the key is wrong "
            "or was changed, or the script was retired.",
            "Compare both with the script's page on the site, and run the check again.",
        )
    return problem(
        "site.script",
        f"status {response.status}",
        "The site neither accepts nor rejects the script key.",
        "Run the check again in a few minutes. If the result is the same, run one of your scripts and compare.",
    )


def script_not_checked() -> Finding:
    """Return the finding without a script key."""
    return unknown(
        "site.script",
        None,
        "Not checked: there is no script key.",
        "To check one, set the environment variables SHOTGRID_SCRIPT_NAME and SHOTGRID_SCRIPT_KEY.",
    )


def _version(data: Mapping[str, Any]) -> Finding:
    version = data.get("shotgun_version")
    if not isinstance(version, str) or not version:
        return unknown("site.version", None, "The site does not report its version.")
    return ok("site.version", printable(version), "As reported by the site.")


def _not_a_site(response: Response) -> Finding:
    def finding(value: str, meaning: str, next_step: str) -> Finding:
        return problem("site.reachable", value, meaning, next_step)

    status = f"status {response.status}"
    if response.status == 429 or response.status >= 500:
        return finding(
            status,
            "The host responds, but the site is down, under maintenance or overloaded.",
            "Run the check again in a few minutes. If the result is the same, contact the site's administrators.",
        )
    if 300 <= response.status < 400:
        host = _redirect_host(response.headers.get("location", ""))
        return finding(
            status,
            f"The host redirects{f' to {host}' if host else ''}. The gateway does not follow redirects: it sends "
            "passwords to the configured site only.",
            "Open the address in a browser. Use the address that it ends at, for the check and for the gateway.",
        )
    if "html" in response.media_type:
        return finding(
            "a web page",
            "The host returns a web page instead of the REST API. It is not a ShotGrid site, or the page comes from a "
            "proxy or portal in between.",
            _COMPARE_ADDRESS,
        )
    if response.status in (401, 403):
        return finding(
            status,
            "The host rejects the request: it is not a ShotGrid site, or there is a proxy or an IP allow list in "
            "between.",
            f"{_COMPARE_ADDRESS} Then try from a network that the site allows.",
        )
    return finding(
        status if response.status != 200 else "not a site",
        "The host responds, but not as the REST API of a ShotGrid site.",
        _COMPARE_ADDRESS,
    )


def _redirect_host(location: str) -> str:
    """Return only the host of a redirect, because the rest can contain secrets; empty if there is none."""
    try:
        return printable(urlsplit(location).hostname or "")
    except ValueError:
        return ""
