"""Refresh: one site call for each expiry, rotation, replay, and failures of the site and of functions.

Every caller has a connection of its own, as each function instance has. Waiting moves the test's clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from shotgrid_login.errors import HandleReplayed, SessionEnded, SiteError, SiteUnavailable
from shotgrid_login.refresh import LEASE_SECONDS, WAIT_SECONDS, Refresh
from shotgrid_login.sessions import Handle, SignedIn
from shotgrid_login.site import RESPONSE_SECONDS, Site
from tests.site.fake_site import Account
from tests.support.core import Core


def site_calls(core: Core, user: Account) -> int:
    return core.fake_site.requests_for(user, "refresh_token")


def has_bearer(core: Core, access_token: str) -> bool:
    return core.bearers.find(access_token, core.clock.now) is not None


@contextmanager
def held_at_the_site(core: Core, user: Account, signed_in: SignedIn) -> Iterator[Future[SignedIn]]:
    """Start a refresh whose site call waits until `release`. Later calls of the site do not wait."""
    core.fake_site.switch(user, fault="hold")
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(core.refresh().refresh, signed_in.handle)
        assert core.fake_site.held.acquire(timeout=30)
        core.fake_site.switch(user, fault="")
        try:
            yield held
        finally:
            core.fake_site.release()


# ---- one site call for each expiry ---------------------------------------------------------------------------


def test_fresh_token_is_returned_again_without_a_site_call(core: Core) -> None:
    user = core.new_user()
    first = core.signed_in(user)
    core.clock.now = first.session.fresh_until - 1
    again = core.refresh().refresh(first.handle)
    assert (again.access_token, again.handle, again.session.user) == (
        first.access_token,
        first.handle,
        first.session.user,
    )
    assert site_calls(core, user) == 0


def test_expiring_token_is_renewed_and_the_handle_rotated(core: Core) -> None:
    user = core.new_user()
    first = core.signed_in(user)
    core.clock.now = first.session.fresh_until
    second = core.refresh().refresh(first.handle)
    assert second.access_token != first.access_token
    assert second.handle != first.handle
    assert second.session.access_expires_at == core.clock.now + 600
    assert second.session.expires_at == first.session.expires_at
    assert has_bearer(core, second.access_token)
    assert has_bearer(core, first.access_token)  # another tab may use it for its last minute
    assert site_calls(core, user) == 1


@pytest.mark.parametrize("retires_refresh_tokens", [True, False])
@pytest.mark.parametrize("expires_in", [600, 60])
def test_parallel_refreshes_make_one_site_call(core: Core, retires_refresh_tokens: bool, expires_in: int) -> None:
    user = core.new_user(retires_refresh_tokens=retires_refresh_tokens, expires_in=expires_in)
    first = core.signed_in(user)
    core.clock.now = first.session.fresh_until
    # While the site holds the first caller, the pauses of the others must not move the clock past the lease.
    patient = [Refresh(Site(core.fake_site.url), core.sessions, core.clock, lambda _: None) for _ in range(5)]
    with held_at_the_site(core, user, first) as held, ThreadPoolExecutor(5) as pool:
        others = [pool.submit(one.refresh, first.handle) for one in patient]
        core.fake_site.release()
        results = [held.result(), *(other.result() for other in others)]
    assert len({result.access_token for result in results}) == 1
    assert len({str(result.handle) for result in results}) == 1
    assert results[0].access_token != first.access_token
    assert site_calls(core, user) == 1


def test_session_about_to_end_is_not_refreshed_again_and_again(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.site.accounts.REFRESH_TOKEN_SECONDS", 45)
    user = core.new_user()
    first = core.signed_in(user)
    for _ in range(3):
        assert core.refresh().refresh(first.handle).handle == first.handle
    assert site_calls(core, user) == 0


def test_refresh_keeps_a_session_from_idling_out(core: Core) -> None:
    first = core.signed_in()
    core.clock.advance(300)
    again = core.refresh().refresh(first.handle)
    assert again.session.idle_expires_at == first.session.idle_expires_at + 300


# ---- handles -------------------------------------------------------------------------------------------------


def test_previous_handle_returns_the_current_one_in_its_grace_period(core: Core) -> None:
    user = core.new_user()
    first = core.signed_in(user)
    core.expire_access_token()
    second = core.refresh().refresh(first.handle)
    core.clock.advance(30)
    again = core.refresh().refresh(first.handle)
    assert (again.handle, again.access_token) == (second.handle, second.access_token)
    assert site_calls(core, user) == 1


def test_previous_handle_after_its_grace_period_ends_the_session(core: Core) -> None:
    first = core.signed_in()
    core.expire_access_token()
    second = core.refresh().refresh(first.handle)
    core.clock.advance(31)
    with pytest.raises(HandleReplayed):
        core.refresh().refresh(first.handle)
    with pytest.raises(SessionEnded):
        core.refresh().refresh(second.handle)
    assert not has_bearer(core, second.access_token)


def test_older_handle_ends_the_session(core: Core) -> None:
    handles = [core.signed_in().handle]
    for _ in range(2):
        core.expire_access_token()
        handles.append(core.refresh().refresh(handles[-1]).handle)
    with pytest.raises(HandleReplayed):
        core.refresh().refresh(handles[0])
    with pytest.raises(SessionEnded):
        core.refresh().refresh(handles[-1])


def test_handle_that_was_never_issued_is_rejected_and_ends_nothing(core: Core) -> None:
    signed_in, other = core.signed_in(), core.signed_in()
    core.expire_access_token()
    core.refresh().refresh(other.handle)
    session_id = signed_in.session.session_id
    for made_up in (Handle.next_of(session_id), Handle.new(), Handle(session_id, other.handle.secret)):
        with pytest.raises(SessionEnded) as caught:
            core.refresh().refresh(made_up)
        assert not isinstance(caught.value, HandleReplayed)
    assert core.refresh().refresh(signed_in.handle)


# ---- tokens that the site has rejected -----------------------------------------------------------------------


def test_token_that_the_site_rejected_is_replaced_with_one_site_call_for_all_tabs(core: Core) -> None:
    user = core.new_user()
    first = core.signed_in(user)
    results = [core.refresh().refresh(first.handle, first.access_token) for _ in range(3)]
    assert {result.access_token for result in results} == {results[0].access_token} != {first.access_token}
    assert site_calls(core, user) == 1
    assert not has_bearer(core, first.access_token)


def test_another_rejected_token_than_the_stored_one_makes_no_site_call(core: Core) -> None:
    user = core.new_user()
    first = core.signed_in(user)
    assert core.refresh().refresh(first.handle, "another token").access_token == first.access_token
    assert site_calls(core, user) == 0


def test_session_that_the_site_ended_ends_at_the_next_site_call(core: Core) -> None:
    user = core.new_user()
    first = core.signed_in(user)
    core.fake_site.switch(user, two_factor=True)
    assert core.refresh().refresh(first.handle).access_token == first.access_token  # still fresh here
    with pytest.raises(SessionEnded):
        core.refresh().refresh(first.handle, first.access_token)
    assert not core.has_session(first)
    assert not has_bearer(core, first.access_token)


# ---- a site in trouble ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("html", SiteError),
        ("html_401", SiteError),
        ("empty", SiteError),
        ("missing_access_token", SiteError),
        ("redirect", SiteError),
        ("teapot", SiteError),
        ("503", SiteUnavailable),
        ("drop", SiteUnavailable),
    ],
)
def test_site_in_trouble_leaves_the_session_unchanged(core: Core, fault: str, error: type[Exception]) -> None:
    user = core.new_user()
    first = core.signed_in(user)
    core.expire_access_token()
    before = core.session_row(first)
    core.fake_site.switch(user, fault=fault)
    for _ in range(2):
        with pytest.raises(error):
            core.refresh().refresh(first.handle)
    after = core.session_row(first)
    assert after.pop("lease") == ""  # the next caller does not wait for the lease to expire
    assert {**after, "lease": "", "lease_until": 0} == before
    core.fake_site.switch(user, fault="")
    assert core.refresh().refresh(first.handle).access_token != first.access_token


@pytest.mark.parametrize("retires_refresh_tokens", [True, False])
def test_lost_response_of_the_site_leaves_a_session_that_works_or_ends(
    core: Core, retires_refresh_tokens: bool
) -> None:
    user = core.new_user(retires_refresh_tokens=retires_refresh_tokens)
    first = core.signed_in(user)
    core.expire_access_token()
    core.fake_site.switch(user, fault="drop_response")
    with pytest.raises(SiteUnavailable):
        core.refresh().refresh(first.handle)
    core.fake_site.switch(user, fault="")
    if retires_refresh_tokens:
        with pytest.raises(SessionEnded):
            core.refresh().refresh(first.handle)
    else:
        assert core.refresh().refresh(first.handle)


def test_callers_that_wait_for_a_failed_refresh_fail_without_a_site_call(core: Core) -> None:
    user = core.new_user()
    first = core.signed_in(user)
    core.expire_access_token()
    session_id, now = first.session.session_id, core.clock.now
    lease = core.sessions.take_lease(first.session, now + LEASE_SECONDS, now)
    assert lease
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        core.sessions.release_lease(session_id, lease)  # the holder of the lease has failed

    with pytest.raises(SiteUnavailable) as caught:
        Refresh(core.site, core.sessions, core.clock, pause).refresh(first.handle)
    assert caught.value.reason == "another refresh of the session failed"
    assert len(pauses) == 1
    assert site_calls(core, user) == 0


# ---- functions that crash or are late ------------------------------------------------------------------------


def test_wait_for_another_refresh_ends_after_twelve_seconds(core: Core) -> None:
    first = core.signed_in()
    core.expire_access_token()
    started = core.clock.now
    assert core.sessions.take_lease(first.session, started + 60, started)
    with pytest.raises(SiteUnavailable) as caught:
        core.refresh().refresh(first.handle)
    assert core.clock.now - started == WAIT_SECONDS + 1
    assert caught.value.retry_after == 60 - WAIT_SECONDS - 1


def test_lease_of_a_crashed_function_delays_the_next_refresh_until_it_expires(core: Core) -> None:
    user = core.new_user()
    first = core.signed_in(user)
    core.expire_access_token()
    started = core.clock.now
    assert core.sessions.take_lease(first.session, started + 5, started)
    assert core.refresh().refresh(first.handle).access_token != first.access_token
    assert 5 <= core.clock.now - started <= WAIT_SECONDS
    assert site_calls(core, user) == 1


@pytest.mark.parametrize("retires_refresh_tokens", [True, False])
def test_late_function_does_not_undo_a_newer_rotation(core: Core, retires_refresh_tokens: bool) -> None:
    # The site either rejects the late function's refresh token, or returns tokens that are older than the stored ones.
    user = core.new_user(retires_refresh_tokens=retires_refresh_tokens)
    first = core.signed_in(user)
    core.expire_access_token()
    with held_at_the_site(core, user, first) as late:
        core.clock.advance(LEASE_SECONDS)
        current = core.refresh().refresh(first.handle)
        core.fake_site.release()
        assert late.result().access_token == current.access_token
        assert late.result().handle == current.handle
    assert core.refresh().refresh(current.handle)


def test_late_function_keeps_its_tokens_if_there_are_no_newer_ones(core: Core) -> None:
    user = core.new_user(retires_refresh_tokens=True)
    first = core.signed_in(user)
    core.expire_access_token()
    with held_at_the_site(core, user, first) as late:
        core.clock.advance(LEASE_SECONDS)
        core.fake_site.release()
        renewed = late.result()
    assert core.refresh().refresh(renewed.handle).access_token == renewed.access_token


def test_sign_out_during_a_site_call_stays_signed_out(core: Core) -> None:
    user = core.new_user()
    first = core.signed_in(user)
    core.expire_access_token()
    with held_at_the_site(core, user, first) as late:
        core.sessions.sign_out(first.handle, core.clock.now)
        core.fake_site.release()
        with pytest.raises(SessionEnded):
            late.result()
    assert not core.has_session(first)
    assert not has_bearer(core, first.access_token)


def test_lease_is_longer_than_a_site_call_and_wait_and_call_fit_into_api_gateways_limit() -> None:
    assert LEASE_SECONDS > RESPONSE_SECONDS
    assert WAIT_SECONDS + RESPONSE_SECONDS < 29
