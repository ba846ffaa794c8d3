"""The App Session Launcher of a site: approval requests, and what a user decides about them."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from tests.site.accounts import Account, Accounts
from tests.site.faults import Switches

PATH = "/internal_api/app_session_request"
PAGE_PATH = "/app_session_request"
CLOSE_SECONDS = 2  # polls at shorter intervals are counted; no client of the vendor sends them (client)
HAND_OUT_SECONDS = 2  # with `hands_out_twice`, the session token is sent again for this time
FORMER_KEY = "app_session_launcher_enabled"  # the key in `/api/v1` before November 2023 (client)


class Launcher(Enum):
    """How a site responds to the start of an approval request."""

    ON = 200
    OFF = 403
    ABSENT = 404


@dataclass
class ApprovalRequest:
    """An approval request, and a record of its polls. `session_token` is "" until a user approves the request.

    Attributes:
        url: the page for the user. Usually also the `url` that the site sent: see the switch `approval_url`.
        polls: how many polls the site has received.
        close_polls: how many polls came less than two seconds after the previous poll.
        hand_outs: how many times the site sent the session token.
    """

    id: str
    url: str
    app_name: str
    machine_id: str
    created_at: float
    addresses: set[str]
    polls: int = 0
    close_polls: int = 0
    hand_outs: int = 0
    session_token: str = ""
    login: str = ""
    approved_at: float | None = None
    is_declined: bool = False
    is_deleted: bool = False
    polled_at: float | None = field(default=None, repr=False)
    handed_out_at: float | None = field(default=None, repr=False)

    @property
    def is_decided(self) -> bool:
        return self.is_declined or self.approved_at is not None


class NotFound(Exception):
    """The approval request does not exist, has ended, or its session token was sent."""


class Forbidden(Exception):
    """The site rejects the call."""


class ApprovalRequests(Accounts):
    """The approval requests of a site, and its accounts."""

    def __init__(self) -> None:
        super().__init__()
        self.approval_requests: list[ApprovalRequest] = []  # all, in the order of their starts
        self._by_id: dict[str, ApprovalRequest] = {}

    # ---- for tests and the demo ------------------------------------------------------------------------

    def approval_request(self, id_or_url: str) -> ApprovalRequest:
        """Return the approval request with this id or approval URL. Raises `LookupError`."""
        for part in [id_or_url, *id_or_url.partition("?")[0].split("/")]:
            if part in self._by_id:
                return self._by_id[part]
        raise LookupError("no such approval request")

    def approve(self, id_or_url: str, user: Account, address: str | None = None) -> None:
        """Approve a request as a user, as the button on the approval page does. Raises `LookupError`."""
        with self._lock:
            request = self._undecided(id_or_url)
            request.session_token = self.new_session_token(user)
            request.login = user.login
            request.approved_at = self.clock()
            if address is not None:
                request.addresses.add(address)

    def decline(self, id_or_url: str) -> None:
        """Decline a request, as the button on the approval page does. Raises `LookupError`."""
        with self._lock:
            self._undecided(id_or_url).is_declined = True

    def is_open(self, request: ApprovalRequest) -> bool:
        """Return whether a user can still decide about a request."""
        is_alive = self.clock() < request.created_at + self.switches.approval_seconds
        return is_alive and not request.is_decided and not request.is_deleted

    def _undecided(self, id_or_url: str) -> ApprovalRequest:
        request = self.approval_request(id_or_url)
        if not self.is_open(request):
            raise LookupError("the approval request has ended")
        return request

    # ---- for the routes --------------------------------------------------------------------------------

    def launcher(self) -> Launcher:
        """Return whether the launcher of this site works."""
        by_switch = {"off": Launcher.OFF, "said_on_but_off": Launcher.OFF, "absent": Launcher.ABSENT}
        return by_switch.get(self.switches.launcher, Launcher.ON)

    def start(self, site_url: str, app_name: str, machine_id: str, address: str) -> dict[str, Any]:
        """Create an approval request and return the response body (probed)."""
        request_id = secrets.token_hex(16)
        sent_url = approval_url(self.switches.approval_url, site_url, request_id)
        page_url = approval_url("own", site_url, request_id)
        request = ApprovalRequest(
            request_id, sent_url or page_url, app_name, machine_id, self.clock(), addresses={address}
        )
        with self._lock:
            self._by_id[request_id] = request
            self.approval_requests.append(request)
            self.secrets |= {request_id, page_url, request.url}
        return {"sessionRequestId": request_id} | ({"url": sent_url} if sent_url else {})

    def poll(self, request_id: str, address: str) -> dict[str, Any]:
        """Return the response body for a poll. Raises `NotFound` and `Forbidden`."""
        with self._lock:
            request = self._by_id.get(request_id)
            if request is None:
                raise NotFound
            now = self.clock()
            request.polls += 1
            if request.polled_at is not None and now - request.polled_at < CLOSE_SECONDS:
                request.close_polls += 1
            request.polled_at = now
            if request.is_deleted or (self.switches.polling_address_bound and request.addresses != {address}):
                raise NotFound
            if request.approved_at is None:
                return self._pending(request, now)
            return self._approved(request, request.approved_at, now)

    def delete(self, request_id: str) -> None:
        """Delete an approval request. Raises `NotFound`, also if this site deletes none."""
        with self._lock:
            request = self._by_id.get(request_id)
            if request is None or request.is_deleted or not self.switches.deletes_requests:
                raise NotFound
            request.is_deleted = True

    def _pending(self, request: ApprovalRequest, now: float) -> dict[str, Any]:
        if now >= request.created_at + self.switches.approval_seconds:
            raise NotFound
        if request.is_declined and self.switches.declined == "not_found":
            raise NotFound
        if request.is_declined and self.switches.declined == "forbidden":
            raise Forbidden
        if request.is_declined and self.switches.declined == "denied":
            return {"approved": False, "denied": True}
        return {"approved": False}

    def _approved(self, request: ApprovalRequest, approved_at: float, now: float) -> dict[str, Any]:
        handed_out_at = request.handed_out_at
        if handed_out_at is None:
            seconds = self.switches.approved_seconds
            if seconds and now >= approved_at + seconds:
                raise NotFound
            request.handed_out_at = now
        elif not self.switches.hands_out_twice or now >= handed_out_at + HAND_OUT_SECONDS:
            raise NotFound
        request.hand_outs += 1
        return {"approved": True, "sessionToken": request.session_token, "userLogin": request.login}


def approval_url(switch: str, site_url: str, request_id: str) -> str:
    """Return the `url` of an approval request for a value of the switch `approval_url`, "" for no `url`.

    The id in the URL is the id of the poll (probed).
    """
    path = f"{PAGE_PATH}/{request_id}?sticky_id={request_id}"
    scheme, _, host = site_url.partition("://")
    urls = {
        "own": f"{site_url}{path}",
        "missing": "",  # so before 8.53 (client)
        "vendor_domain": f"https://studio.shotgrid.autodesk.com{path}",
        "relative": path,
        "http": f"http://studio.shotgrid.autodesk.com{path}",
        "other_host": f"https://studio.example{path}",
        "javascript": f"javascript:alert(1)//{host}{path}",
        "userinfo": f"{scheme}://{host}@studio.example{path}",
    }
    return urls[switch]


def about(switches: Switches) -> dict[str, Any]:
    """Return what a site reports about its sign-in (client). `/api/v1` and the Python API report the same."""
    reported: dict[str, Any] = {"unified_login_flow_enabled": True}
    if switches.authentication_method != "missing":
        reported["user_authentication_method"] = switches.authentication_method
    keys = {"present": "authentication_app_session_launcher_enabled", "older": FORMER_KEY}
    if switches.launcher_key in keys and switches.launcher not in ("absent", "unsaid_but_on"):
        reported[keys[switches.launcher_key]] = switches.launcher != "off"
    return reported
