"""What the soak tests. To add a target, append a `Target` to the list in `all_targets`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis.strategies import SearchStrategy

from tests.local.stack import LocalAws
from tests.soak.browser_sign_in import LAUNCHER_RESPONSES, REQUESTS, RandomSite, loaded_functions
from tests.support.authorizer_events import API
from tests.support.authorizer_function import USER, load_authorizer
from tests.support.hostile_events import HOSTILE_EVENTS, VALID_BEARER


@dataclass(frozen=True)
class Target:
    """Random inputs, and a check that raises an exception if the code fails for an input."""

    name: str
    inputs: SearchStrategy[Any]
    check: Callable[[Any], None]


@contextlib.contextmanager
def all_targets() -> Iterator[list[Target]]:
    """Start what the targets need and return them."""
    with LocalAws() as aws, loaded_functions(aws) as functions, RandomSite() as site:
        authorizer = load_authorizer(aws, rules=f"{API}/reports={USER.permission_group};")
        authorizer.sign_in(VALID_BEARER)

        def is_denied(event: object) -> None:
            assert not authorizer.allows(event), "the authorizer allows this event"

        yield [
            *(Target(f"authorizer: {name}", events, is_denied) for name, events in HOSTILE_EVENTS.items()),
            Target("browser sign-in: random starts", REQUESTS, functions.check_start),
            Target("browser sign-in: random polls", REQUESTS, functions.check_poll),
            Target("browser sign-in: altered challenges", functions.altered_polls(), functions.check_poll),
            Target("browser sign-in: other browsers", functions.polls_of_other_browsers(), functions.check_poll),
            Target("launcher: responses to a request", LAUNCHER_RESPONSES, site.check_request),
            Target("launcher: responses to a poll", LAUNCHER_RESPONSES, site.check_poll),
        ]
