"""Calls of the functions: counts of their calls to other services, and their own CPU time.

`warm` runs this module in a process with the environment of a function. It prints one JSON object.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import requests

from shotgrid_login import gateway
from shotgrid_login.approvals import POLL_INTERVAL
from shotgrid_login.refresh import Refresh
from shotgrid_login.sessions import IDLE_RESOLUTION
from shotgrid_login.site import Site
from tests.bench import events
from tests.bench.comparison import Comparison
from tests.bench.outgoing import counted, replayed
from tests.bench.unpacked import Unpacked
from tests.support.authorizer_events import EVENTS

Handler = Callable[[events.Event, events.Context], dict[str, Any]]

CONTEXT = events.Context()

# To measure CPU time: the calls per round, and the rounds of a function and of its floor, in turns. A call of the site
# takes milliseconds, so flows with such a call have fewer.
CALLS = 200
CALLS_WITH_SITE = 20
ROUNDS = 31


class UnexpectedResponse(Exception):
    """A function did not return the expected status, so there is nothing to measure."""


class Results:
    """The counts and measurements of each flow."""

    def __init__(self) -> None:
        self.calls: dict[str, Counter[str]] = {}
        self.own_time: dict[str, Comparison] = {}

    def count(self, flow: str, handler: Handler, event: events.Event, status: int = 200) -> Any:
        """Call the function once, count its calls to other services, and return the content of its response."""
        with counted() as self.calls[flow]:
            response = handler(event, CONTEXT)
        return _content(flow, response, status)

    def time(
        self, flow: str, handler: Handler, empty: Handler, event: events.Event, status: int = 200, calls: int = CALLS
    ) -> None:
        """Measure the CPU time of calls with replayed responses of AWS, and of calls of an empty handler."""
        self.own_time[flow] = Comparison()
        with replayed(lambda: handler(event, CONTEXT)):
            for _ in range(ROUNDS):
                self.own_time[flow].measured.append(_seconds_of(handler, event, calls))
                self.own_time[flow].floor.append(_seconds_of(empty, event, calls))
            _content(flow, handler(event, CONTEXT), status)


def main(directory: str, username: str, password: str) -> None:
    """Run all flows with one user and print the results."""
    results = Results()
    # The time for writing the log counts, but the log itself is not needed.
    with Path(os.devnull).open("w") as devnull, contextlib.redirect_stdout(devnull):
        _run_flows(results, Unpacked(Path(directory)), username, password)
    own_time = {flow: asdict(comparison) for flow, comparison in results.own_time.items()}
    print(json.dumps({"calls": results.calls, "own_time": own_time}))


def _run_flows(results: Results, unpacked: Unpacked, username: str, password: str) -> None:
    site_url = gateway.configuration().site_url
    app = {name: _import_app(folder) for name, folder in unpacked.functions.items()}
    floor = {name: _import_app(folder) for name, folder in unpacked.floors.items()}

    def refresh_at(now: float) -> None:  # inject the time instead of waiting
        app["refresh"].refresh = Refresh(Site(site_url), gateway.sessions(sealing=True), seconds=lambda: now)

    sign_in = events.post("/auth/password", {"username": username, "password": password})
    started = time.time()
    signed_in = results.count("password, signed in", app["password"].handler, sign_in)

    bearer = signed_in["access_token"]
    context: dict[str, Any] = {}
    for name, make_event in EVENTS.items():
        event = make_event(f"Bearer {bearer}", "/shots")
        context = results.count(f"authorizer, {name}", app["authorizer"].handler, event)["context"]
        results.time(f"authorizer, {name}", app["authorizer"].handler, floor["authorizer"].handler, event)
    results.count("session", app["session"].handler, events.get_with_bearer("/auth/session", bearer, context))

    refresh = events.post("/auth/refresh", {"refresh_token": signed_in["refresh_token"]})
    refresh_at(started)
    results.count("refresh, coalesced", app["refresh"].handler, refresh)
    results.time("refresh, coalesced", app["refresh"].handler, floor["others"].handler, refresh)
    refresh_at(started + 2 * IDLE_RESOLUTION)
    results.count("refresh, coalesced, idle limit moved", app["refresh"].handler, refresh)
    refresh_at(started + signed_in["expires_in"])
    refreshed = results.count("refresh, at expiry", app["refresh"].handler, refresh)

    logout = events.post("/auth/logout", {"refresh_token": refreshed["refresh_token"]})
    results.count("logout", app["logout"].handler, logout, 204)

    _run_browser_sign_in(results, app, floor["others"].handler, username, password)

    requests.put(f"{site_url}/stand-in/switches", json={"two_factor": True}, timeout=10).raise_for_status()
    challenge = results.count("password, code required", app["password"].handler, sign_in, 202)["challenge"]
    code = requests.get(f"{site_url}/stand-in/code/{username}", timeout=10).text
    results.count("otp", app["otp"].handler, events.post("/auth/otp", {"challenge": challenge, "code": code}))


def _run_browser_sign_in(
    results: Results, app: Mapping[str, Any], empty: Handler, username: str, password: str
) -> None:
    site_url = gateway.configuration().site_url
    methods = events.get("/auth/methods")
    results.count("methods, first", app["methods"].handler, methods)
    results.count("methods, later", app["methods"].handler, methods)
    results.time("methods, later", app["methods"].handler, empty, methods)

    start = events.post("/auth/browser", {"transport": "token"})
    started_sign_in = results.count("browser, start", app["browser"].handler, start, 202)
    results.time("browser, start", app["browser"].handler, empty, start, 202, CALLS_WITH_SITE)
    poll = events.post("/auth/approval", {"challenge": started_sign_in["challenge"]})
    results.count("approval, pending", app["approval"].handler, poll, 202)
    results.count("approval, within 2 s", app["approval"].handler, poll, 202)
    results.time("approval, within 2 s", app["approval"].handler, empty, poll, 202)
    time.sleep(POLL_INTERVAL)
    results.time("approval, pending", app["approval"].handler, empty, poll, 202, CALLS_WITH_SITE)

    started_sign_in = results.count("browser, start", app["browser"].handler, start, 202)
    _approve(site_url, started_sign_in["approval_url"], username, password)
    poll = events.post("/auth/approval", {"challenge": started_sign_in["challenge"]})
    results.count("approval, signed in", app["approval"].handler, poll)
    results.count("approval, repeated", app["approval"].handler, poll)


def _approve(site_url: str, approval_url: str, username: str, password: str) -> None:
    """Sign in on the site's own page and approve the request."""
    with requests.Session() as browser:
        credentials = {"login": username, "password": password}
        browser.post(f"{site_url}/user/login", data=credentials, timeout=10).raise_for_status()
        browser.post(approval_url, data={"decision": "approve"}, timeout=10).raise_for_status()


def _import_app(folder: Path) -> Any:
    """Import the app.py of a folder under a name of its own."""
    spec = importlib.util.spec_from_file_location(f"{folder.parent.name}_{folder.name}", folder / "app.py")
    if spec is None or spec.loader is None:
        raise FileNotFoundError(f"{folder} has no app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _content(flow: str, response: dict[str, Any], status: int) -> Any:
    """Return the body of an HTTP response, or a whole response of the authorizer, which has no status."""
    if response.get("statusCode", 200) != status:
        raise UnexpectedResponse(f"{flow}: {response}")
    return json.loads(response["body"] or "null") if "body" in response else response


def _seconds_of(handler: Handler, event: events.Event, calls: int) -> float:
    started = time.process_time()
    for _ in range(calls):
        handler(event, CONTEXT)
    return (time.process_time() - started) / calls


if __name__ == "__main__":
    main(*sys.argv[1:])
