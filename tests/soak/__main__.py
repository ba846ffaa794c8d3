"""`python -m tests.soak SECONDS`: run every target for its share of the time. Exit code 1 means a failure."""

from __future__ import annotations

import argparse
import contextlib
import secrets
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.local.stack import SetupFailed
from tests.soak.targets import MachineTarget, Target, all_targets

# Inputs per run of Hypothesis, which starts each run with simple inputs.
INPUTS_PER_RUN = 1000

# Runs of a state machine between two looks at the clock, and the steps of each.
MACHINES_PER_RUN = 5
STEPS = 50


class TimeOver(BaseException):
    """Ends a run. Hypothesis treats an `Exception` as a failure of the input."""


@dataclass
class Result:
    """How many inputs a target passed, and its failure if there is one."""

    count: int = 0
    failing_input: Any = None
    traceback: str = ""


def run(target: Target, seconds: float) -> Result:
    """Check random inputs of one target until the time is over or an input fails."""
    result = Result()
    end = time.monotonic() + seconds

    # No deadline per input, because the machine may be busy. No database, so that each soak uses new inputs.
    @settings(max_examples=INPUTS_PER_RUN, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(target.inputs)
    def check_input(value: Any) -> None:
        if time.monotonic() >= end:
            raise TimeOver
        try:
            target.check(value)
        except Exception:
            # Hypothesis then looks for a smaller failing input, so the last failure is the best one to print.
            result.failing_input, result.traceback = value, traceback.format_exc()
            raise
        result.count += 1

    with contextlib.suppress(TimeOver):
        while not result.traceback:
            try:
                # Without a seed of ours, Hypothesis reports its own as that of a failure when the time is over.
                seed(secrets.randbits(64))(check_input)()
            except Exception:
                if not result.traceback:
                    raise
    return result


def run_machine(target: MachineTarget, seconds: float) -> Result:
    """Run a state machine until the time is over or a step fails."""
    result = Result()
    end = time.monotonic() + seconds
    options = settings(
        max_examples=MACHINES_PER_RUN,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    while time.monotonic() < end and not result.traceback:
        try:
            run_state_machine_as_test(target.machine, settings=options)  # type: ignore[arg-type]  # any callable
        except Exception:  # noqa: BLE001 - it is printed
            result.failing_input, result.traceback = "see the steps below", traceback.format_exc()
        else:
            result.count += MACHINES_PER_RUN
    return result


def main(arguments: Sequence[str]) -> int:
    """Print a line per target and return the exit code."""
    parser = argparse.ArgumentParser(prog="make soak", description="Call the code with random inputs.")
    parser.add_argument("seconds", type=float, help="how long to run, in seconds, for all targets together")
    seconds = parser.parse_args(arguments).seconds
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with all_targets() as (targets, counts):
        results = []
        shares = sum(target.share for target in targets)
        for target in targets:
            time_of_target = seconds * target.share / shares
            if isinstance(target, MachineTarget):
                result = run_machine(target, time_of_target)
            else:
                result = run(target, time_of_target)
            results.append(result)
            print(f"{target.name}: {result.count} inputs passed", flush=True)
            if result.traceback:
                print(
                    f"{target.name}: FAILED for this input:\n{result.failing_input!r}\n{result.traceback}", flush=True
                )
    for heading, counted in counts.items():
        print(f"{heading}:")
        for name in sorted(counted):
            print(f"{counted[name]:8} {name}")
    failures = sum(bool(result.traceback) for result in results)
    print(f"{sum(result.count for result in results)} inputs, {failures} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except SetupFailed as failed:
        sys.exit(f"make soak: {failed}")
