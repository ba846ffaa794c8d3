"""The site's App Session Launcher: it lets a user approve a sign-in on the site's own page, in a browser.

The gateway requests an approval and polls for the result. The result is a session token: a web session of the user.
Any caller that has the approval URL can poll too, and the site sends the session token to the first caller that polls
after the approval. So the URL and the request's id are secrets.

Every status and shape below is described in `docs/site-contract.md`, with what is unknown.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from shotgrid_login.errors import ApprovalEnded, BrowserSignInDisabled, SiteError
from shotgrid_login.site_connection import HTML_PAGE, SiteConnection, json_object
from shotgrid_login.users import usable_text

REQUEST_SECONDS = 13  # for a whole response with a new approval request
POLL_SECONDS = 8  # for a whole response to a poll; the exchange of the session token has to fit in the same call

# The longest texts that the approval page receives. No limit of sites is known. Characters.
LONGEST_LABEL = 64

_PATH = "/internal_api/app_session_request"
_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")

# A site may return its canonical name. Its host has to be the configured one, or end with one of the vendor's domains.
_VENDOR_DOMAINS = (".shotgrid.autodesk.com", ".shotgunstudio.com")
_APPROVAL_URL = re.compile(
    r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/app_session_request/[A-Za-z0-9_/-]{1,256}(\?[A-Za-z0-9_.~%&=+-]{1,512})?"
)

_SESSION_TOKEN = re.compile(r"[\x21-\x7e]{1,1024}")

# Browsers and systems by their mark in `User-Agent`. The first match counts, because browsers imitate each other.
_BROWSERS = {"Edg": "Edge", "OPR/": "Opera", "Firefox/": "Firefox", "Chrome/": "Chrome", "Safari/": "Safari"}
_SYSTEMS = {
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "Linux": "Linux",
}


@dataclass(frozen=True)
class ApprovalRequest:
    """A new approval request. Both values are secrets."""

    request_id: str = field(repr=False)
    url: str = field(repr=False)


@dataclass(frozen=True)
class Approved:
    """The result of an approved request. The site returns it once.

    Attributes:
        login: the user's login, or "" if the site did not return it.
    """

    session_token: str = field(repr=False)
    login: str = field(repr=False)


class AppSessionLauncher:
    """The launcher of one site."""

    def __init__(self, connection: SiteConnection) -> None:
        self._connection = connection

    def request(self, app_name: str, machine_id: str) -> ApprovalRequest:
        """Create an approval request. Its page shows both texts to the user.

        Raises:
            BrowserSignInDisabled: the launcher is off, or the site is too old to have one.
            SiteError, SiteUnavailable: as documented there.
        """
        parameters = {"appName": app_name, "machineId": machine_id}
        status, body = self._connection.call("POST", _PATH, REQUEST_SECONDS, form=parameters)
        # A page with 403 comes from an IP allow list or a proxy. A page with 404 comes from a site that is too old.
        if status == 404 or (status == 403 and body is not HTML_PAGE):
            raise BrowserSignInDisabled("The ShotGrid site does not offer browser sign-in.")
        fields = json_object(status, body, "launcher: ")
        request_id = fields.get("sessionRequestId")
        if not isinstance(request_id, str) or not _REQUEST_ID.fullmatch(request_id):
            raise SiteError("approval request: no usable id")
        # Sites before 8.53 return no URL, and clients built it themselves.
        url = fields.get("url") or f"{self._connection.url}/app_session_request/{request_id}"
        if not is_approval_url(url, self._connection.url):
            raise SiteError("approval request: the URL is not one of the site")
        return ApprovalRequest(request_id, url)

    def poll(self, request_id: str) -> Approved | None:
        """Return the result if the user has approved the request, or None if the user has not decided.

        The site forgets the result once it was sent. If this method raises `SiteError` or `SiteUnavailable`, the result
        may be lost.

        Raises:
            ApprovalEnded, SiteError, SiteUnavailable: as documented there.
        """
        status, body = self._connection.call("PUT", f"{_PATH}/{request_id}", POLL_SECONDS)
        # Recorded is a 404 in JSON. How a site reports that the user declined is unknown. A page comes from a proxy.
        if status in (403, 404) and body is not HTML_PAGE:
            raise ApprovalEnded
        match json_object(status, body, "launcher: "):
            case {"approved": True, **values}:
                return _approved(values)
            case {"approved": False, "denied": True}:
                raise ApprovalEnded
            case {"approved": False}:
                return None
            case _:
                raise SiteError("poll: `approved` is not true or false")


def is_approval_url(url: object, site_url: str) -> bool:
    """Whether browsers can be sent to this URL: a page of the launcher, on this site or a site of the vendor."""
    if not isinstance(url, str) or not _APPROVAL_URL.fullmatch(url):
        return False
    page, site = urlsplit(url.lower()), urlsplit(site_url.lower())
    if (page.scheme, page.netloc) == (site.scheme, site.netloc):
        return True
    # A name of the vendor has no port.
    return page.scheme == "https" and page.netloc.endswith(_VENDOR_DOMAINS)


def app_name(name: str, page_host: str) -> str:
    """Return the application's name for the approval page, which shows the user what requests the sign-in."""
    label = f"{name} at {page_host}"
    if len(label) > LONGEST_LABEL:
        # The end of a host name identifies its owner.
        label = f"{name} at ...{page_host[len(label) - LONGEST_LABEL + 3 :]}"
    return label


def machine_id(user_agent: str, source_address: str) -> str:
    """Return a description of the user's machine for the approval page, such as "Firefox on Windows, 203.0.113.7".

    Only words of this module and the address are in it, because the page shows it to the user who approves.
    """
    browser = next((name for mark, name in _BROWSERS.items() if mark in user_agent), "Browser")
    system = next((name for mark, name in _SYSTEMS.items() if mark in user_agent), "unknown OS")
    try:
        address = ipaddress.ip_address(source_address.partition("%")[0]).compressed
    except ValueError:
        address = "unknown address"
    return f"{browser} on {system}, {address}"[:LONGEST_LABEL]


def _approved(values: dict[str, Any]) -> Approved:
    session_token, login = values.get("sessionToken"), values.get("userLogin")
    if not isinstance(session_token, str) or not _SESSION_TOKEN.fullmatch(session_token):
        raise SiteError("poll: approved without a usable session token")
    return Approved(session_token, usable_text(login))
