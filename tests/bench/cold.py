"""Cold starts: start and first call, in a new execution environment each time, of all deployments in turns."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from tests.bench import events
from tests.bench.deployment import Deployment, Function
from tests.bench.execution_environment import instructions
from tests.bench.https import OutgoingCall
from tests.bench.laboratory import Laboratory
from tests.local.stack import SetupFailed
from tests.site.fake_site import Account
from tests.support.authorizer_events import rest_request

# The functions of the peers, and the flow that each one does, too.
PEER_FLOWS = {
    "naive": "password, signed in",
    "powertools": "password, signed in",
    "fastapi": "password, signed in",
    "stdlib_authorizer": "authorizer",
}
# This peer is a floor: it shows what the libraries cost that we use, and is not a target.
FLOOR = "stdlib_authorizer"


@dataclass
class ColdStart:
    """What one flow took in each round: start and first call together, in seconds. And its calls in the last round."""

    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    calls: list[OutgoingCall] = field(default_factory=list)


# By flow.
ColdStarts = dict[str, ColdStart]

# Starts a function for one event with this expected status, measures it as a flow, and returns the response's body.
Start = Callable[[str, str, events.Event, int], Any]


def cold_starts(laboratory: Laboratory, rounds: int) -> dict[str, ColdStarts]:
    """Start every function `rounds` times. Return the results by deployment."""
    starts: dict[str, ColdStarts] = defaultdict(lambda: defaultdict(ColdStart))
    for _ in range(rounds):
        for deployment in (laboratory.baseline, laboratory.ours):
            _sign_in(laboratory, deployment, _starter(laboratory, deployment, starts[deployment.name]))
        for deployment in laboratory.peers:
            _run_peers(laboratory, _starter(laboratory, deployment, starts[deployment.name]))
    return starts


def cold_calls(laboratory: Laboratory) -> dict[str, dict[str, list[OutgoingCall]]]:
    """Return the calls of each flow with cold functions: of the baseline and of ours."""
    starts: dict[str, ColdStarts] = defaultdict(lambda: defaultdict(ColdStart))
    with laboratory.https.slow():
        for deployment in (laboratory.baseline, laboratory.ours):
            _sign_in(laboratory, deployment, _starter(laboratory, deployment, starts[deployment.name]))
    return {name: {flow: cold.calls for flow, cold in flows.items()} for name, flows in starts.items()}


def cold_instructions(laboratory: Laboratory, directory: Path) -> dict[str, dict[str, int]]:
    """Return the instructions of each flow with a cold function, by deployment. `directory` is an empty folder.

    They do not depend on the load of the machine. Those of Python itself are not included.
    """
    empty, log = directory / "empty", directory / "valgrind.log"
    empty.mkdir(parents=True)
    (empty / "app.py").write_text("def handler(event, context): return {}\n")
    counts: dict[str, dict[str, int]] = defaultdict(dict)

    def count(function: Function, event: events.Event) -> tuple[Any, int]:
        with laboratory.start(function, count_into=log) as environment:
            response = environment.call(event).value
        return response, instructions(log)

    _, of_python = count(Function((empty,), {}, 512), {})
    for deployment in (laboratory.baseline, laboratory.ours, *laboratory.peers):

        def start(
            flow: str, function: str, event: events.Event, status: int = 200, deployment: Deployment = deployment
        ) -> Any:
            response, counted = count(deployment.functions[function], event)
            counts[deployment.name][flow] = counted - of_python
            return content(f"{deployment.name}, {flow}", response, status)

        if deployment in laboratory.peers:
            _run_peers(laboratory, start)
        else:
            _sign_in(laboratory, deployment, start)
    return counts


def ratio(measured: list[float], reference: list[float]) -> float:
    """Return the median of the ratios of all rounds. The load of the machine affects both of a round."""
    return median(one / other for one, other in zip(measured, reference, strict=True))


def _starter(laboratory: Laboratory, deployment: Deployment, starts: ColdStarts) -> Start:
    def start(flow: str, function: str, event: events.Event, status: int = 200) -> Any:
        with laboratory.start(deployment.functions[function]) as environment:
            first = environment.call(event)
        cold = starts[flow]
        cold.cpu.append(environment.start.cpu + first.cpu)
        cold.wall.append(environment.start.wall + first.wall)
        cold.calls = environment.start.calls + first.calls
        return content(f"{deployment.name}, {flow}", first.value, status)

    return start


def content(flow: str, response: Any, status: int) -> Any:
    """Return the parsed body of a response, or the whole response of an authorizer. Raises `SetupFailed`."""
    if response.get("statusCode", 200) != status:
        raise SetupFailed(f"{flow}: {response}")
    is_json = "json" in response.get("headers", {}).get("content-type", "")
    return json.loads(response["body"] or "null") if is_json else response


def password(user: Account) -> events.Event:
    """Return the event of a password step."""
    return events.post("/auth/password", {"username": user.login, "password": user.password})


def _sign_in(laboratory: Laboratory, deployment: Deployment, start: Start) -> None:
    """Sign users in and out. Every request meets a cold function."""
    site = laboratory.site
    start("pages", "pages", events.get("/shotgrid-login.js"), 200)
    start("password, signed in", "password", password(laboratory.new_user()), 200)
    user = laboratory.new_user(two_factor=True)
    challenge = start("password, code required", "password", password(user), 202)["challenge"]
    code = {"challenge": challenge, "code": site.code(user.login)}
    signed_in = start("otp", "otp", events.post("/auth/otp", code), 200)
    bearer = signed_in.get("api_token") or signed_in["access_token"]
    allowed = start("authorizer", "authorizer", rest_request(f"Bearer {bearer}"), 200)
    start("session", "session", events.get_with_bearer("/auth/session", bearer, allowed["context"]), 200)
    handle = {"refresh_token": signed_in["refresh_token"]}
    handle = {"refresh_token": start("refresh", "refresh", events.post("/auth/refresh", handle), 200)["refresh_token"]}
    start("logout", "logout", events.post("/auth/logout", handle), 204)
    user = laboratory.new_user()
    form = {"grant_type": "password", "username": user.login, "password": user.password}
    start("access_token", "access_token", events.post_form("/api/v1/auth/access_token", form), 200)
    if "browser" in deployment.functions:  # the baseline has no browser sign-in
        start("methods", "methods", events.get("/auth/methods"), 200)
        started = start("browser", "browser", events.post("/auth/browser", {"transport": "token"}), 202)
        site.approve(started["approval_url"], laboratory.new_user())
        start("approval", "approval", events.post("/auth/approval", {"challenge": started["challenge"]}), 200)


def _run_peers(laboratory: Laboratory, start: Start) -> None:
    """Let the peers do the same. Their authorizer receives a token of ours."""
    for peer, flow in PEER_FLOWS.items():
        event = password(laboratory.new_user())
        if flow == "authorizer":
            with laboratory.start(laboratory.ours.functions["password"]) as environment:
                bearer = content(flow, environment.call(event).value, 200)["api_token"]
            event = rest_request(f"Bearer {bearer}")
        start(peer, peer, event, 200)
