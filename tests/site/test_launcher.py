"""The App Session Launcher of the fake site behaves as `site-contract.md` describes real sites."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.site.fake_site import Account, ApprovalRequest, FakeSite

PATH = "/internal_api/app_session_request"
FIELDS = {"appName": "A page at pages.example", "machineId": "Firefox on Linux"}


@pytest.fixture
def site() -> Iterator[FakeSite]:
    with FakeSite() as running:
        yield running


@pytest.fixture
def user(site: FakeSite) -> Account:
    return site.add_user("ada@studio.example", "autodesk-password", kind="autodesk")


def start(site: FakeSite, **fields: Any) -> requests.Response:
    return requests.post(f"{site.url}{PATH}", data=FIELDS | fields, timeout=10)


def started(site: FakeSite) -> ApprovalRequest:
    assert start(site).status_code == 200
    return site.approval_requests[-1]


def poll(site: FakeSite, request: ApprovalRequest) -> requests.Response:
    return requests.put(f"{site.url}{PATH}/{request.id}", timeout=10)


def test_approved_request_hands_out_its_session_token_once(site: FakeSite, user: Account) -> None:
    request = started(site)
    assert poll(site, request).json() == {"approved": False}
    site.approve(request.id, user)
    approved = poll(site, request).json()
    assert approved == {"approved": True, "sessionToken": request.session_token, "userLogin": user.login}
    spent = poll(site, request)
    assert (spent.status_code, spent.json()) == (404, {"message": "Not Found"})
    assert (request.polls, request.close_polls, request.hand_outs) == (3, 2, 1)
    assert {request.id, request.url, request.session_token} <= site.secrets
    form = {"grant_type": "session_token", "session_token": request.session_token}
    assert requests.post(f"{site.url}/api/v1/auth/access_token", data=form, timeout=10).status_code == 200
    assert site.mints(request.session_token) == 1


def test_request_is_forgotten_after_305_seconds(site: FakeSite) -> None:
    now = 1_800_000_000.0
    site.clock = lambda: now
    request = started(site)
    site.clock = lambda: now + 304
    assert poll(site, request).status_code == 200
    site.clock = lambda: now + 305
    assert poll(site, request).status_code == 404
