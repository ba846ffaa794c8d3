"""Warm calls: the calls to other services, and the response times beside those of a trivial route.

Each caller has its own execution environment, as on Lambda. But all share the processors of this machine and one local
AWS, so the times are ratios to the trivial route with the same number of callers.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from statistics import median, quantiles
from typing import Any

from shotgrid_login.approvals import POLL_INTERVAL
from shotgrid_login.sessions import IDLE_RESOLUTION
from tests.bench import events
from tests.bench.cold import content, password
from tests.bench.execution_environment import ExecutionEnvironment
from tests.bench.https import OutgoingCall, rounds
from tests.bench.laboratory import Laboratory
from tests.site.fake_site import Account
from tests.support.authorizer_events import EVENTS, rest_request

TRIVIAL = "pages"

# Callers, and calls of each one.
CALLERS = {1: 20, 10: 4, 25: 2}


@dataclass(frozen=True)
class Flow:
    """A kind of request: its function, its status, how its events are made, and how far its clock is ahead."""

    function: str
    event: Callable[[], events.Event]
    status: int = 200
    seconds_ahead: float = 0


@dataclass
class Warm:
    """The calls of one request after the first, by service; and the seconds of all requests by number of callers."""

    calls: Counter[str] = field(default_factory=Counter)
    rounds: int = 0
    seconds: dict[int, list[float]] = field(default_factory=dict)


def counted(calls: list[OutgoingCall]) -> Counter[str]:
    """Count calls by service."""
    return Counter(call.service for call in calls)


def percentiles(seconds: list[float]) -> tuple[float, float]:
    """Return p50 and p95."""
    return median(seconds), quantiles(seconds, n=20)[-1]


class WarmCalls:
    """Measures our functions. Sign-ins that a flow needs first are made by functions of its own, not measured."""

    def __init__(self, laboratory: Laboratory, environments: ExitStack) -> None:
        self._laboratory = laboratory
        self._environments = environments
        self._started: dict[str, ExecutionEnvironment] = {}

    def measure(self) -> dict[str, Warm]:
        """Measure every flow, with every number of callers."""
        return {name: self._measure(name, flow) for name, flow in self._flows().items()}

    def count(self) -> dict[str, Warm]:
        """Only count the calls of every flow."""
        flows = self._flows() | self._further_flows()
        with self._laboratory.https.slow():
            return {name: self._measure(name, flow, {}) for name, flow in flows.items()}

    def _measure(self, name: str, flow: Flow, callers: Mapping[int, int] = CALLERS) -> Warm:
        warm = Warm()
        function = self._laboratory.ours.functions[flow.function]
        with ExitStack() as stack:
            environments: list[ExecutionEnvironment] = []
            for _ in range(max(callers, default=1)):
                environment = stack.enter_context(self._laboratory.start(function, flow.seconds_ahead))
                content(name, environment.call(flow.event()).value, flow.status)
                environments.append(environment)
            later = environments[0].call(flow.event())
            content(name, later.value, flow.status)
            warm.calls, warm.rounds = counted(later.calls), rounds(later.calls)
            for count, calls in callers.items():
                prepared = [[flow.event() for _ in range(calls)] for _ in range(count)]
                warm.seconds[count] = _at_once(name, flow, environments, prepared)
        return warm

    def _flows(self) -> dict[str, Flow]:
        """Return the main flow of each route."""
        signed_in = self._sign_in()
        bearer = signed_in["api_token"]
        allowed = self._call("authorizer", rest_request(f"Bearer {bearer}"))
        form = {"grant_type": "password"}
        return {
            TRIVIAL: Flow("pages", lambda: events.get("/shotgrid-login.js")),
            "methods": Flow("methods", lambda: events.get("/auth/methods")),
            "password, code required": Flow("password", lambda: password(self._careful_user()), 202),
            "otp": Flow("otp", lambda: self._code(self._careful_user())),
            "password, signed in": Flow("password", lambda: password(self._laboratory.new_user())),
            "authorizer": Flow("authorizer", lambda: rest_request(f"Bearer {bearer}")),
            "session": Flow("session", lambda: events.get_with_bearer("/auth/session", bearer, allowed["context"])),
            "refresh, token kept": Flow("refresh", lambda: _refresh(signed_in)),
            "refresh, token renewed": Flow("refresh", self._refreshable, seconds_ahead=signed_in["expires_in"]),
            "token endpoint": Flow("access_token", lambda: _grant(form, self._laboratory.new_user())),
            "browser": Flow("browser", lambda: events.post("/auth/browser", {"transport": "token"}), 202),
            "approval, signed in": Flow("approval", self._approved),
            "logout": Flow("logout", lambda: _logout(self._sign_in()), 204),
        }

    def _further_flows(self) -> dict[str, Flow]:
        """Return flows that only differ in what they call."""
        signed_in = self._sign_in()
        bearer, pending = signed_in["api_token"], self._start_browser_sign_in()
        late = self._sign_in()
        return {
            "otp, known network": Flow("otp", lambda: self._code(self._returning_user())),
            **{
                f"authorizer, {name}": Flow("authorizer", partial(event, f"Bearer {bearer}", "/shots"))
                for name, event in EVENTS.items()
            },
            "refresh, idle limit moved": Flow("refresh", lambda: _refresh(late), seconds_ahead=2 * IDLE_RESOLUTION),
            "approval, pending": Flow("approval", lambda: self._waited(pending), 202),
            "approval, within 2 s": Flow("approval", lambda: _poll(pending), 202),
        }

    def _call(self, function: str, event: events.Event, status: int = 200) -> Any:
        """Call a function that is not measured."""
        if function not in self._started:
            environment = self._laboratory.start(self._laboratory.ours.functions[function])
            self._started[function] = self._environments.enter_context(environment)
        return content(function, self._started[function].call(event).value, status)

    def _careful_user(self) -> Account:
        return self._laboratory.new_user(two_factor=True)

    def _sign_in(self) -> Any:
        return self._call("password", password(self._laboratory.new_user()))

    def _returning_user(self) -> Account:
        """Return a user who requires a code now, and who has signed in from the same network before."""
        user = self._laboratory.new_user()
        self._call("password", password(user))
        self._laboratory.site.switch(user, two_factor=True)
        return user

    def _code(self, user: Account) -> events.Event:
        challenge = self._call("password", password(user), 202)["challenge"]
        return events.post("/auth/otp", {"challenge": challenge, "code": self._laboratory.site.code(user.login)})

    def _refreshable(self) -> events.Event:
        return _refresh(self._sign_in())

    def _start_browser_sign_in(self) -> Any:
        return self._call("browser", events.post("/auth/browser", {"transport": "token"}), 202)

    def _approved(self) -> events.Event:
        started = self._start_browser_sign_in()
        self._laboratory.site.approve(started["approval_url"], self._laboratory.new_user())
        return _poll(started)

    def _waited(self, started: Any) -> events.Event:
        time.sleep(POLL_INTERVAL)  # the real site would be called again only then
        return _poll(started)


def _at_once(
    name: str, flow: Flow, environments: list[ExecutionEnvironment], prepared: list[list[events.Event]]
) -> list[float]:
    """Let callers send their requests one after the other, all callers at the same time. Return the seconds."""
    seconds: list[float] = []
    failures: list[Exception] = []
    ready = threading.Barrier(len(prepared))

    def send(environment: ExecutionEnvironment, requests: list[events.Event]) -> None:
        ready.wait()
        try:
            for request in requests:
                measured = environment.call(request)
                content(name, measured.value, flow.status)
                seconds.append(measured.wall)
        except Exception as error:  # noqa: BLE001  the waiting thread raises it again
            failures.append(error)

    threads = [threading.Thread(target=send, args=arguments) for arguments in zip(environments, prepared, strict=False)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return seconds


def _refresh(signed_in: Any) -> events.Event:
    return events.post("/auth/refresh", {"refresh_token": signed_in["refresh_token"]})


def _logout(signed_in: Any) -> events.Event:
    return events.post("/auth/logout", {"refresh_token": signed_in["refresh_token"]})


def _poll(started: Any) -> events.Event:
    return events.post("/auth/approval", {"challenge": started["challenge"]})


def _grant(form: dict[str, str], user: Account) -> events.Event:
    credentials = form | {"username": user.login, "password": user.password}
    return events.post_form("/api/v1/auth/access_token", credentials)
