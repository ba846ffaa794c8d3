"""Refresh: one site call for each expiry, rotation, replay, and failures of the site and of functions.

Every caller has a connection of its own, as each function instance has. Waiting moves the test's clock.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from shotgrid_login import log
from shotgrid_login.errors import HandleReplayed, SessionEnded, SiteError, SiteUnavailable
from shotgrid_login.places import REFRESHES, NoPlace
from shotgrid_login.refresh import (
    FORCED_INTERVAL,
    LEASE_SECONDS,
    RETRY_AFTER,
    USER_MAX_AGE,
    WAIT_SECONDS,
    Refresh,
)
from shotgrid_login.sessions import GRACE_SECONDS, MAX_WAITERS, Handle, Session, SignedIn
from shotgrid_login.site import RESPONSE_SECONDS, USER_SECONDS, Site
from tests.site.fake_site import Account
from tests.support.core import Core


def site_calls(core: Core, user: Account) -> int:
    return core.fake_site.requests_for(user, "refresh_token")


def has_bearer(core: Core, signed_in: SignedIn) -> bool:
    return core.bearers.find(signed_in.api_token, core.clock.now) is not None


def made_up(session_id: str) -> Handle:
    """Return a handle that no session has issued."""
    return Handle.issue(session_id, secrets.token_bytes(32), secrets.token_bytes(32))


def patient(core: Core) -> Refresh:
    """Return a refresh whose pauses do not move the clock: another caller works meanwhile, or the site holds it."""
    return Refresh(Site(core.fake_site.url), core.sessions, core.places, core.clock, lambda _: time.sleep(0.01))


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
    assert (again.access_token, again.api_token, again.handle) == (first.access_token, first.api_token, first.handle)
    assert again.session.user == first.session.user
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
    assert has_bearer(core, second)
    assert has_bearer(core, first)  # another tab may use it for its last minute
    assert site_calls(core, user) == 1


@pytest.mark.parametrize("retires_refresh_tokens", [True, False])
@pytest.mark.parametrize("expires_in", [600, 60])
def test_parallel_refreshes_make_one_site_call(core: Core, retires_refresh_tokens: bool, expires_in: int) -> None:
    user = core.new_user(retires_refresh_tokens=retires_refresh_tokens, expires_in=expires_in)
    first = core.signed_in(user)
    core.clock.now += expires_in
    with held_at_the_site(core, user, first) as held, ThreadPoolExecutor(5) as pool:
        others = [pool.submit(patient(core).refresh, first.handle) for _ in range(5)]
        core.fake_site.release()
        results = [held.result(), *(other.result() for other in others)]
    assert len({(result.access_token, result.api_token) for result in results}) == 1
    assert results[0].access_token != first.access_token
    assert site_calls(core, user) == 1
    # Each caller has a handle of its own, and each of them works.
    assert len({str(result.handle) for result in results}) == len(results)
    assert {core.refresh().refresh(result.handle).handle for result in results} == {one.handle for one in results}


def test_callers_receive_the_stored_token_while_it_is_valid_and_another_one_calls_the_site(core: Core) -> None:
    user = core.new_user()
    first = core.signed_in(user)
    core.clock.now = first.session.access_expires_at - 1
    pauses: list[float] = []
    with held_at_the_site(core, user, first):
        for _ in range(20):
            result = Refresh(core.site, core.sessions, core.places, core.clock, pauses.append).refresh(first.handle)
            assert (result.access_token, result.handle) == (first.access_token, first.handle)
    assert not pauses
    assert site_calls(core, user) == 1


def test_only_a_few_callers_of_a_session_wait_and_the_others_come_back_at_once(core: Core) -> None:
    user = core.new_user()
    first = core.signed_in(user)
    core.clock.now = first.session.access_expires_at
    with held_at_the_site(core, user, first) as held:
        leased = core.sessions.find(first.session.session_id, core.clock.now)
        for _ in range(MAX_WAITERS):
            assert core.sessions.join_waiters(leased)
        pauses: list[float] = []
        with pytest.raises(SiteUnavailable) as caught:
            Refresh(core.site, core.sessions, core.places, core.clock, pauses.append).refresh(first.handle)
        assert caught.value.retry_after == RETRY_AFTER == 1
        assert not pauses
        core.fake_site.release()
        renewed = held.result()
    assert core.refresh().refresh(first.handle).access_token == renewed.access_token


@pytest.mark.parametrize("is_forced", [True, False])
def test_twenty_callers_at_once_end_with_the_one_new_token_after_at_most_one_retry(core: Core, is_forced: bool) -> None:
    user = core.new_user()
    first = core.signed_in(user)
    if not is_forced:
        core.clock.now = first.session.access_expires_at
    rejected = first.access_token if is_forced else None
    sent_away = threading.Semaphore(0)
    waits: set[int | None] = set()

    def call() -> SignedIn:
        try:
            return patient(core).refresh(first.handle, rejected)
        except SiteUnavailable as error:
            waits.add(error.retry_after)
            sent_away.release()
            held.result()  # a second later, a healthy site has responded
            return patient(core).refresh(first.handle, rejected)

    core.fake_site.switch(user, fault="hold")
    with ThreadPoolExecutor(20) as pool:
        held = pool.submit(patient(core).refresh, first.handle, rejected)
        assert core.fake_site.held.acquire(timeout=30)
        core.fake_site.switch(user, fault="")
        others = [pool.submit(call) for _ in range(19)]
        for _ in range(19 - MAX_WAITERS):
            assert sent_away.acquire(timeout=30)
        core.fake_site.release()
        tokens = {held.result().access_token, *(other.result().access_token for other in others)}
    assert waits == {1}
    assert len(tokens) == 1
    assert first.access_token not in tokens
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


def test_lost_response_loses_no_session_however_late_the_page_tries_again(core: Core) -> None:
    user = core.new_user()
    first = core.signed_in(user)
    core.expire_access_token()
    lost = core.refresh().refresh(first.handle)
    again = core.refresh().refresh(first.handle)
    assert (again.access_token, again.api_token) == (lost.access_token, lost.api_token)
    assert again.handle not in (lost.handle, first.handle)
    assert site_calls(core, user) == 1
    core.clock.advance(3600)  # that response was lost too, and the laptop was closed
    later = core.refresh().refresh(first.handle)
    assert core.refresh().refresh(later.handle).access_token == later.access_token
    assert site_calls(core, user) == 2


def test_handle_that_rotated_works_in_its_grace_period_and_ends_the_session_after(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[str] = []
    monkeypatch.setattr(log, "log_user", logged.append)
    first = core.signed_in()
    core.expire_access_token()
    second = core.refresh().refresh(first.handle)
    core.refresh().refresh(second.handle)
    core.clock.advance(GRACE_SECONDS)
    assert core.refresh().refresh(first.handle).access_token == second.access_token
    core.clock.advance(1)
    assert logged == []
    with pytest.raises(HandleReplayed):
        core.refresh().refresh(first.handle)
    assert logged == [first.session.user_hash]  # the line of the request says whose handle was copied
    with pytest.raises(SessionEnded):
        core.refresh().refresh(second.handle)
    assert not has_bearer(core, second)


@pytest.mark.parametrize("expires_in", [60, 120, 600, 3600])
@pytest.mark.parametrize("first_to_rotate", ["owner", "copy"])
def test_copy_that_keeps_pace_with_its_owner_ends_the_session_within_two_token_lifetimes(
    core: Core, expires_in: int, first_to_rotate: str
) -> None:
    user = core.new_user(expires_in=expires_in)
    first = core.signed_in(user)
    handles = {"owner": first.handle, "copy": first.handle}
    started = core.clock.now

    def refresh_both_in_each_lifetime() -> None:
        for lifetime in range(1, 10):
            core.clock.now = started + lifetime * expires_in
            for holder in sorted(handles, key=lambda holder: holder != first_to_rotate):
                handles[holder] = core.refresh().refresh(handles[holder]).handle
                core.clock.advance(1)

    with pytest.raises(HandleReplayed):
        refresh_both_in_each_lifetime()
    assert core.clock.now - started <= 2 * expires_in + 2
    assert not core.has_session(first)


def test_pages_that_share_a_cookie_but_no_lock_keep_their_session(core: Core) -> None:
    user = core.new_user(expires_in=120)
    cookie = core.signed_in(user).handle
    for lifetime in range(8):
        core.clock.advance(120)
        with ThreadPoolExecutor(3) as pool:
            # All pages send the same cookie at once. The browser keeps the one that arrives last.
            results = [page.result() for page in [pool.submit(patient(core).refresh, cookie) for _ in range(3)]]
        cookie = results[lifetime % 3].handle
        assert len({result.access_token for result in results}) == 1


def test_caller_that_finds_the_session_rotated_gets_the_new_generation(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = core.signed_in()
    core.clock.advance(120)
    note_use = core.sessions.note_use

    def rotated_in_between(session: Session, now: int, *, confirms: bool) -> Session:
        patched.undo()
        core.refresh().refresh(first.handle, first.access_token)
        return note_use(session, now, confirms=confirms)

    with monkeypatch.context() as patched:
        patched.setattr(core.sessions, "note_use", rotated_in_between)
        result = core.refresh().refresh(first.handle)
    assert result.access_token != first.access_token
    assert core.refresh().refresh(result.handle).access_token == result.access_token


def test_tabs_that_share_the_newest_handle_keep_their_session(core: Core) -> None:
    handle = core.signed_in(core.new_user(expires_in=120)).handle
    for _ in range(5):
        core.clock.advance(120)
        for _ in range(10):  # one tab after the other, as their lock demands
            handle = core.refresh().refresh(handle).handle


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
    for foreign in (made_up(session_id), made_up("x" * 22), Handle(session_id, other.handle.secret)):
        with pytest.raises(SessionEnded) as caught:
            core.refresh().refresh(foreign)
        assert not isinstance(caught.value, HandleReplayed)
    assert core.refresh().refresh(signed_in.handle)


# ---- tokens that the site has rejected -----------------------------------------------------------------------


def test_token_that_the_site_rejected_is_replaced_with_one_site_call_for_all_tabs(core: Core) -> None:
    user = core.new_user()
    first = core.signed_in(user)
    results = [core.refresh().refresh(first.handle, first.access_token) for _ in range(3)]
    assert {result.access_token for result in results} == {results[0].access_token} != {first.access_token}
    assert site_calls(core, user) == 1
    assert not has_bearer(core, first)
    assert has_bearer(core, results[0])


def test_rejected_tokens_force_one_site_call_in_thirty_seconds(core: Core) -> None:
    user = core.new_user()
    result = core.signed_in(user)
    for _ in range(40):  # a page that reports every new token
        result = core.refresh().refresh(result.handle, result.access_token)
    assert site_calls(core, user) == 1
    core.clock.advance(FORCED_INTERVAL - 1)
    assert core.refresh().refresh(result.handle, result.access_token).access_token == result.access_token
    core.clock.advance(1)
    assert core.refresh().refresh(result.handle, result.access_token).access_token != result.access_token
    assert site_calls(core, user) == 2


def test_forced_site_call_that_fails_is_not_repeated_for_thirty_seconds(core: Core) -> None:
    user = core.new_user()
    first = core.signed_in(user)
    core.fake_site.switch(user, fault="503")
    with pytest.raises(SiteUnavailable):
        core.refresh().refresh(first.handle, first.access_token)
    assert core.refresh().refresh(first.handle, first.access_token).access_token == first.access_token
    assert site_calls(core, user) == 1


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
    assert not has_bearer(core, first)


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
    assert after["lease"] == ""  # the next caller does not wait for the lease to expire
    assert {**after, "lease_until": 0} == before
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


def test_refresh_without_a_place_returns_the_stored_token_while_it_is_valid(core: Core) -> None:
    user = core.new_user()
    first = core.signed_in(user)
    core.clock.now = first.session.access_expires_at - 1
    with core.without_places(REFRESHES):
        assert core.refresh().refresh(first.handle).access_token == first.access_token
        core.clock.advance(1)
        for _ in range(2):
            with pytest.raises(NoPlace):
                core.refresh().refresh(first.handle)
        assert site_calls(core, user) == 0
    assert core.refresh().refresh(first.handle).access_token != first.access_token
    assert core.taken_places(REFRESHES) == 0


def test_refresh_without_a_place_does_not_return_a_rejected_token(core: Core) -> None:
    user = core.new_user()
    first = core.signed_in(user)
    with core.without_places(REFRESHES):
        for _ in range(2):
            with pytest.raises(NoPlace):
                core.refresh().refresh(first.handle, first.access_token)
    assert core.refresh().refresh(first.handle, first.access_token).access_token != first.access_token


def test_refresh_that_cannot_give_its_place_back_ends_as_with_it(core: Core) -> None:
    user = core.new_user()
    first = core.signed_in(user)
    core.expire_access_token()
    with core.failing_writes("waiting#", "REMOVE"):
        second = core.refresh().refresh(first.handle)
        assert second.access_token != first.access_token
        core.fake_site.end_sessions(user)
        core.expire_access_token()
        with pytest.raises(SessionEnded):
            core.refresh().refresh(second.handle)
    assert not core.has_session(first)


@pytest.mark.parametrize("fault", ["503", "401"])
def test_refresh_that_fails_gives_its_place_back(core: Core, fault: str) -> None:
    user = core.new_user()
    first = core.signed_in(user)
    core.expire_access_token()
    core.fake_site.switch(user, fault=fault)
    with pytest.raises((SiteUnavailable, SessionEnded)):
        core.refresh().refresh(first.handle)
    assert core.taken_places(REFRESHES) == 0


def test_callers_that_wait_for_a_failed_refresh_fail_without_a_site_call(core: Core) -> None:
    user = core.new_user()
    first = core.signed_in(user)
    core.clock.now = first.session.access_expires_at
    leased = core.sessions.take_lease(first.session, core.clock.now + LEASE_SECONDS, core.clock.now)
    assert leased
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        core.sessions.release_lease(leased)  # the holder of the lease has failed

    with pytest.raises(SiteUnavailable) as caught:
        Refresh(core.site, core.sessions, core.places, core.clock, pause).refresh(first.handle)
    assert caught.value.reason == "another refresh of the session failed"
    assert len(pauses) == 1
    assert site_calls(core, user) == 0


# ---- functions that crash or are late ------------------------------------------------------------------------


def test_wait_for_another_refresh_ends_after_three_seconds(core: Core) -> None:
    first = core.signed_in()
    core.clock.now = started = first.session.access_expires_at
    assert core.sessions.take_lease(first.session, started + 60, started)
    with pytest.raises(SiteUnavailable) as caught:
        core.refresh().refresh(first.handle)
    assert core.clock.now - started == WAIT_SECONDS + 1
    assert caught.value.retry_after == 1


def test_lease_of_a_crashed_function_delays_the_next_refresh_until_it_expires(core: Core) -> None:
    user = core.new_user()
    first = core.signed_in(user)
    core.clock.now = started = first.session.access_expires_at
    assert core.sessions.take_lease(first.session, started + 2, started)
    assert core.refresh().refresh(first.handle).access_token != first.access_token
    assert 2 <= core.clock.now - started <= WAIT_SECONDS
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
    assert core.refresh().refresh(late.result().handle).access_token == current.access_token
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
        core.sessions.sign_out(first.handle)
        core.fake_site.release()
        with pytest.raises(SessionEnded):
            late.result()
    assert not core.has_session(first)
    assert not has_bearer(core, first)


def test_lease_is_longer_than_a_site_call_and_wait_and_call_fit_into_api_gateways_limit() -> None:
    assert LEASE_SECONDS > RESPONSE_SECONDS + USER_SECONDS
    assert WAIT_SECONDS + RESPONSE_SECONDS + USER_SECONDS < 29


# ---- the user's record ---------------------------------------------------------------------------------------


def test_user_who_loses_a_group_at_the_site_loses_it_with_the_next_token_after_fifteen_minutes(core: Core) -> None:
    user = core.new_user()
    user.permission_group = "Admin"
    first = core.signed_in(user)
    assert first.session.user.permission_group == "Admin"
    user.permission_group = "Artist"
    core.clock.now = first.session.access_expires_at
    second = core.refresh().refresh(first.handle)
    assert second.session.user.permission_group == "Admin"  # read less than 15 minutes ago
    core.clock.now = first.session.user_read_at + USER_MAX_AGE + 300
    third = core.refresh().refresh(second.handle)
    assert third.session.user.permission_group == "Artist"
    bearer = core.bearers.find(third.api_token, core.clock.now)
    assert bearer is not None
    assert bearer.user.permission_group == "Artist"


def test_site_that_does_not_return_the_record_fails_no_refresh_and_keeps_the_known_one(core: Core) -> None:
    user = core.new_user()
    user.permission_group = "Admin"
    first = core.signed_in(user)
    user.permission_group = "Artist"
    core.fake_site.switch(user, user_fault="503")
    core.clock.now = first.session.user_read_at + USER_MAX_AGE + 1
    second = core.refresh().refresh(first.handle)
    assert second.session.user == first.session.user
    core.fake_site.switch(user, user_fault="")
    core.clock.now = second.session.access_expires_at
    assert core.refresh().refresh(second.handle).session.user.permission_group == "Artist"
