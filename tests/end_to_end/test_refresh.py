"""Refresh through the deployed functions. `tests/unit/test_refresh.py` has every case, with a clock of the test."""

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


def test_fresh_token_is_returned_again_without_a_site_call(gateway: Gateway) -> None:
    user, caller = gateway.new_user(), gateway.caller()
    first = caller.signed_in(user).body
    again = caller.refresh(first["refresh_token"])
    assert again.status == 200
    for name in ("access_token", "api_token", "refresh_token", "user"):
        assert again.body[name] == first[name]
    assert again.body["expires_in"] <= first["expires_in"]
    assert gateway.site.requests_for(user, "refresh_token") == 0


def test_expiring_token_is_renewed_and_the_handle_rotated(gateway: Gateway) -> None:
    user, caller = gateway.new_user(), gateway.caller()
    first = caller.signed_in(user).body
    expire_access_token(gateway, first["refresh_token"])
    second = caller.refresh(first["refresh_token"]).body
    assert second["access_token"] != first["access_token"]
    assert second["refresh_token"] != first["refresh_token"]
    assert 590 <= second["expires_in"] <= 600
    assert second["session"]["expires_at"] == first["session"]["expires_at"]
    assert caller.session(second["api_token"]).status == 200
    assert caller.session(first["api_token"]).status == 200  # valid for another minute: another tab may use it
    assert gateway.site.requests_for(user, "refresh_token") == 1


def test_lost_response_can_be_requested_again(gateway: Gateway) -> None:
    user, caller = gateway.new_user(), gateway.caller()
    first = caller.signed_in(user).body["refresh_token"]
    expire_access_token(gateway, first)
    lost = caller.refresh(first).body
    again = caller.refresh(first)
    assert again.status == 200
    assert again.body["refresh_token"] != lost["refresh_token"]
    assert [again.body[name] for name in ("access_token", "api_token")] == [lost["access_token"], lost["api_token"]]
    assert gateway.site.requests_for(user, "refresh_token") == 1
    for body in (lost, again.body):
        assert caller.refresh(body["refresh_token"]).body["refresh_token"] == body["refresh_token"]


def test_copied_handle_that_keeps_pace_ends_the_session_within_two_lifetimes(gateway: Gateway) -> None:
    owner, thief = gateway.caller(), gateway.caller()
    handle = owner.signed_in(gateway.new_user(expires_in=120)).body["refresh_token"]
    owned, copied = owner.rotate(handle), thief.refresh(handle).body["refresh_token"]
    last = owner.rotate(owned)
    rejected = thief.refresh(copied)
    assert (rejected.status, rejected.code) == (401, "session_ended")
    assert owner.refresh(last).code == "session_ended"


def test_handle_that_was_never_issued_is_rejected_and_ends_nothing(gateway: Gateway) -> None:
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
        rejected = caller.refresh(made_up)
        assert (rejected.status, rejected.code) == (401, "session_ended")
    assert caller.refresh(handle).status == 200


def test_refresh_without_a_handle_is_signed_out(gateway: Gateway) -> None:
    for response in (
        gateway.caller().send("POST", "/auth/refresh"),
        gateway.caller().send("POST", "/auth/refresh", {}),
    ):
        assert (response.status, response.body) == (200, {"status": "signed_out"})


def test_session_that_the_site_ended_ends_at_the_next_expiry(gateway: Gateway) -> None:
    user, caller = gateway.new_user(), gateway.caller()
    signed_in = caller.signed_in(user).body
    gateway.site.switch(user, two_factor=True)
    expire_access_token(gateway, signed_in["refresh_token"])
    rejected = caller.refresh(signed_in["refresh_token"])
    assert (rejected.status, rejected.code) == (401, "session_ended")
    assert caller.session(signed_in["api_token"]).status == 401
    assert gateway.site.requests_for(user, "refresh_token") == 1


def test_tabs_with_a_rejected_token_make_one_site_call(gateway: Gateway) -> None:
    user, caller = gateway.new_user(), gateway.caller()
    first = caller.signed_in(user).body
    rejected = {"refused_access_token": first["access_token"]}
    with ThreadPoolExecutor(3) as pool:
        responses = list(pool.map(lambda _: caller.refresh(first["refresh_token"], **rejected), range(3)))
    assert [response.status for response in responses] == [200] * 3
    assert {response.body["access_token"] for response in responses}.isdisjoint({first["access_token"]})
    assert gateway.site.requests_for(user, "refresh_token") == 1


def test_rejected_token_takes_its_bearer_with_it(gateway: Gateway) -> None:
    caller = gateway.caller()
    first = caller.signed_in(gateway.new_user()).body
    second = caller.refresh(first["refresh_token"], refused_access_token=first["access_token"]).body
    assert [caller.session(body["api_token"]).status for body in (first, second)] == [401, 200]
    assert caller.logout(second["refresh_token"]).status == 204
    assert gateway.bearers_of(first["refresh_token"]) == []


@pytest.mark.parametrize("retires_refresh_tokens", [True, False])
def test_killed_function_delays_the_next_refresh_only_until_its_lease_expires(
    gateway: Gateway, retires_refresh_tokens: bool
) -> None:
    user = gateway.new_user(retires_refresh_tokens=retires_refresh_tokens, expires_in=600)
    caller = gateway.caller()
    handle = caller.signed_in(user).body["refresh_token"]
    expire_access_token(gateway, handle, 0)
    with ThreadPoolExecutor(2) as pool:
        killed = _held_at_the_site(gateway, user, pool, caller, handle)
        _kill_the_function_that_is_connected_to_the_site(gateway)
        assert killed.result().status >= 500
        gateway.site.release()  # the site handles the request, and its response is lost
        until(lambda: gateway.site.responses[user.login, "refresh_token"])
        lease_until = int(gateway.state.get(session_row(handle))["lease_until"]["N"])
        assert 0 < lease_until - time.time() <= 25
        waiting = pool.submit(caller.refresh, handle)
        gateway.state.set(session_row(handle), lease_until=int(time.time()) - 1)
        assert waiting.result().status == (401 if retires_refresh_tokens else 200)
    if not retires_refresh_tokens:
        assert caller.refresh(waiting.result().body["refresh_token"]).status == 200


def test_sealed_value_moved_to_another_session_ends_that_session(gateway: Gateway) -> None:
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
    """Start a refresh whose site call waits until `release`. Later calls do not wait."""
    gateway.site.switch(user, fault="hold")
    held = pool.submit(caller.refresh, handle)
    assert gateway.site.held.acquire(timeout=30)
    gateway.site.switch(user, fault="")
    return held


def _kill_the_function_that_is_connected_to_the_site(gateway: Gateway) -> None:
    port = int(gateway.site.url.rpartition(":")[2])
    for process in gateway.aws.processes("RefreshFunction"):
        with contextlib.suppress(OSError):  # it has ended in the meantime
            if _is_connected(Path("/proc") / str(process), port):
                os.kill(process, signal.SIGKILL)
                return
    raise AssertionError("no function is connected to the site")


def _is_connected(process: Path, port: int) -> bool:
    sockets = set()
    for descriptor in (process / "fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed in the meantime
            target = str(descriptor.readlink())
            if target.startswith("socket:["):
                sockets.add(target[8:-1])
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        columns = line.split()
        established = columns[3] == "01"
        if established and int(columns[2].rpartition(":")[2], 16) == port and columns[9] in sockets:
            return True
    return False
