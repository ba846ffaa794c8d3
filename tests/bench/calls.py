"""Calls to the functions: each flow once, for whom it asks, and the most frequent ones for their own time.

`warm` runs it, in a process that has what a function has. It prints one JSON object.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import requests

from shotgrid_login import gateway
from shotgrid_login.refresh import Refresh
from shotgrid_login.sessions import IDLE_RESOLUTION
from shotgrid_login.site import Site
from tests.bench import events
from tests.bench.compared import Compared
from tests.bench.outgoing import counted, replayed
from tests.bench.unpacked import Unpacked
from tests.support.authorizer_events import EVENTS

Handler = Callable[[events.Event, events.Context], dict[str, Any]]

CONTEXT = events.Context()

# For a function's own time: so many calls in a row, so many times in turns with its floor.
CALLS = 200
ROUNDS = 31


class Unexpected(Exception):
    """A function did not response as it must, so there is nothing to measure."""


class Seen:
    """What was counted and measured so far, by flow."""

    def __init__(self) -> None:
        self.calls: dict[str, Counter[str]] = {}
        self.own_time: dict[str, Compared] = {}

    def count(self, flow: str, handler: Handler, event: events.Event, status: int = 200) -> Any:
        """Call once, note whom it asks, and return what it responses."""
        with counted() as self.calls[flow]:
            response = handler(event, CONTEXT)
        return _content(flow, response, status)

    def time(self, flow: str, handler: Handler, empty: Handler, event: events.Event) -> None:
        """Note the CPU time of calls that get AWS's responses at once, and of calls of an empty handler."""
        self.own_time[flow] = Compared()
        with replayed(lambda: handler(event, CONTEXT)):
            for _ in range(ROUNDS):
                self.own_time[flow].measured.append(_seconds_of(handler, event))
                self.own_time[flow].floor.append(_seconds_of(empty, event))
            _content(flow, handler(event, CONTEXT), 200)


def main(directory: str, username: str, password: str) -> None:
    """Go one user's way in and out, and print what was seen."""
    seen = Seen()
    # What the functions log is part of their time, but nothing to read here.
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        _go(seen, Unpacked(Path(directory)), username, password)
    own_time = {flow: asdict(compared) for flow, compared in seen.own_time.items()}
    print(json.dumps({"calls": seen.calls, "own_time": own_time}))


def _go(seen: Seen, unpacked: Unpacked, username: str, password: str) -> None:
    site_url = gateway.configuration().site_url
    app = {name: _app(folder) for name, folder in unpacked.functions.items()}
    floor = {name: _app(folder) for name, folder in unpacked.floors.items()}

    def refresh_at(now: float) -> None:  # time is passed in, so nothing has to wait for it
        app["refresh"].refresh = Refresh(Site(site_url), gateway.sessions(sealing=True), seconds=lambda: now)

    sign_in = events.post("/auth/password", {"username": username, "password": password})
    started = time.time()
    signed_in = seen.count("password, signed in", app["password"].handler, sign_in)

    bearer = signed_in["access_token"]
    known: dict[str, Any] = {}
    for shape, event_of in EVENTS.items():
        event = event_of(f"Bearer {bearer}", "/shots")
        known = seen.count(f"authorizer, {shape}", app["authorizer"].handler, event)["context"]
        seen.time(f"authorizer, {shape}", app["authorizer"].handler, floor["authorizer"].handler, event)
    seen.count("session", app["session"].handler, events.get("/auth/session", bearer, known))

    refresh = events.post("/auth/refresh", {"refresh_token": signed_in["refresh_token"]})
    refresh_at(started)
    seen.count("refresh, coalesced", app["refresh"].handler, refresh)
    seen.time("refresh, coalesced", app["refresh"].handler, floor["others"].handler, refresh)
    refresh_at(started + 2 * IDLE_RESOLUTION)
    seen.count("refresh, coalesced, idle limit moved", app["refresh"].handler, refresh)
    refresh_at(started + signed_in["expires_in"])
    refreshed = seen.count("refresh, at expiry", app["refresh"].handler, refresh)

    logout = events.post("/auth/logout", {"refresh_token": refreshed["refresh_token"]})
    seen.count("logout", app["logout"].handler, logout, 204)

    requests.put(f"{site_url}/stand-in/switches", json={"two_factor": True}, timeout=10).raise_for_status()
    challenge = seen.count("password, code wanted", app["password"].handler, sign_in, 202)["challenge"]
    code = requests.get(f"{site_url}/stand-in/code/{username}", timeout=10).text
    seen.count("otp", app["otp"].handler, events.post("/auth/otp", {"challenge": challenge, "code": code}))


def _app(folder: Path) -> Any:
    """Import an app.py beside others of the same name."""
    spec = importlib.util.spec_from_file_location(f"{folder.parent.name}_{folder.name}", folder / "app.py")
    if spec is None or spec.loader is None:
        raise Unexpected(f"{folder} has no app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _content(flow: str, response: dict[str, Any], status: int) -> Any:
    """Return the body of a proxy's response; an authorizer's response has no status, and is all content."""
    if response.get("statusCode", 200) != status:
        raise Unexpected(f"{flow}: {response}")
    return json.loads(response["body"] or "null") if "body" in response else response


def _seconds_of(handler: Handler, event: events.Event) -> float:
    started = time.process_time()
    for _ in range(CALLS):
        handler(event, CONTEXT)
    return (time.process_time() - started) / CALLS


if __name__ == "__main__":
    main(*sys.argv[1:])
