"""`python -m tests.load USERS SECONDS`: run the load and print what happened. Exit code 1: an expectation failed."""

from __future__ import annotations

import argparse
import itertools
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import median, quantiles

from tests.load.traffic import IN_FLIGHT, Sample, Stream, at_once, steadily
from tests.local.stack import LocalAws, SetupFailed
from tests.site.fake_site import Account, FakeSite
from tests.support.client import Caller, Gateway, Response

ORIGIN = "https://pages.example"

# Requests per second beside the waiting users. The authorizer runs before the session route.
RATES = {"password": 1.0, "refresh": 2.0, "authorizer and session": 2.0}
SIGNED_IN_USERS = 20

PAGE_INTERVAL = 5  # seconds between two polls of a visible page
SECOND_TABS = 0.1  # polls that two tabs of a user send at the same time
CAPACITY_TURNS = 10  # to measure the capacity of this machine: turns of each of two kinds, and requests per turn
CAPACITY_REQUESTS = 16
USED_CAPACITY = 0.4  # more, and requests would queue for the CPUs of this machine
TURNS = 6  # of each kind of round, so that other processes of this machine affect all kinds


@dataclass
class Waiter:
    """A user who waits for the approval."""

    challenge: str
    approval_url: str
    handles: set[str] = field(default_factory=set)


class Load:
    """The gateway under load, and its users."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.page: Caller = gateway.caller(origin=ORIGIN)
        self.waiters: list[Waiter] = []
        self.failures: list[str] = []
        self._users = [gateway.new_user() for _ in range(SIGNED_IN_USERS)]
        self._sessions = [response.body for response in at_once(self._sign_in, self._users)]
        self._start_processes()

    def start(self, count: int) -> None:
        """Start the sign-ins."""
        started = time.monotonic()
        responses = at_once(lambda _: self.page.browser(transport="token"), range(count))
        seconds = time.monotonic() - started
        print(f"{count} starts from one address in {seconds:.0f} s: {_statuses(responses)}")
        self.waiters = [
            Waiter(response.body["challenge"], response.body["approval_url"])
            for response in responses
            if response.status == 202
        ]
        self.expect(len(self.waiters) == count, "a start failed")

    def capacity(self) -> tuple[float, float]:
        """Return how many polls this machine carries per second, and how many refreshes of `other_load`."""
        waiters = itertools.cycle(self.waiters)
        sends = (lambda: self.poll(next(waiters)), self.other_load(1)[0].send)
        seconds = [0.0, 0.0]
        for _, kind in itertools.product(range(CAPACITY_TURNS), range(2)):
            started = time.monotonic()
            at_once(_call, [sends[kind]] * CAPACITY_REQUESTS)
            seconds[kind] += time.monotonic() - started
        polls, others = (CAPACITY_TURNS * CAPACITY_REQUESTS / of_kind for of_kind in seconds)
        return polls, others

    def poll(self, waiter: Waiter) -> Response:
        response = self.page.approval(waiter.challenge)
        if response.status == 200:
            waiter.handles.add(response.body["refresh_token"])
        return response

    def others(self) -> list[Stream]:
        """Return the requests beside the waiting users."""
        users, sessions = itertools.cycle(self._users), itertools.cycle(self._sessions)
        sends = {
            "password": lambda: self._sign_in(next(users)),
            "refresh": lambda: self.page.refresh(next(sessions)["refresh_token"]),
            "authorizer and session": lambda: self.page.session(next(sessions)["api_token"]),
        }
        return [Stream(name, rate, sends[name]) for name, rate in RATES.items()]

    def polls(self, rate: float) -> list[Stream]:
        """Return the polls of all waiters. Some come twice at once."""
        waiters = itertools.cycle(self.waiters)
        latest = self.waiters[:1]

        def next_waiter() -> Response:
            latest[0] = next(waiters)
            return self.poll(latest[0])

        return [
            Stream("poll", rate, next_waiter),
            Stream("second tab", rate * SECOND_TABS, lambda: self.poll(latest[0])),
        ]

    def other_load(self, rate: float) -> list[Stream]:
        """Return requests to a function that neither waiting users nor `others` call."""
        sessions = itertools.cycle(self._sessions)

        def refresh() -> Response:
            return self.page.access_token(grant_type="refresh_token", refresh_token=next(sessions)["refresh_token"])

        return [Stream("token endpoint", rate, refresh)]

    def approve_all(self) -> None:
        """Approve all requests, and poll until every user has a session."""
        rows = self._session_rows()
        started = time.monotonic()
        for waiter in self.waiters:
            self.gateway.site.approve(waiter.approval_url, self.gateway.new_user())
        statuses: Counter[int] = Counter()
        while remaining := [waiter for waiter in self.waiters if not waiter.handles]:
            # Some users have two tabs.
            polled = [waiter for number, waiter in enumerate(remaining) for _ in range(2 if number % 10 == 0 else 1)]
            responses = at_once(self.poll, polled)
            statuses.update(response.status for response in responses)
            if {response.status for response in responses} - {200, 202}:
                break
        seconds = time.monotonic() - started
        handles = set().union(*(waiter.handles for waiter in self.waiters))
        requests = self.gateway.site.approval_requests
        mints = [self.gateway.site.mints(request.session_token) for request in requests]
        print(
            f"Approved all at once: {len(handles)} sessions after {seconds:.0f} s ({_counts(statuses)}),"
            f" {self._session_rows() - rows} session rows, {sum(request.hand_outs for request in requests)} hand-outs,"
            f" {sum(mints)} mints"
        )
        self.expect(all(len(waiter.handles) == 1 for waiter in self.waiters), "a user has no session, or two")
        self.expect(len(handles) == self._session_rows() - rows == len(self.waiters), "sessions without a user")
        self.expect(all(request.hand_outs == 1 for request in requests), "a session token was sent twice or not at all")
        self.expect(all(count == 1 for count in mints), "a session token was exchanged twice or not at all")

    def expect(self, condition: bool, failure: str) -> None:
        if not condition:
            self.failures.append(failure)

    def _start_processes(self) -> None:
        """Call all functions as often at the same time as later, so that no measured request is a cold start."""
        without_origin = self.gateway.caller()  # rejected before the site is called
        sends: list[Callable[[], Response]] = [stream.send for stream in (*self.others(), *self.other_load(1))]
        for send in (*sends, without_origin.browser, lambda: without_origin.approval("invalid")):
            at_once(_call, [send] * 2 * IN_FLIGHT)

    def _sign_in(self, user: Account) -> Response:
        return self.page.password(user, transport="token")

    def _session_rows(self) -> int:
        return sum(row["id"]["S"].startswith("session#") for row in self.gateway.state.all())


def main(arguments: Sequence[str]) -> int:
    """Print the results and return the exit code."""
    parser = argparse.ArgumentParser(prog="make load", description="Use the gateway while many users wait.")
    parser.add_argument("users", type=int, help="how many users wait, up to 500 (the limit of one network)")
    parser.add_argument("seconds", type=float, help="how long each kind of round takes, in seconds")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    _print_load()
    with FakeSite() as site, LocalAws() as aws:
        outputs = aws.deploy({"ShotGridSiteUrl": site.url, "AllowedOrigins": ORIGIN})
        api_id = outputs["Url"].removeprefix("https://").partition(".")[0]
        host = f"{api_id}.execute-api.localhost:{aws.port}"
        load = Load(Gateway(aws, site, outputs, host, base_path="/v1"))
        load.start(options.users)
        capacity, other_capacity = load.capacity()
        interval = max(PAGE_INTERVAL, options.users / (capacity * USED_CAPACITY))
        rate = options.users / interval
        # As large a part of this machine's capacity as the polls, with those of second tabs.
        other_rate = other_capacity * rate * (1 + SECOND_TABS) / capacity
        print(
            f"This machine carries {capacity:.0f} polls or {other_capacity:.0f} requests of the other load per second."
            f" Each user polls every {interval:.0f} s."
        )
        _print_load()
        polls = sum(request.polls for request in site.approval_requests)
        kinds: dict[str, Callable[[], list[Stream]]] = {
            "quiet": list,
            "other load": partial(load.other_load, other_rate),
            "waiting": partial(load.polls, rate),
        }
        samples: dict[str, list[Sample]] = {kind: [] for kind in kinds}
        for _, kind in itertools.product(range(TURNS), kinds):
            samples[kind] += steadily(load.others() + kinds[kind](), options.seconds / TURNS)
        _print_times(samples)
        polls = sum(request.polls for request in site.approval_requests) - polls
        close = sum(request.close_polls for request in site.approval_requests)
        print(f"Calls of the site by polls: {polls}; less than 2 s after another one for the same user: {close}")
        load.expect(close == 0, "two polls of the site within 2 s")
        statuses = Counter(sample.status for kind in samples for sample in samples[kind])
        load.expect(set(statuses) <= {200, 202}, "an error response")
        load.approve_all()
        _print_load()
    print("\n".join(f"FAILED: {failure}" for failure in load.failures) or "As expected")
    return 1 if load.failures else 0


def _call(send: Callable[[], Response]) -> Response:
    return send()


def _print_times(samples: dict[str, list[Sample]]) -> None:
    print("\nMedian and 90th percentile in milliseconds, and ratios of the medians\n")
    print(f"{'request':24}" + "".join(f"{kind:>16}" for kind in samples) + "   waiting/quiet  waiting/other")
    for name in RATES:
        times = {kind: [sample.seconds for sample in samples[kind] if sample.name == name] for kind in samples}
        medians = {kind: median(times[kind]) for kind in times}
        columns = [f"{medians[kind] * 1000:.0f} {quantiles(times[kind], n=10)[-1] * 1000:.0f}" for kind in times]
        quiet, other = medians["waiting"] / medians["quiet"], medians["waiting"] / medians["other load"]
        print(f"{name:24}" + "".join(f"{column:>16}" for column in columns) + f"{quiet:>16.2f}{other:>15.2f}")
    print()
    for kind, of_kind in samples.items():
        by_name = {name: [s for s in of_kind if s.name == name] for name in dict.fromkeys(s.name for s in of_kind)}
        print(f"{kind}: " + "; ".join(f"{name} {_statuses(of_name)}" for name, of_name in by_name.items()))


def _statuses(responses: Sequence[Response] | Sequence[Sample]) -> str:
    return _counts(Counter(response.status for response in responses))


def _counts(statuses: Counter[int]) -> str:
    return ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))


def _print_load() -> None:
    print(f"Load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except SetupFailed as failed:
        sys.exit(f"make load: {failed}")
