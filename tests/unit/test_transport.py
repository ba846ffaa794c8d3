"""Transports: how a page holds its handle, and which sessions a new sign-in replaces."""

from __future__ import annotations

from typing import Any

import pytest

from shotgrid_login import transport
from shotgrid_login.errors import InvalidRequest
from shotgrid_login.http import Request
from shotgrid_login.sessions import SignedIn
from shotgrid_login.transport import Transport
from tests.support.client import COOKIE
from tests.support.core import Core
from tests.support.lambda_events import event

PAGE = {"Origin": "https://a.example", "Sec-Fetch-Site": "same-site"}


def request(**headers: str) -> Request:
    return Request(event(headers={"Content-Type": "application/json", **PAGE, **headers}))


# ---- the choice ----------------------------------------------------------------------------------------------


def test_page_on_the_gateways_site_gets_the_cookie() -> None:
    assert transport.choose(request(), {}) is Transport.COOKIE


@pytest.mark.parametrize("access", ["none", "inactive", "active"])
def test_page_whose_cookies_the_browser_drops_gets_the_token(access: str) -> None:
    framed = request(**{"Sec-Fetch-Storage-Access": access})
    assert transport.choose(framed, {}) is Transport.TOKEN
    with pytest.raises(InvalidRequest):
        transport.choose(framed, {"transport": "cookie"})


# ---- the session that a new one replaces ---------------------------------------------------------------------


def replace(core: Core, new: SignedIn, used: Transport, cookie: SignedIn | None, body: SignedIn | None) -> None:
    headers = {"Cookie": f"{COOKIE}={cookie.handle}"} if cookie else {}
    fields = {"refresh_token": str(body.handle)} if body else {}
    transport.end_replaced(request(**headers), fields, used, core.sessions, new)


def test_new_cookie_ends_the_session_of_the_old_one_and_of_the_body(core: Core) -> None:
    old, other, new = core.signed_in(), core.signed_in(), core.signed_in()
    replace(core, new, Transport.COOKIE, old, other)
    assert (core.has_session(old), core.has_session(other), core.has_session(new)) == (False, False, True)


def test_page_with_token_transport_does_not_end_the_session_of_a_cookie_that_stays(core: Core) -> None:
    cookie, old, new = core.signed_in(), core.signed_in(), core.signed_in()
    replace(core, new, Transport.TOKEN, cookie, old)
    assert (core.has_session(cookie), core.has_session(old), core.has_session(new)) == (True, False, True)


def test_request_that_is_repeated_with_the_new_handle_does_not_end_the_new_session(core: Core) -> None:
    new = core.signed_in()
    replace(core, new, Transport.COOKIE, new, new)
    assert core.has_session(new)


def test_sign_in_succeeds_although_the_replaced_session_cannot_be_ended(
    core: Core, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    old, new = core.signed_in(), core.signed_in()

    def fail(*_: Any) -> None:
        raise ConnectionError(str(old.handle))

    with monkeypatch.context() as patched:
        patched.setattr(core.storage.state, "delete", fail)
        replace(core, new, Transport.COOKIE, old, None)
    (record,) = caplog.records
    assert record.message == "unexpected_error"
    assert str(old.handle) not in repr(vars(record))
    assert core.has_session(new)
