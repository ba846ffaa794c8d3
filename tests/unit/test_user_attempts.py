"""The attempts of one user: shares, waits and what a sign-in forgives, without a table."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from shotgrid_login.counts import LONGEST_ATTEMPT
from shotgrid_login.errors import TooManyAttempts
from shotgrid_login.user_attempts import (
    ALL_FAILURES,
    KNOWN_FAILURES,
    KNOWN_SECONDS,
    MOST_KNOWN,
    UNKNOWN_FAILURES,
    WINDOW,
    History,
)

START = 1_000_000


def failed(history: History, number: int, network: str, now: int = START) -> History:
    """Return the history after so many failures."""
    for index in range(number):
        attempt_id = f"{network} {now} {index}"
        history = history.admitted(attempt_id, "name", network, now).failed(attempt_id, now)
    return history


def wait_of(history: History, network: str, now: int) -> int:
    """Return the seconds that the next attempt has to wait; 0 if it is admitted."""
    try:
        history.admitted("next", "name", network, now)
    except TooManyAttempts as error:
        return error.retry_after or -1
    return 0


def test_user_fails_less_often_in_an_hour_than_the_site_allows() -> None:
    assert KNOWN_FAILURES + UNKNOWN_FAILURES == ALL_FAILURES == 10 - 1  # the tenth failure locks the user
    assert WINDOW == 60 * 60


def test_user_without_a_known_network_fails_nine_times_in_an_hour() -> None:
    history = failed(History(), ALL_FAILURES, "elsewhere")
    assert wait_of(history, "elsewhere", START) == WINDOW
    assert wait_of(history, "another", START + WINDOW - 1) == 1
    assert wait_of(history, "another", START + WINDOW) == 0


def test_known_networks_share_six_failures_and_other_networks_three() -> None:
    history = History().knowing("office", START).knowing("home", START)
    history = failed(history, KNOWN_FAILURES - 1, "office")
    history = failed(history, UNKNOWN_FAILURES, "elsewhere")
    assert wait_of(history, "another", START) == WINDOW
    assert wait_of(history, "office", START) == 0
    history = failed(history, 1, "home")
    assert wait_of(history, "office", START) == WINDOW


def test_each_failure_is_forgotten_an_hour_after_it() -> None:
    history = History().knowing("office", START)
    for minute in range(KNOWN_FAILURES):
        history = failed(history, 1, "office", START + 60 * minute)
    now = START + 60 * KNOWN_FAILURES
    assert wait_of(history, "office", now) == WINDOW - 60 * KNOWN_FAILURES
    history = failed(history, 1, "office", START + WINDOW)
    assert wait_of(history, "office", START + WINDOW) == 60


def test_attempt_in_flight_blocks_for_one_second_at_a_time() -> None:
    history = failed(History().knowing("office", START), KNOWN_FAILURES - 1, "office")
    history = history.admitted("in flight", "name", "office", START)
    assert wait_of(history, "office", START) == 1
    assert wait_of(history.without("in flight"), "office", START) == 0
    assert wait_of(history.failed("in flight", START), "office", START) == WINDOW


def test_attempt_without_an_end_counts_as_failed_after_the_longest_attempt() -> None:
    history = failed(History(), ALL_FAILURES - 1, "elsewhere").admitted("crashed", "name", "elsewhere", START + 60)
    assert wait_of(history, "elsewhere", START + 60 + LONGEST_ATTEMPT - 1) == 1
    assert wait_of(history, "elsewhere", START + 60 + LONGEST_ATTEMPT) == WINDOW - 60 - LONGEST_ATTEMPT
    assert wait_of(history, "elsewhere", START + WINDOW) == 0
    history = failed(history, ALL_FAILURES - 1, "elsewhere", START + WINDOW)
    assert wait_of(history, "elsewhere", START + WINDOW + 60 + LONGEST_ATTEMPT - 1) == 1
    assert wait_of(history, "elsewhere", START + WINDOW + 60 + LONGEST_ATTEMPT) == 0


def test_failures_before_the_first_known_network_leave_it_its_share() -> None:
    history = failed(History(), ALL_FAILURES, "elsewhere").knowing("office", START)
    assert wait_of(history, "elsewhere", START) == WINDOW
    history = failed(history, KNOWN_FAILURES - 1, "office")
    assert wait_of(history, "office", START) == 0
    assert wait_of(failed(history, 1, "office", START + 1), "office", START + 1) == WINDOW - 1


def test_name_that_the_site_has_not_accepted_gets_no_known_network() -> None:
    history = failed(History().knowing("office", START), UNKNOWN_FAILURES, "elsewhere")
    with pytest.raises(TooManyAttempts):
        history.admitted("new", "name", "office", START, is_shown=False)
    assert history.admitted("new", "name", "office", START).is_known("new")


def test_network_is_known_for_thirty_days() -> None:
    history = History().knowing("office", START)
    assert history.at(START + KNOWN_SECONDS - 1).known == {"office": START + KNOWN_SECONDS}
    assert history.at(START + KNOWN_SECONDS) == History()
    assert history.expires_at == START + KNOWN_SECONDS


def test_oldest_known_networks_make_room_and_the_row_stays_small() -> None:
    history = History()
    for number in range(MOST_KNOWN + 5):
        history = history.knowing(f"{number:016}", START + number)
    assert sorted(history.known) == [f"{number:016}" for number in range(5, MOST_KNOWN + 5)]
    for number in range(ALL_FAILURES):
        history = history.joined(failed(History(), 1, f"{number:016}", START + number).attempts)
    assert len(history.to_json()) < 4096


def test_only_failures_from_the_network_with_a_name_of_the_user_are_found() -> None:
    history = failed(failed(History(), 1, "office"), 1, "elsewhere").admitted("in flight", "name", "office", START)
    history = history.admitted("other name", "other", "office", START).failed("other name", START)
    found = history.failures({"name", "unused"}, "office", START)
    assert [attempt.attempt_id for attempt in found] == [f"office {START} 0"]


def test_attempt_is_admitted_once() -> None:
    history = History().admitted("once", "name", "office", START)
    assert history.admitted("once", "name", "office", START) == history
    assert history.joined(history.attempts) == history


def test_stored_text_is_read_back() -> None:
    history = failed(History().knowing("office", START), 2, "office").admitted("a", "name", "elsewhere", START)
    assert History.from_json(history.to_json()) == history


@given(st.lists(st.integers(0, 2 * WINDOW), min_size=1, max_size=30), st.integers(0, 2 * WINDOW))
def test_wait_is_exact(times: list[int], later: int) -> None:
    history, now = History(), max(times) + later
    for number, at in enumerate(sorted(times)):
        if wait_of(history, "elsewhere", START + at) == 0:
            history = history.admitted(str(number), "name", "elsewhere", START + at).failed(str(number), START + at)
    wait = wait_of(history, "elsewhere", START + now)
    assert wait_of(history, "elsewhere", START + now + wait) == 0
    assert wait == 0 or wait_of(history, "elsewhere", START + now + wait - 1) == 1


class Attempts(RuleBasedStateMachine):
    """One user whose attempts come from several networks at once, and end in every way."""

    networks = st.sampled_from(["office", "home", "elsewhere", "another"])

    @initialize()
    def start(self) -> None:
        self.now = START
        self.history = History()
        self.in_flight: dict[str, tuple[str, int]] = {}
        self.failures: list[tuple[int, str]] = []  # time and network, as the site sees them
        self.number = 0

    @rule(seconds=st.integers(1, 2400))
    def wait(self, seconds: int) -> None:
        self.now += seconds
        # A function that has not ended an attempt by now has crashed. The site has judged the attempt all the same.
        for attempt_id, (network, at) in list(self.in_flight.items()):
            if self.now - at >= LONGEST_ATTEMPT:
                del self.in_flight[attempt_id]
                self.failures.append((at + LONGEST_ATTEMPT, network))

    @rule(network=networks)
    def begin(self, network: str) -> None:
        self.number += 1
        attempt_id = str(self.number)
        current = self.history.at(self.now)
        known = [attempt for attempt in current.attempts if attempt.is_known]
        try:
            self.history = self.history.admitted(attempt_id, "name", network, self.now)
        except TooManyAttempts:
            # Guesses from elsewhere do not take the share of known networks, except those before the first sign-in.
            if network in current.known and len(current.attempts) - len(known) <= UNKNOWN_FAILURES:
                assert len(known) >= KNOWN_FAILURES
        else:
            self.in_flight[attempt_id] = network, self.now

    @rule(data=st.data(), end=st.sampled_from(["failed", "failed", "failed", "forgiven", "succeeded"]))
    def end(self, data: st.DataObject, end: str) -> None:
        if not self.in_flight:
            return
        attempt_id = data.draw(st.sampled_from(sorted(self.in_flight)))
        network, _ = self.in_flight.pop(attempt_id)
        if end == "failed":
            self.history = self.history.failed(attempt_id, self.now)
            self.failures.append((self.now, network))
        else:
            self.history = self.history.without(attempt_id)
        if end == "succeeded":
            forgiven = self.history.failures({"name"}, network, self.now)
            self.history = self.history.without(*(attempt.attempt_id for attempt in forgiven))
            is_first = not self.history.at(self.now).known
            self.history = self.history.knowing(network, self.now)
            self.failures = [failure for failure in self.failures if failure[1] != network]
            if is_first:
                # What was begun before does not take the share of the first known network.
                self.failures.clear()
                self.in_flight.clear()

    @invariant()
    def site_does_not_lock_the_user(self) -> None:
        for last, _ in self.failures:
            assert sum(last - WINDOW < at <= last for at, _ in self.failures) <= ALL_FAILURES


TestAttempts = Attempts.TestCase
TestAttempts.settings = settings(max_examples=40)  # `make soak` tries more
