"""The model of sessions, with the same examples in each run. `make soak` runs it with random ones."""

from __future__ import annotations

from collections import Counter
from itertools import count

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.local.in_process import InProcessAws
from tests.site.fake_site import FakeSite
from tests.support.core import Storage
from tests.support.session_model import SessionMachine
from tests.support.stepped import SteppedClient

EXAMPLES = 12
STEPS = 30


def test_no_session_is_lost_and_none_returns_whatever_happens(in_process_aws: InProcessAws) -> None:
    counts: Counter[str] = Counter()
    numbers = count()
    with FakeSite() as site:

        def machine() -> SessionMachine:
            return SessionMachine(Storage.create(in_process_aws, f"model-{next(numbers)}", SteppedClient), site, counts)

        run_state_machine_as_test(
            machine,  # type: ignore[arg-type]  # any callable that returns a machine
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                derandomize=True,
                database=None,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    # Without these, the model would prove little.
    assert counts["the site sends new tokens"] > 10, counts
    assert counts["a session went on to the end"] > 5, counts
    assert counts["refresh -> killed"] > 5, counts
