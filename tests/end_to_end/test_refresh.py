"""Refresh: one site call an expiry, rotation, replay, and every way a site or a function can fail meanwhile."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.site.fake_site import Account
from tests.support.client import Caller, Gateway, Response, expire_access_token, session_row, until


def test_a_fresh_token_is_handed_out_again_without_asking_the_site(gateway: Gateway) -> None:
    user, caller = gateway.new_user(), gateway.caller()
    first = caller.signed_in(user).body
    again = caller.refresh(first["refresh_token"])
    assert again.status == 200
    for name in ("access_token", "refresh_token", "user"):
        assert again.body[name] == first[name]
    assert again.body["expires_in"] <= first["expires_in"]
    assert gateway.site.requests_for(user, "refresh_token") == 0


def test_an_expiring_token_is_renewed_and_the_handle_rotated(gateway: Gateway) -> None:
    user, caller = gateway.new_user(), gateway.caller()
    first = caller.signed_in(user).body
    expire_access_token(gateway, first["refresh_token"])
    second = caller.refresh(first["refresh_token"]).body
    assert second["access_token"] != first["access_token"]
    assert second["refresh_token"] != first["refresh_token"]
    assert 590 <= second["expires_in"] <= 600
    assert second["session"]["expires_at"] == first["session"]["expires_at"]
    assert caller.session(second["access_token"]).status == 200
    assert caller.session(first["access_token"]).status == 200  # it has a minute left, and another tab uses it
    assert gateway.site.requests_for(user, "refresh_token") == 1


@pytest.mark.parametrize("retires_refresh_tokens", [True, False])
def test_twenty_refreshes_at_once_are_one_for_the_site(gateway: Gateway, retires_refresh_tokens: bool) -> None:
    user, caller = gateway.new_user(retires_refresh_tokens=retires_refresh_tokens), gateway.caller()
    first = caller.signed_in(user).body
    with ThreadPoolExecutor(20) as pool:
        # Once while it is fresh, so that twenty functions are warm and the next twenty really meet.
        list(pool.map(lambda _: caller.refresh(first["refresh_token"]), range(20)))
        expire_access_token(gateway, first["refresh_token"])
        responses = list(pool.map(lambda _: caller.refresh(first["refresh_token"]), range(20)))
    assert [response.status for response in responses] == [200] * 20
    assert len({response.body["access_token"] for response in responses}) == 1
    assert len({response.body["refresh_token"] for response in responses}) == 1
    assert responses[0].body["access_token"] != first["access_token"]
    assert gateway.site.requests_for(user, "refresh_token") == 1


@pytest.mark.parametrize("expires_in", [60, 119])
def test_a_site_with_short_lived_tokens_is_not_asked_for_every_tab(gateway: Gateway, expires_in: int) -> None:
    user, caller = gateway.new_user(expires_in=expires_in), gateway.caller()
    handle = caller.signed_in(user).body["refresh_token"]
    expire_access_token(gateway, handle)
    with ThreadPoolExecutor(4) as pool:
        responses = list(pool.map(lambda _: caller.refresh(handle), range(4)))
    assert [response.status for response in responses] == [200] * 4
    assert gateway.site.requests_for(user, "refresh_token") == 1


def test_the_previous_handle_gets_the_current_one_for_half_a_minute(gateway: Gateway) -> None:
    user, caller = gateway.new_user(), gateway.caller()
    first = caller.signed_in(user).body["refresh_token"]
    expire_access_token(gateway, first)
    second = caller.refresh(first).body
    again = caller.refresh(first)
    assert again.status == 200
    assert again.body["refresh_token"] == second["refresh_token"]
    assert again.body["access_token"] == second["access_token"]
    assert gateway.site.requests_for(user, "refresh_token") == 1
    until_30 = int(gateway.state.get(session_row(first))["previous_until"]["N"]) - time.time()
    assert 20 < until_30 <= 30


def test_the_previous_handle_after_that_was_copied_and_ends_the_session(gateway: Gateway) -> None:
    user, caller = gateway.new_user(), gateway.caller()
    first = caller.signed_in(user).body["refresh_token"]
    expire_access_token(gateway, first)
    second = caller.refresh(first).body
    gateway.state.set(session_row(first), previous_until=int(time.time()) - 1)
    assert caller.refresh(first).code == "session_ended"
    assert caller.refresh(second["refresh_token"]).code == "session_ended"
    assert caller.session(second["access_token"]).status == 401


def test_any_older_handle_ends_the_session(gateway: Gateway) -> None:
    user, caller = gateway.new_user(), gateway.caller()
    handles = [caller.signed_in(user).body["refresh_token"]]
    for _ in range(3):
        handles.append(caller.rotate(handles[-1]))
    assert len(set(handles)) == 4
    assert caller.refresh(handles[0]).code == "session_ended"
    assert caller.refresh(handles[-1]).code == "session_ended"


def test_a_made_up_handle_ends_nothing(gateway: Gateway) -> None:
    user, caller = gateway.new_user(), gateway.caller()
    handle = caller.signed_in(user).body["refresh_token"]
    session_id = handle.partition(".")[0]
    for made_up in (
        f"{session_id}.{secrets.token_urlsafe(32)}",
        f"{secrets.token_urlsafe(16)}.{secrets.token_urlsafe(32)}",
        f"{session_id}.",
        session_id,
        "nonsense",
        handle + "A",
    ):
        refused = caller.refresh(made_up)
        assert (refused.status, refused.code) == (401, "session_ended")
    assert caller.refresh(handle).status == 200


def test_another_sessions_retired_handle_ends_nothing(gateway: Gateway) -> None:
    caller = gateway.caller()
    first = caller.signed_in(gateway.new_user()).body["refresh_token"]
    expire_access_token(gateway, first)
    assert caller.refresh(first).status == 200
    other = caller.signed_in(gateway.new_user()).body["refresh_token"]
    crossed = f"{other.partition('.')[0]}.{first.partition('.')[2]}"
    gateway.secrets.add(crossed)
    assert caller.refresh(crossed).code == "session_ended"
    assert caller.refresh(other).status == 200


def test_without_a_handle_there_is_nothing_to_refuse(gateway: Gateway) -> None:
    for response in (
        gateway.caller().send("POST", "/auth/refresh"),
        gateway.caller().send("POST", "/auth/refresh", {}),
    ):
        assert (response.status, response.body) == (200, {"status": "signed_out"})


@pytest.mark.parametrize("limit", ["expires_at", "idle_expires_at"])
def test_a_session_ends_at_its_limits(gateway: Gateway, limit: str) -> None:
    caller = gateway.caller()
    signed_in = caller.signed_in(gateway.new_user()).body
    gateway.state.set(session_row(signed_in["refresh_token"]), **{limit: int(time.time())})
    assert caller.refresh(signed_in["refresh_token"]).code == "session_ended"
    assert caller.session(signed_in["access_token"]).code == "session_ended"


def test_using_a_session_keeps_it_from_idling_out(gateway: Gateway) -> None:
    caller = gateway.caller()
    handle = caller.signed_in(gateway.new_user()).body["refresh_token"]
    soon = int(time.time()) + 30
    gateway.state.set(session_row(handle), idle_expires_at=soon)
    assert caller.refresh(handle).status == 200
    assert int(gateway.state.get(session_row(handle))["idle_expires_at"]["N"]) > soon + 7000


def test_the_sites_own_expiry_wins_when_it_is_shorter(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.site.fake_site.REFRESH_TOKEN_SECONDS", 1800)
    caller = gateway.caller()
    signed_in = caller.signed_in(gateway.new_user()).body
    row = gateway.state.get(session_row(signed_in["refresh_token"]))
    assert int(row["expires_at"]["N"]) == pytest.approx(time.time() + 1800, abs=30)
    assert signed_in["session"]["expires_at"] == signed_in["session"]["idle_expires_at"]


def test_a_session_that_the_site_ended_is_over_at_the_next_expiry(gateway: Gateway) -> None:
    user, caller = gateway.new_user(), gateway.caller()
    signed_in = caller.signed_in(user).body
    gateway.site.switch(user, two_factor=True)
    expire_access_token(gateway, signed_in["refresh_token"])
    refused = caller.refresh(signed_in["refresh_token"])
    assert (refused.status, refused.code) == (401, "session_ended")
    assert caller.session(signed_in["access_token"]).status == 401
    assert gateway.site.requests_for(user, "refresh_token") == 1


def test_tabs_whose_token_the_site_refused_ask_it_once(gateway: Gateway) -> None:
    user, caller = gateway.new_user(), gateway.caller()
    first = caller.signed_in(user).body
    refused = {"refused_access_token": first["access_token"]}
    with ThreadPoolExecutor(5) as pool:
        responses = list(pool.map(lambda _: caller.refresh(first["refresh_token"], **refused), range(5)))
    assert [response.status for response in responses] == [200] * 5
    assert {response.body["access_token"] for response in responses}.isdisjoint({first["access_token"]})
    assert gateway.site.requests_for(user, "refresh_token") == 1


def test_a_token_that_the_site_refused_is_no_bearer_any_more(gateway: Gateway) -> None:
    caller = gateway.caller()
    first = caller.signed_in(gateway.new_user()).body
    second = caller.refresh(first["refresh_token"], refused_access_token=first["access_token"]).body
    third = caller.refresh(second["refresh_token"], refused_access_token=second["access_token"]).body
    assert [caller.session(body["access_token"]).status for body in (first, second, third)] == [401, 401, 200]
    assert caller.logout(third["refresh_token"]).status == 204
    assert gateway.bearers_of(first["refresh_token"]) == []


FAULTS = [
    ("html", "site_error"),
    ("html_401", "site_error"),
    ("empty", "site_error"),
    ("truncated_json", "site_error"),
    ("missing_access_token", "site_error"),
    ("expires_in_text", "site_error"),
    ("redirect", "site_error"),
    ("teapot", "site_error"),
    ("503", "site_unavailable"),
    ("drop", "site_unavailable"),
]


@pytest.mark.parametrize(("fault", "code"), FAULTS)
def test_a_site_in_trouble_costs_nobody_the_session(gateway: Gateway, fault: str, code: str) -> None:
    user, caller = gateway.new_user(), gateway.caller()
    handle = caller.signed_in(user).body["refresh_token"]
    expire_access_token(gateway, handle)
    gateway.site.switch(user, fault=fault)
    for _ in range(2):
        response = caller.refresh(handle)
        assert response.code == code
        assert response.status == {"site_error": 502, "site_unavailable": 503}[code]
    gateway.site.switch(user, fault="")
    assert caller.refresh(handle).status == 200


def test_tabs_that_wait_for_a_site_in_trouble_do_not_queue_up_for_it(gateway: Gateway) -> None:
    user, caller = gateway.new_user(), gateway.caller()
    handle = caller.signed_in(user).body["refresh_token"]
    expire_access_token(gateway, handle)
    gateway.site.switch(user, fault="delay:2")
    with ThreadPoolExecutor(6) as pool:
        first = pool.submit(caller.refresh, handle)
        until(lambda: gateway.state.get(session_row(handle))["lease"]["S"])
        others = [pool.submit(caller.refresh, handle) for _ in range(5)]
        gateway.site.switch(user, fault="")
        assert [response.result().status for response in (first, *others)] == [200] * 6
    assert gateway.site.requests_for(user, "refresh_token") == 1


@pytest.mark.parametrize("retires_refresh_tokens", [True, False])
def test_a_lost_answer_leaves_a_session_that_works_or_ends(gateway: Gateway, retires_refresh_tokens: bool) -> None:
    user = gateway.new_user(retires_refresh_tokens=retires_refresh_tokens)
    caller = gateway.caller()
    handle = caller.signed_in(user).body["refresh_token"]
    expire_access_token(gateway, handle)
    gateway.site.switch(user, fault="drop_response")
    assert caller.refresh(handle).code == "site_unavailable"
    gateway.site.switch(user, fault="")
    assert caller.refresh(handle).status == (401 if retires_refresh_tokens else 200)


@pytest.mark.parametrize("retires_refresh_tokens", [True, False])
def test_a_function_killed_before_it_could_write_delays_the_next_one_by_its_lease_at_most(
    gateway: Gateway, retires_refresh_tokens: bool
) -> None:
    user = gateway.new_user(retires_refresh_tokens=retires_refresh_tokens, expires_in=600)
    caller = gateway.caller()
    handle = caller.signed_in(user).body["refresh_token"]
    expire_access_token(gateway, handle)
    with ThreadPoolExecutor(2) as pool:
        killed = _held_at_the_site(gateway, user, pool, caller, handle)
        _kill_the_function_that_waits_for_the_site(gateway)
        assert killed.result().status >= 500
        gateway.site.release()  # the site does what it was asked for; nobody is left to hear its response
        until(lambda: gateway.site.responses[user.login, "refresh_token"])
        lease_until = int(gateway.state.get(session_row(handle))["lease_until"]["N"])
        assert 0 < lease_until - time.time() <= 20
        waiting = pool.submit(caller.refresh, handle)
        gateway.state.set(session_row(handle), lease_until=int(time.time()) - 1)
        assert waiting.result().status == (401 if retires_refresh_tokens else 200)
    if not retires_refresh_tokens:
        assert caller.refresh(waiting.result().body["refresh_token"]).status == 200


@pytest.mark.parametrize("retires_refresh_tokens", [True, False])
def test_a_late_function_does_not_undo_what_came_after_it(gateway: Gateway, retires_refresh_tokens: bool) -> None:
    # A site that retires refresh tokens refuses the late one, another one responses it: neither ends the session.
    user, caller = gateway.new_user(retires_refresh_tokens=retires_refresh_tokens), gateway.caller()
    handle = caller.signed_in(user).body["refresh_token"]
    expire_access_token(gateway, handle)
    with ThreadPoolExecutor(1) as pool:
        late = _held_at_the_site(gateway, user, pool, caller, handle)
        gateway.state.set(session_row(handle), lease_until=int(time.time()) - 1)
        current = caller.refresh(handle)
        assert current.status == 200
        gateway.site.release()
        assert late.result().status == 200
        assert late.result().body["access_token"] == current.body["access_token"]
        assert late.result().body["refresh_token"] == current.body["refresh_token"]
    assert caller.refresh(current.body["refresh_token"]).status == 200


def test_a_late_function_keeps_its_tokens_if_nobody_else_has_newer_ones(gateway: Gateway) -> None:
    user, caller = gateway.new_user(retires_refresh_tokens=True), gateway.caller()
    handle = caller.signed_in(user).body["refresh_token"]
    expire_access_token(gateway, handle)
    with ThreadPoolExecutor(1) as pool:
        late = _held_at_the_site(gateway, user, pool, caller, handle)
        gateway.state.set(session_row(handle), lease_until=int(time.time()) - 1)
        gateway.site.release()
        assert late.result().status == 200
    assert caller.refresh(late.result().body["refresh_token"]).status == 200


def test_a_wait_for_another_refresh_has_an_end(gateway: Gateway) -> None:
    caller = gateway.caller()
    handle = caller.signed_in(gateway.new_user()).body["refresh_token"]
    expire_access_token(gateway, handle)
    gateway.state.set(session_row(handle), lease="held by a function that died", lease_until=int(time.time()) + 60)
    started = time.monotonic()
    response = caller.refresh(handle)
    assert (response.status, response.code) == (503, "site_unavailable")
    assert 30 < response.body["retry_after"] <= 50
    assert time.monotonic() - started >= 12
    gateway.state.set(session_row(handle), lease_until=int(time.time()) - 1)
    assert caller.refresh(handle).status == 200


def test_a_session_about_to_end_is_not_refreshed_over_and_over(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.site.fake_site.REFRESH_TOKEN_SECONDS", 45)
    user, caller = gateway.new_user(), gateway.caller()
    first = caller.signed_in(user).body
    for _ in range(3):
        again = caller.refresh(first["refresh_token"])
        assert again.body["refresh_token"] == first["refresh_token"]
    assert gateway.site.requests_for(user, "refresh_token") == 0


def test_signing_out_while_a_refresh_waits_for_the_site_stays_signed_out(gateway: Gateway) -> None:
    user, caller = gateway.new_user(), gateway.caller()
    handle = caller.signed_in(user).body["refresh_token"]
    expire_access_token(gateway, handle)
    with ThreadPoolExecutor(1) as pool:
        late = _held_at_the_site(gateway, user, pool, caller, handle)
        assert caller.logout(handle).status == 204
        gateway.site.release()
        assert late.result().code == "session_ended"
    assert gateway.bearers_of(handle) == []
    assert caller.refresh(handle).code == "session_ended"


def test_a_ciphertext_moved_to_another_session_gives_nothing(gateway: Gateway) -> None:
    caller = gateway.caller()
    victim = caller.signed_in(gateway.new_user()).body
    attacker = caller.signed_in(gateway.new_user()).body
    sealed = gateway.state.get(session_row(victim["refresh_token"]))["sealed"]["B"]
    gateway.state.set(session_row(attacker["refresh_token"]), sealed=sealed)
    response = caller.refresh(attacker["refresh_token"])
    assert (response.status, response.code) == (401, "session_ended")
    assert victim["access_token"] not in response.text


def _held_at_the_site(
    gateway: Gateway, user: Account, pool: ThreadPoolExecutor, caller: Caller, handle: str
) -> Future[Response]:
    """Start a refresh and let it wait at the site until `release`; the ones after it do not."""
    gateway.site.switch(user, fault="hold")
    held = pool.submit(caller.refresh, handle)
    assert gateway.site.held.acquire(timeout=30)
    gateway.site.switch(user, fault="")
    return held


def _kill_the_function_that_waits_for_the_site(gateway: Gateway) -> None:
    port = int(gateway.site.url.rpartition(":")[2])
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        with contextlib.suppress(OSError):  # it has ended meanwhile
            worker = "RefreshFunction" in (process / "cmdline").read_text()
            if worker and gateway.aws.owns(int(process.name)) and _is_connected(process, port):
                os.kill(int(process.name), signal.SIGKILL)
                return
    raise AssertionError("no function waits for the site")


def _is_connected(process: Path, port: int) -> bool:
    sockets = set()
    for descriptor in (process / "fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            target = str(descriptor.readlink())
            if target.startswith("socket:["):
                sockets.add(target[8:-1])
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        columns = line.split()
        established = columns[3] == "01"
        if established and int(columns[2].rpartition(":")[2], 16) == port and columns[9] in sockets:
            return True
    return False
