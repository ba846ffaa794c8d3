"""Browser sign-in on real tables, with the fake site's launcher and an injected clock."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import pytest
from botocore.exceptions import ClientError

from shotgrid_login import app_session_launcher, failed_attempts, log
from shotgrid_login.app_session_launcher import AppSessionLauncher
from shotgrid_login.approvals import GRACE_SECONDS, LEASE_SECONDS, LIFETIME, POLL_INTERVAL, RESULT_SECONDS, Approvals
from shotgrid_login.aws import AwsError
from shotgrid_login.bearers import RESERVED_SECONDS
from shotgrid_login.browser_sign_in import LONGEST_PAUSE, PAGE_INTERVAL, BrowserSignIn, Pending, Started
from shotgrid_login.configuration import StartSettings
from shotgrid_login.counts import Limit
from shotgrid_login.errors import (
    ApprovalEnded,
    ApprovalLost,
    BrowserSignInDisabled,
    InvalidRequest,
    SiteError,
    SiteUnavailable,
    TooManyAttempts,
)
from shotgrid_login.failed_attempts import STARTS_BY_BROWSER
from shotgrid_login.places import POLLS, STARTS, NoPlace
from shotgrid_login.sessions import Sessions, SignedIn
from shotgrid_login.site import Site
from tests.site.fake_site import Account, FakeSite
from tests.site.faults import GARBAGE, LAUNCHER_GARBAGE, Switches
from tests.site.launcher import ApprovalRequest
from tests.support.core import Core, Storage

BROWSER = "a" * 22

# Without the response of a site that is older than the launcher.
START_GARBAGE = sorted(LAUNCHER_GARBAGE.keys() - {"not_found_in_html"})


@pytest.fixture(scope="module")
def launcher_site() -> Iterator[FakeSite]:
    """Provide a site of this file alone: its launcher's switches are for the whole site."""
    with FakeSite() as running:
        yield running


@pytest.fixture
def core(storage: Storage, launcher_site: FakeSite) -> Iterator[Core]:
    core = Core(storage, launcher_site)
    launcher_site.clock = core.clock
    yield core
    launcher_site.switch(**asdict(Switches()))


def start(core: Core, *, browser: str = "", transport: str = "token") -> Started:
    return core.browser_sign_in().start(
        StartSettings("Studio pages"),
        page_host="pages.studio.example",
        user_agent="Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/153.0",
        source_address=core.address,
        browser=browser,
        transport=transport,
    )


def finish(core: Core, started: Started, sign_in: BrowserSignIn | None = None, browser: str = "") -> SignedIn | Pending:
    """Poll as a page does, `PAGE_INTERVAL` after the last poll."""
    core.clock.advance(PAGE_INTERVAL)
    used = sign_in or core.browser_sign_in()
    return used.finish(used.open_challenge(started.challenge, browser))


def signed_in(core: Core, started: Started) -> SignedIn:
    result = finish(core, started)
    assert isinstance(result, SignedIn)
    return result


def request_of(core: Core, started: Started) -> ApprovalRequest:
    return core.fake_site.approval_request(started.approval_url)


def approved(core: Core, user: Account | None = None) -> tuple[Started, ApprovalRequest]:
    started = start(core)
    core.fake_site.approve(started.approval_url, user or core.new_user())
    return started, request_of(core, started)


def approval_row(core: Core, sign_in: BrowserSignIn, started: Started) -> dict[str, str | int | bytes] | None:
    row = core.storage.state.get(f"approval#{sign_in.open_challenge(started.challenge, '').approval_id}")
    return None if row is None else dict(row)


def test_row_of_the_bearer_is_reserved_when_the_user_has_approved(core: Core) -> None:
    started, _ = approved(core)
    until = core.reserved_until(lambda: signed_in(core, started))
    assert until == core.clock.now + RESERVED_SECONDS


def test_approved_request_signs_the_user_in(core: Core) -> None:
    user = core.new_user(kind="autodesk")
    core.fake_site.switch(authentication_method="oxygen")
    started = start(core)
    assert isinstance(finish(core, started), Pending)
    core.fake_site.approve(started.approval_url, user)
    result = signed_in(core, started)
    assert (result.session.user.id, result.session.user.login) == (user.id, user.login)
    assert core.bearers.find(result.api_token, core.clock.now) is not None
    core.expire_access_token()
    assert core.refresh().refresh(result.handle).session.user.id == user.id


def test_page_receives_the_url_of_the_site_and_the_name_of_the_page(core: Core) -> None:
    started = start(core)
    request = request_of(core, started)
    assert started.approval_url == request.url
    assert request.app_name == started.app_name == "Studio pages at pages.studio.example"
    assert request.machine_id == f"Firefox on Linux, {core.address}"


def test_time_left_is_that_of_the_row(core: Core) -> None:
    started = start(core)
    assert started.expires_in == LIFETIME
    assert finish(core, started) == Pending(LIFETIME - PAGE_INTERVAL)


def test_time_left_is_over_before_the_site_ends_the_request(core: Core) -> None:
    started = start(core)
    core.clock.advance(LIFETIME - PAGE_INTERVAL - 1)
    assert finish(core, started) == Pending(1)
    assert finish(core, started) == Pending(0)
    with pytest.raises(ApprovalEnded):
        finish(core, started)


@pytest.mark.parametrize("seconds", [LIFETIME - 1, LIFETIME + 4])
def test_approval_in_the_last_moment_signs_the_user_in(core: Core, seconds: int) -> None:
    started = start(core)
    core.clock.now += seconds
    core.fake_site.approve(started.approval_url, core.new_user())
    assert isinstance(finish(core, started), SignedIn)


def test_row_that_has_expired_is_deleted_without_a_call_of_the_site(core: Core) -> None:
    started, request = approved(core)
    core.clock.advance(LIFETIME + GRACE_SECONDS)
    with pytest.raises(ApprovalEnded):
        finish(core, started)
    assert request.polls == 0
    assert approval_row(core, core.browser_sign_in(), started) is None


@pytest.mark.parametrize("declined", ["not_found", "forbidden", "denied"])
def test_declined_request_ends(core: Core, declined: str) -> None:
    core.fake_site.switch(declined=declined)
    started = start(core)
    core.fake_site.decline(started.approval_url)
    for _ in range(2):
        with pytest.raises(ApprovalEnded) as caught:
            finish(core, started)
        assert caught.value.outcome == ""
    assert request_of(core, started).polls == 1


def test_request_that_the_site_keeps_pending_after_a_decline_ends_with_its_time(core: Core) -> None:
    core.fake_site.switch(declined="pending")
    started = start(core)
    core.fake_site.decline(started.approval_url)
    assert isinstance(finish(core, started), Pending)
    core.clock.advance(LIFETIME)
    with pytest.raises(ApprovalEnded):
        finish(core, started)


# ---- the site's responses ------------------------------------------------------------------------------


@pytest.mark.parametrize("launcher", ["off", "absent", "said_on_but_off"])
def test_start_is_rejected_if_the_site_has_no_launcher(core: Core, launcher: str) -> None:
    core.fake_site.switch(launcher=launcher)
    with pytest.raises(BrowserSignInDisabled):
        start(core)


def test_start_works_if_the_site_does_not_report_its_launcher(core: Core) -> None:
    core.fake_site.switch(launcher="unsaid_but_on")
    assert start(core).approval_url


@pytest.mark.parametrize("url", ["relative", "http", "other_host", "javascript", "userinfo"])
def test_url_that_is_not_an_approval_page_of_the_site_is_rejected(core: Core, url: str) -> None:
    core.fake_site.switch(approval_url=url)
    with pytest.raises(SiteError):
        start(core)


@pytest.mark.parametrize("url", ["own", "missing", "vendor_domain"])
def test_url_of_the_site_or_of_the_vendor_is_accepted(core: Core, url: str) -> None:
    core.fake_site.switch(approval_url=url)
    started = start(core)
    request = core.fake_site.approval_requests[-1]
    if url == "missing":
        assert started.approval_url == f"{core.fake_site.url}/app_session_request/{request.id}"
    else:
        assert started.approval_url == request.url


@pytest.mark.parametrize("fault", ["html", "empty", *START_GARBAGE, "redirect", "400", "401"])
def test_unexpected_response_to_the_start_is_an_error(core: Core, fault: str) -> None:
    core.fake_site.switch(request_fault=fault)
    with pytest.raises(SiteError):
        start(core)


@pytest.mark.parametrize("fault", ["500", "503", "429", "429_retry_after", "drop", "drop_response"])
def test_start_at_a_silent_site_can_be_repeated_at_once(core: Core, fault: str) -> None:
    core.fake_site.switch(request_fault=fault)
    for _ in range(STARTS_BY_BROWSER.free + 1):
        with pytest.raises(SiteUnavailable):
            start(core, browser=BROWSER)
    core.fake_site.switch(request_fault="")
    assert start(core, browser=BROWSER).approval_url


@pytest.mark.parametrize("fault", [*GARBAGE, *LAUNCHER_GARBAGE, "redirect", "400", "401", "500", "429", "drop"])
def test_unexpected_response_to_a_poll_loses_nothing(core: Core, fault: str) -> None:
    started, request = approved(core)
    core.fake_site.switch(poll_fault=fault)
    with pytest.raises((SiteError, SiteUnavailable)):
        finish(core, started)
    core.fake_site.switch(poll_fault="")
    assert signed_in(core, started).session.user.login == request.login
    assert request.hand_outs == 1


@pytest.mark.parametrize("fault", [*GARBAGE, "redirect", "500", "drop", "drop_response"])
def test_unexpected_response_to_the_exchange_loses_nothing(core: Core, fault: str) -> None:
    user = core.new_user()
    started, request = approved(core, user)
    core.fake_site.switch(user, fault=fault)
    with pytest.raises((SiteError, SiteUnavailable)):
        finish(core, started)
    core.fake_site.switch(user, fault="")
    assert signed_in(core, started).session.user.id == user.id
    assert (request.polls, request.hand_outs) == (1, 1)


@pytest.mark.parametrize("status", ["400", "401"])
def test_rejected_session_token_ends_the_sign_in(core: Core, status: str) -> None:
    started, request = approved(core)
    core.fake_site.switch(licence_ended=status)
    with pytest.raises(SiteError) as caught:
        finish(core, started)
    assert caught.value.reason == "session token rejected"
    with pytest.raises(ApprovalEnded):
        finish(core, started)
    assert core.fake_site.mints(request.session_token) == 0


def test_exchange_without_a_refresh_token_is_an_error(core: Core) -> None:
    started, _ = approved(core)
    core.fake_site.switch(session_grant_refresh_token=False)
    with pytest.raises(SiteError):
        finish(core, started)


def test_site_that_redirects_to_its_identity_provider_is_an_error(core: Core) -> None:
    started, request = approved(core)
    core.fake_site.switch(saml_claims_expired=True)
    with pytest.raises(SiteError):
        finish(core, started)
    core.fake_site.switch(saml_claims_expired=False)
    assert signed_in(core, started).session.user.login == request.login


def test_lost_result_is_reported_as_such(core: Core) -> None:
    started, request = approved(core)
    core.fake_site.switch(poll_fault="drop_response")
    with pytest.raises(SiteUnavailable):
        finish(core, started)
    assert request.hand_outs == 1
    core.fake_site.switch(poll_fault="")
    with pytest.raises(ApprovalLost):
        finish(core, started)


def test_late_request_is_not_sent(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    started = start(core)
    look_up, is_late, has_continued = socket.getaddrinfo, threading.Event(), threading.Event()

    def slow_look_up(*arguments: Any, **options: Any) -> Any:
        if threading.current_thread() is not threading.main_thread() and not is_late.is_set():
            is_late.wait()
            has_continued.set()
        return look_up(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(socket, "getaddrinfo", slow_look_up)
        patched.setattr(app_session_launcher, "POLL_SECONDS", 0.1)
        with pytest.raises(SiteUnavailable):
            finish(core, started)
    threads = threading.enumerate()
    core.fake_site.approve(started.approval_url, core.new_user())
    is_late.set()
    assert has_continued.wait(10)
    for thread in threads:
        if thread.name.endswith("(_send_in_thread)"):
            thread.join(10)
    assert request_of(core, started).polls == 0
    assert isinstance(finish(core, started), SignedIn)


def test_pending_response_after_a_failed_poll_shows_that_nothing_was_lost(core: Core) -> None:
    started = start(core)
    core.fake_site.switch(poll_fault="drop")
    with pytest.raises(SiteUnavailable):
        finish(core, started)
    core.fake_site.switch(poll_fault="")
    assert isinstance(finish(core, started), Pending)
    core.fake_site.decline(started.approval_url)
    with pytest.raises(ApprovalEnded) as caught:
        finish(core, started)
    assert not isinstance(caught.value, ApprovalLost)


def test_poll_from_an_address_that_the_site_rejects_ends_the_sign_in(core: Core) -> None:
    core.fake_site.switch(polling_address_bound=True)
    started = start(core)
    core.fake_site.approve(started.approval_url, core.new_user(), address="203.0.113.7")
    with pytest.raises(ApprovalEnded):
        finish(core, started)


def test_user_whose_record_cannot_be_read_has_the_login_of_the_approval(core: Core) -> None:
    user = core.new_user(user_fault="503")
    result = signed_in(core, approved(core, user)[0])
    assert (result.session.user.login, result.session.user.name) == (user.login, "")


def test_user_without_any_login_is_not_signed_in_until_the_site_returns_it(core: Core) -> None:
    user = core.new_user(user_fault="503")
    started, request = approved(core, user)
    request.login = ""
    with pytest.raises(SiteError):
        finish(core, started)
    core.fake_site.switch(user, user_fault="")
    assert signed_in(core, started).session.user.login == user.login


def test_claim_of_the_token_decides_who_is_signed_in(core: Core) -> None:
    user = core.new_user()
    started, request = approved(core, user)
    request.login = "another_login"
    assert signed_in(core, started).session.user.login == user.login


def test_session_token_of_a_script_is_rejected(core: Core) -> None:
    core.fake_site.add_script("a_script", "a script key")
    started, request = approved(core)
    request.session_token = core.fake_site.new_session_token(core.fake_site.script("a_script", "a script key"))
    with pytest.raises(SiteError):
        finish(core, started)


# ---- repeated and parallel polls -----------------------------------------------------------------------


def test_lost_response_can_be_repeated_for_a_minute(core: Core) -> None:
    started, request = approved(core)
    first = signed_in(core, started)
    again = signed_in(core, started)
    assert (again.handle, again.access_token, again.api_token) == (first.handle, first.access_token, first.api_token)
    core.clock.advance(RESULT_SECONDS)
    with pytest.raises(ApprovalEnded):
        finish(core, started)
    assert (request.hand_outs, core.fake_site.mints(request.session_token)) == (1, 1)


def test_repeated_poll_does_not_return_a_session_that_was_signed_out(core: Core) -> None:
    started, _ = approved(core)
    core.sessions.sign_out(signed_in(core, started).handle)
    with pytest.raises(ApprovalEnded):
        finish(core, started)


def test_repeated_poll_does_not_return_a_handle_that_was_rotated(core: Core) -> None:
    started, _ = approved(core)
    result = signed_in(core, started)
    rotated = core.refresh().refresh(result.handle, result.access_token)
    assert rotated.handle != result.handle
    with pytest.raises(ApprovalEnded):
        finish(core, started)
    assert core.has_session(result)


def test_start_and_its_approval_are_counted_once(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = []
    monkeypatch.setattr(log, "count", lambda metric, value=1: counted.append((metric, value)))
    started = start(core)
    finish(core, started)
    core.fake_site.approve(started.approval_url, core.new_user())
    for _ in range(3):
        signed_in(core, started)
    assert counted == [("start_without_approval", 1), ("start_without_approval", -1)]


def test_poll_soon_after_the_last_poll_does_not_call_the_site(core: Core) -> None:
    started = start(core)
    finish(core, started)
    for sign_in in (core.browser_sign_in(), core.browser_sign_in()):
        assert isinstance(sign_in.finish(sign_in.open_challenge(started.challenge, "")), Pending)
    assert request_of(core, started).polls == 1
    assert request_of(core, started).close_polls == 0


def test_busy_site_is_not_polled_before_the_time_that_it_names(core: Core) -> None:
    started, request = approved(core)
    core.fake_site.switch(poll_fault="429_retry_after")
    with pytest.raises(SiteUnavailable) as caught:
        finish(core, started)
    core.fake_site.switch(poll_fault="")
    assert caught.value.retry_after is not None
    core.clock.advance(caught.value.retry_after - PAGE_INTERVAL - 1)
    assert isinstance(finish(core, started), Pending)
    assert request.polls == 0
    assert isinstance(finish(core, started), SignedIn)


def test_longest_pause_that_a_site_can_request_loses_nothing(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    started, request = approved(core)

    def busy(*_: object) -> None:
        raise SiteUnavailable("status 429", retry_after=300)

    for owner, method in (AppSessionLauncher, "poll"), (Site, "session_token"):
        with monkeypatch.context() as patched:
            patched.setattr(owner, method, busy)
            with pytest.raises(SiteUnavailable) as caught:
                finish(core, started)
        assert caught.value.retry_after == LONGEST_PAUSE
        core.clock.advance(LONGEST_PAUSE - PAGE_INTERVAL)
    assert signed_in(core, started).session.user.login == request.login


def test_time_between_two_polls_counts_from_the_response(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    started = start(core)
    poll = AppSessionLauncher.poll

    def slow_poll(launcher: AppSessionLauncher, request_id: str) -> object:
        core.clock.advance(3)
        return poll(launcher, request_id)

    monkeypatch.setattr(AppSessionLauncher, "poll", slow_poll)
    finish(core, started)
    sign_in = core.browser_sign_in()
    assert isinstance(sign_in.finish(sign_in.open_challenge(started.challenge, "")), Pending)
    assert request_of(core, started).polls == 1


def test_poll_is_possible_again_after_two_seconds(core: Core) -> None:
    started, request = approved(core)
    request.approved_at = None
    sign_in = core.browser_sign_in()
    challenge = sign_in.open_challenge(started.challenge, "")
    for seconds, polls in ((0, 1), (POLL_INTERVAL - 1, 1), (1, 2)):
        core.clock.now += seconds
        assert isinstance(sign_in.finish(challenge), Pending)
        assert request.polls == polls


def test_twenty_polls_at_once_create_one_session(core: Core) -> None:
    started, request = approved(core)
    together = threading.Barrier(20)

    def poll(_: int) -> SignedIn | Pending:
        sign_in = core.browser_sign_in()
        challenge = sign_in.open_challenge(started.challenge, "")
        together.wait()
        return sign_in.finish(challenge)

    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(poll, range(20)))
    handles = {result.handle for result in results if isinstance(result, SignedIn)}
    assert len(handles) == 1
    assert handles == {signed_in(core, started).handle}
    assert (request.polls, request.hand_outs, core.fake_site.mints(request.session_token)) == (1, 1, 1)


def test_two_sign_ins_of_one_browser_are_independent(core: Core) -> None:
    first, second = start(core, browser=BROWSER), start(core, browser=BROWSER)
    core.fake_site.approve(first.approval_url, core.new_user())
    assert isinstance(finish(core, second, browser=BROWSER), Pending)
    assert isinstance(finish(core, first, browser=BROWSER), SignedIn)
    core.fake_site.approve(second.approval_url, core.new_user())
    assert isinstance(finish(core, second, browser=BROWSER), SignedIn)


def crash(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def crash_with(error: Exception) -> Callable[..., None]:
    def fail(*_: object) -> None:
        raise error

    return fail


def test_lease_of_a_function_that_crashed_expires(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    started, request = approved(core)
    with monkeypatch.context() as patched:
        patched.setattr(AppSessionLauncher, "poll", crash)
        with pytest.raises(KeyboardInterrupt):
            finish(core, started)
    assert isinstance(finish(core, started), Pending)
    core.clock.advance(LEASE_SECONDS)
    assert isinstance(finish(core, started), SignedIn)
    assert request.polls == 1


@pytest.mark.parametrize(
    ("owner", "method"), [(Site, "session_token"), (Site, "user"), (Sessions, "start"), (Approvals, "finish")]
)
def test_function_that_crashes_with_the_session_token_loses_nothing(
    core: Core, monkeypatch: pytest.MonkeyPatch, owner: type, method: str
) -> None:
    started, request = approved(core)
    with monkeypatch.context() as patched:
        patched.setattr(owner, method, crash)
        with pytest.raises(KeyboardInterrupt):
            finish(core, started)
    core.clock.advance(LEASE_SECONDS)
    assert signed_in(core, started).session.user.login == request.login
    assert request.hand_outs == 1


def test_key_that_is_busy_for_a_moment_loses_nothing(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    user = core.new_user()
    started, request = approved(core, user)
    core.fake_site.switch(user, fault="503")
    with pytest.raises(SiteUnavailable):
        finish(core, started)
    core.fake_site.switch(user, fault="")
    with monkeypatch.context() as patched:
        patched.setattr(Approvals, "approved", crash_with(ClientError({"Error": {"Code": "Throttling"}}, "Decrypt")))
        with pytest.raises(ClientError):
            finish(core, started)
    assert signed_in(core, started).session.user.login == request.login


def test_session_token_is_rejected_after_a_minute_and_deleted(core: Core) -> None:
    user = core.new_user()
    started, request = approved(core, user)
    core.fake_site.switch(user, fault="503")
    with pytest.raises(SiteUnavailable):
        finish(core, started)
    core.fake_site.switch(user, fault="")
    core.clock.advance(RESULT_SECONDS - PAGE_INTERVAL)
    with pytest.raises(ApprovalEnded):
        finish(core, started)
    assert core.fake_site.mints(request.session_token) == 0
    assert approval_row(core, core.browser_sign_in(), started) is None


def test_function_that_crashed_with_the_result_of_a_poll_is_reported_as_lost(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, request = approved(core)
    with monkeypatch.context() as patched:
        patched.setattr(Approvals, "keep_approved", crash)
        with pytest.raises(KeyboardInterrupt):
            finish(core, started)
    assert request.hand_outs == 1
    core.clock.advance(LEASE_SECONDS)
    with pytest.raises(ApprovalLost):
        finish(core, started)


# ---- secrets -------------------------------------------------------------------------------------------


def test_row_contains_no_secret_in_the_clear(core: Core) -> None:
    user = core.new_user()
    sign_in = core.browser_sign_in()
    started, request = approved(core, user)
    rows = [approval_row(core, sign_in, started)]
    core.fake_site.switch(user, fault="503")
    with pytest.raises(SiteUnavailable):
        finish(core, started)
    rows.append(approval_row(core, sign_in, started))
    core.fake_site.switch(user, fault="")
    result = signed_in(core, started)
    rows.append(approval_row(core, sign_in, started))
    secrets = [
        *(request.id, request.url, request.session_token, user.login, started.challenge),
        *(str(result.handle), str(result.handle)[23:], result.access_token, result.api_token),
    ]
    for row in rows:
        assert row is not None
        text = " ".join(value.decode("latin-1") if isinstance(value, bytes) else str(value) for value in row.values())
        assert not [secret for secret in secrets if secret in text]


def test_session_token_is_replaced_by_the_write_that_finishes_the_sign_in(core: Core) -> None:
    user = core.new_user()
    started, _ = approved(core, user)
    sign_in = core.browser_sign_in()
    core.fake_site.switch(user, fault="503")
    with pytest.raises(SiteUnavailable):
        finish(core, started)
    before = approval_row(core, sign_in, started)
    core.fake_site.switch(user, fault="")
    signed_in(core, started)
    after = approval_row(core, sign_in, started)
    assert before is not None
    assert after is not None
    context = {"purpose": "approval", "approval": str(after["id"]).removeprefix("approval#")}
    assert isinstance(before["sealed"], bytes)
    assert isinstance(after["sealed"], bytes)
    assert core.storage.sealer.open(before["sealed"], context).keys() == {"session_token", "login"}
    assert core.storage.sealer.open(after["sealed"], context).keys() == {
        "handle",
        "access_token",
        "api_token",
        "generation",
    }


def test_result_that_is_moved_to_another_row_cannot_be_opened(core: Core) -> None:
    sign_in = core.browser_sign_in()
    started, _ = approved(core)
    signed_in(core, started)
    stolen = approval_row(core, sign_in, started)
    other = start(core)
    row = approval_row(core, sign_in, other)
    assert stolen is not None
    assert row is not None
    core.storage.state.put(row | {name: stolen[name] for name in ("sealed", "next_step")})
    with pytest.raises(ApprovalEnded):
        finish(core, other)


@pytest.mark.parametrize("browser", ["", "b" * 22, "\ud800"])
def test_challenge_of_another_browser_is_rejected(core: Core, browser: str) -> None:
    started = start(core, browser=BROWSER)
    core.fake_site.approve(started.approval_url, core.new_user())
    with pytest.raises(InvalidRequest, match="another browser"):
        finish(core, started, browser=browser)
    assert request_of(core, started).polls == 0
    assert isinstance(finish(core, started, browser=BROWSER), SignedIn)


def test_challenge_of_a_page_with_token_transport_needs_no_cookie(core: Core) -> None:
    started, _ = approved(core)
    assert isinstance(finish(core, started, browser="c" * 22), SignedIn)


@pytest.mark.parametrize(
    "alter",
    [
        lambda text: text[:-4] + "AAAA",
        lambda text: text[:40],
        lambda text: text + "!",
        lambda text: "AAAA" + text,
        lambda _: "",
    ],
)
def test_altered_challenge_is_rejected(core: Core, alter: Callable[[str], str]) -> None:
    with pytest.raises(InvalidRequest, match="altered"):
        core.browser_sign_in().open_challenge(alter(start(core).challenge), "")


def test_challenges_of_the_two_kinds_are_not_interchangeable(core: Core) -> None:
    user = core.new_user(two_factor=True)
    otp = core.sign_in().with_password(user.login, user.password, core.address)
    assert not isinstance(otp, SignedIn)
    with pytest.raises(InvalidRequest):
        core.browser_sign_in().open_challenge(otp.text, "")
    with pytest.raises(InvalidRequest):
        core.sign_in().with_code(start(core).challenge, "123456", core.address)


# ---- limits --------------------------------------------------------------------------------------------


def test_browser_has_ten_open_starts_in_ten_minutes(core: Core) -> None:
    for _ in range(10):
        start(core, browser=BROWSER + core.address)
    with pytest.raises(TooManyAttempts) as caught:
        start(core, browser=BROWSER + core.address)
    assert caught.value.retry_after == 600
    assert start(core, browser="another browser").approval_url
    core.clock.advance(600)
    assert start(core, browser=BROWSER + core.address).approval_url


def test_sign_in_makes_room_for_another_start(core: Core) -> None:
    browser = "room" + core.address
    starts = [start(core, browser=browser) for _ in range(10)]
    core.fake_site.approve(starts[0].approval_url, core.new_user())
    assert isinstance(finish(core, starts[0], browser=browser), SignedIn)
    assert start(core, browser=browser).approval_url
    with pytest.raises(TooManyAttempts):
        start(core, browser=browser)


def test_network_has_500_open_starts(core: Core) -> None:
    start(core)
    network = core.storage.state.get(f"start#address#{core.hashes.network(core.address)}")
    assert network is not None
    core.storage.state.put({**network, "misses": 499})
    start(core)
    with pytest.raises(TooManyAttempts):
        start(core, browser="any browser")


@pytest.mark.parametrize(
    "switch", [{"launcher": "off"}, {"request_fault": "503"}, {"request_fault": "html"}, {"approval_url": "http"}]
)
def test_starts_that_fail_are_limited_too(core: Core, monkeypatch: pytest.MonkeyPatch, switch: dict[str, Any]) -> None:
    monkeypatch.setattr(failed_attempts, "ALL_STARTS_BY_NETWORK", Limit(free=3, memory=600))
    core.fake_site.switch(**switch)
    for _ in range(3):
        with pytest.raises((BrowserSignInDisabled, SiteError, SiteUnavailable)):
            start(core)
    with pytest.raises(TooManyAttempts):
        start(core)


# ---- places for callers who wait for the site -----------------------------------------------------------------


def test_start_without_a_place_does_not_reach_the_site_and_does_not_count(core: Core) -> None:
    with core.without_places(STARTS):
        for _ in range(STARTS_BY_BROWSER.free + 1):
            with pytest.raises(NoPlace):
                start(core, browser=BROWSER)
    assert core.storage.state.get(f"start#all#address#{core.hashes.network(core.address)}") is None
    started = start(core, browser=BROWSER)
    assert core.taken_places(STARTS) == 0
    assert finish(core, started, browser=BROWSER) == Pending(LIFETIME - PAGE_INTERVAL)


def test_poll_without_a_place_is_pending_and_loses_nothing(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    started, _ = approved(core)
    with core.without_places(POLLS), monkeypatch.context() as patch:
        patch.setattr(AppSessionLauncher, "poll", None)  # it is not called
        for _ in range(2):
            assert isinstance(finish(core, started), Pending)
    assert signed_in(core, started)
    assert core.taken_places(POLLS) == 0


def test_exchange_without_a_place_is_pending_and_loses_nothing(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    started, _ = approved(core)
    with monkeypatch.context() as patch:
        patch.setattr(Site, "session_token", crash_with(SiteUnavailable("a reason")))
        with pytest.raises(SiteUnavailable):
            finish(core, started)
        with core.without_places(POLLS):
            assert isinstance(finish(core, started), Pending)
    assert signed_in(core, started)


def test_poll_that_cannot_take_a_place_gives_the_lease_back(core: Core) -> None:
    started, _ = approved(core)
    with core.failing_writes("waiting#", "SET"), pytest.raises(AwsError):
        finish(core, started)
    assert signed_in(core, started)


def test_result_is_not_lost_if_the_place_of_its_poll_cannot_be_given_back(core: Core) -> None:
    started, _ = approved(core)
    with core.failing_writes("waiting#", "REMOVE"):
        assert signed_in(core, started)


def test_poll_without_a_place_does_not_hide_that_the_result_may_be_lost(core: Core) -> None:
    started = start(core)
    core.fake_site.switch(poll_fault="503")
    with pytest.raises(SiteUnavailable):
        finish(core, started)
    core.fake_site.switch(poll_fault="")
    core.clock.advance(LONGEST_PAUSE)
    with core.without_places(POLLS):
        assert isinstance(finish(core, started), Pending)
    core.fake_site.decline(started.approval_url)
    with pytest.raises(ApprovalLost):
        finish(core, started)


def test_start_and_poll_that_fail_give_their_places_back(core: Core) -> None:
    core.fake_site.switch(request_fault="503")
    with pytest.raises(SiteUnavailable):
        start(core)
    assert core.taken_places(STARTS) == 0
    core.fake_site.switch(request_fault="")
    started = start(core)
    core.fake_site.switch(poll_fault="503")
    with pytest.raises(SiteUnavailable):
        finish(core, started)
    assert core.taken_places(POLLS) == 0


# ---- settings ------------------------------------------------------------------------------------------


def test_nothing_works_if_the_deployment_does_not_offer_it(core: Core) -> None:
    started, request = approved(core)
    off = core.browser_sign_in(offers_it=False)
    attempts: list[Callable[[], object]] = [
        lambda: finish(core, started, off),
        lambda: off.start(
            StartSettings("a"), page_host="a", user_agent="", source_address="", browser="", transport="token"
        ),
    ]
    for attempt in attempts:
        with pytest.raises(BrowserSignInDisabled):
            attempt()
    assert request.polls == 0
