"""What the soak tests. To add a target, append it to the list in `all_targets`."""

from __future__ import annotations

import contextlib
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine
from hypothesis.strategies import SearchStrategy

from shotgrid_login import log
from tests.local.stack import LocalAws
from tests.site.fake_site import FakeSite
from tests.soak.browser_sign_in import (
    LAUNCHER_RESPONSES,
    AuthenticatedKms,
    BrowserSignInChecks,
    RandomSite,
)
from tests.soak.browser_sign_in import REQUESTS as BROWSER_REQUESTS
from tests.soak.requests import COOKIES, REQUESTS, RequestChecks
from tests.support.authorizer_events import API
from tests.support.authorizer_function import USER, load_authorizer
from tests.support.core import Core, Storage
from tests.support.core_functions import core_functions
from tests.support.hostile_events import HOSTILE_EVENTS, VALID_BEARER
from tests.support.operations import OPERATIONS, Disturbance, operations
from tests.support.session_model import SessionMachine
from tests.support.stepped import SteppedClient
from tests.unit.test_failed_attempts import Guesses
from tests.unit.test_user_attempts import Attempts

# The share of the time for the model of sessions and for faults at calls, which find the most.
LARGE_SHARE = 5


@dataclass(frozen=True)
class Target:
    """Random inputs, and a check that raises an exception if the code fails for an input.

    Attributes:
        share: how many shares of the time it gets.
    """

    name: str
    inputs: SearchStrategy[Any]
    check: Callable[[Any], None]
    share: int = 1


@dataclass(frozen=True)
class MachineTarget:
    """A state machine, which draws its own steps."""

    name: str
    machine: Callable[[], RuleBasedStateMachine]
    share: int = LARGE_SHARE


@contextlib.contextmanager
def all_targets() -> Iterator[tuple[list[Target | MachineTarget], dict[str, Counter[str]]]]:
    """Start what the targets need. Return them, and the counts of what happens, by heading."""
    log.logger.setLevel("CRITICAL")
    names = iter(f"soak-{secrets.token_hex(6)}" for _ in iter(int, 1))
    models, faults, responses = Counter[str](), Counter[str](), Counter[str]()
    counts = {"rules and outcomes of the model": models, "faults at calls": faults, "responses": responses}
    with (
        LocalAws() as aws,
        FakeSite() as site,
        RandomSite() as random_site,
        operations(aws, next(names)) as tried,
    ):
        prefix = next(names)
        core = Core(Storage.create(aws, prefix, AuthenticatedKms), site)
        functions = core_functions(core, aws.client("dynamodb"), f"{prefix}-bearers")
        browser_sign_in = BrowserSignInChecks(functions, responses)
        requests = RequestChecks(functions, responses)
        authorizer = load_authorizer(aws, rules=f"{API}/reports={USER.permission_group};")
        authorizer.sign_in(VALID_BEARER)

        def is_denied(event: object) -> None:
            assert not authorizer.allows(event), "the authorizer allows this event"

        def disturb(disturbance: Disturbance) -> None:
            tried.core.address = "10." + ".".join(str(secrets.randbelow(256)) for _ in range(3))
            name = disturbance[0]
            faults[f"{name}: {tried.disturb(disturbance) or 'not disturbed'}"] += 1

        targets: list[Target | MachineTarget] = [
            MachineTarget(
                "model of sessions",
                lambda: SessionMachine(Storage.create(aws, next(names), SteppedClient), site, models),
            ),
            MachineTarget("attempts of one user", Attempts),
            MachineTarget("guesses with all names of a user", Guesses),
            Target(
                "faults at each call",
                st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 16), st.integers(0, 27)),
                disturb,
                LARGE_SHARE,
            ),
            Target("requests: random ones", REQUESTS, requests.check_request),
            Target("requests: hostile cookies", COOKIES, requests.check_cookies),
            *(Target(f"authorizer: {name}", events, is_denied) for name, events in HOSTILE_EVENTS.items()),
            Target("browser sign-in: random starts", BROWSER_REQUESTS, browser_sign_in.check_start),
            Target("browser sign-in: random polls", BROWSER_REQUESTS, browser_sign_in.check_poll),
            Target(
                "browser sign-in: altered challenges",
                browser_sign_in.altered_polls(),
                browser_sign_in.check_poll,
            ),
            Target(
                "browser sign-in: other browsers",
                browser_sign_in.polls_of_other_browsers(),
                browser_sign_in.check_poll,
            ),
            Target("launcher: responses to a request", LAUNCHER_RESPONSES, random_site.check_request),
            Target("launcher: responses to a poll", LAUNCHER_RESPONSES, random_site.check_poll),
        ]
        yield targets, counts
