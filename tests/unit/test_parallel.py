"""Calls at the same time: `together` itself, and the rounds of calls of a sign-in."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from shotgrid_login.challenges import Challenge
from shotgrid_login.parallel import together
from shotgrid_login.sessions import SignedIn
from tests.local.in_process import InProcessAws
from tests.site.fake_site import FakeSite
from tests.support.core import Core, Storage
from tests.support.meetings import PATIENCE, MeetingClient, Meetings, MeetingSite

# ---- together -------------------------------------------------------------------------------------------------


def test_calls_are_made_at_the_same_time_and_the_results_have_their_order() -> None:
    everyone = threading.Barrier(3)

    def call(result: str) -> Callable[[], str]:
        def meet() -> str:
            everyone.wait(PATIENCE)
            return result

        return meet

    assert together(call("a"), call("b"), call("c")) == ("a", "b", "c")
    assert together() == ()
    assert together(lambda: 1) == (1,)


def test_last_call_runs_in_the_thread_of_the_caller() -> None:
    other, own = together(threading.current_thread, threading.current_thread)
    assert own is threading.current_thread()
    assert other is not own


def test_error_of_the_first_failed_call_is_raised_after_all_calls_have_ended() -> None:
    may_end = threading.Event()
    ended: list[str] = []

    def fail_late() -> None:
        assert may_end.wait(PATIENCE)
        ended.append("late")
        raise ValueError("first")

    def fail_early() -> None:
        may_end.set()
        raise KeyError("last")

    before = threading.active_count()
    with pytest.raises(ValueError, match="first"):
        together(fail_late, lambda: ended.append("succeeds"), fail_early)
    assert sorted(ended) == ["late", "succeeds"]
    assert threading.active_count() == before


def test_call_that_cannot_start_leaves_none_running(monkeypatch: pytest.MonkeyPatch) -> None:
    before, started = threading.active_count(), threading.Event()
    start = threading.Thread.start

    def start_one(thread: threading.Thread) -> None:
        if started.is_set():
            raise RuntimeError("can't start new thread")
        started.set()
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_one)
    with pytest.raises(RuntimeError, match="can't start"):
        together(started.wait, started.wait, started.wait)
    assert threading.active_count() == before


def test_no_kind_of_error_counts_as_a_success() -> None:
    def interrupt() -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        together(interrupt, lambda: 1)


# ---- a sign-in ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def meetings() -> Meetings:
    return Meetings()


@pytest.fixture(scope="module")
def meeting_storage(in_process_aws: InProcessAws, meetings: Meetings) -> Storage:
    return Storage.create(in_process_aws, "parallel", lambda client: MeetingClient(client, meetings))


@pytest.fixture
def core(meeting_storage: Storage, site: FakeSite, meetings: Meetings) -> Core:
    core = Core(meeting_storage, site)
    core.site = MeetingSite(site.url, meetings)
    core.hashes.user("")  # a warm function has made this call of KMS
    return core


COUNTED = ["put failed user", "update failed all", "update failed all", "update waiting"]


def test_password_step_makes_its_calls_in_five_rounds_one_of_them_with_the_site(core: Core, meetings: Meetings) -> None:
    user = core.new_user()
    core.signed_in(user)
    core.fake_site.switch(user, two_factor=True)
    with meetings.expected(
        ["get name"],
        ["get failed user"],
        COUNTED,
        ["site: password"],
        ["encrypt challenge", "put challenge", "put failed user", "update waiting"],
    ):
        assert isinstance(core.sign_in().with_password(user.login, user.password, core.address), Challenge)


def test_code_step_makes_its_calls_in_five_rounds_two_of_them_with_the_site(core: Core, meetings: Meetings) -> None:
    user = core.new_user()
    core.signed_in(user)
    core.fake_site.switch(user, two_factor=True)
    challenge = core.sign_in().with_password(user.login, user.password, core.address)
    assert isinstance(challenge, Challenge)
    with meetings.expected(
        ["decrypt challenge", "update challenge", "get name", "get failed user"],
        COUNTED,
        ["site: password"],
        ["update challenge", "encrypt session", "put bearer", "site: user"],
        ["put bearer", "put session", "put failed user", "get name", "update waiting"],
    ):
        assert core.sign_in().with_code(challenge.text, core.fake_site.code(user.login), core.address)


def test_first_sign_in_notes_names_and_network_in_further_rounds(core: Core, meetings: Meetings) -> None:
    user = core.new_user()
    with meetings.expected(
        ["get name"],
        ["get failed user"],
        COUNTED,
        ["update failed address"],
        ["site: password"],
        ["encrypt session", "put bearer", "site: user"],
        ["put bearer", "put session", "get name", "update waiting"],
        ["put failed user", "put failed user"],
        ["put failed user"],
        ["update failed address", "put name", "put name"],
    ):
        assert isinstance(core.sign_in().with_password(user.login, user.password, core.address), SignedIn)
