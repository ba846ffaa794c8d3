"""`make bench`: measure, then print the results beside their targets."""

from __future__ import annotations

import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from tests.bench.cold import ColdStart, cold_starts
from tests.bench.comparison import Comparison
from tests.bench.page import requests_of_page
from tests.bench.unpacked import Unpacked
from tests.bench.warm import warm_calls
from tests.local.stack import SetupFailed
from tests.support.authorizer_events import EVENTS

COLD_START_TARGET = 1.10

# CPU time of a warm call without the calls of AWS. Seconds, for the machine that they were chosen on.
OWN_TIME_TARGETS = {f"authorizer, {event}": 0.0005 for event in EVENTS}

# The maximum number of calls in a flow. A service that is missing here has no maximum.
CALL_TARGETS = {
    **{f"authorizer, {event}": {"site": 0, "dynamodb": 1, "kms": 0} for event in EVENTS},
    "refresh, coalesced": {"site": 0, "kms": 1},
    "refresh, coalesced, idle limit moved": {"site": 0, "kms": 1},
    "refresh, at expiry": {"site": 1, "kms": 2},
    "methods, first": {"site": 1, "dynamodb": 0, "kms": 0},
    "methods, later": {"site": 0, "dynamodb": 0, "kms": 0},
    "browser, start": {"site": 1},
    "approval, pending": {"site": 1},
    "approval, within 2 s": {"site": 0},
    "approval, repeated": {"site": 0},
}

# The maximum number of polls by the page. A scenario that is missing here has no maximum.
POLL_TARGETS = {"approved after 20 s in another tab": 3}

SERVICES = {"site": "site", "dynamodb": "DynamoDB", "kms": "KMS"}


def main() -> None:
    """Measure everything, then print all tables together."""
    print("Measuring takes about two minutes", file=sys.stderr, flush=True)
    # SIGTERM raises SystemExit, so that everything that was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory(prefix="shotgrid-login-bench-") as directory:
        unpacked = Unpacked.build_into(Path(directory))
        starts = cold_starts(unpacked)
        warm = warm_calls(unpacked)
    requests = requests_of_page()
    _print_starts(starts)
    _print_own_time(warm.own_time)
    _print_calls(warm.calls)
    _print_sign_ins(requests, warm.calls)


def _print_starts(starts: list[ColdStart]) -> None:
    print("Cold start: CPU time until the handler is ready, divided by that of a floor. The floor imports boto3 and")
    print(
        "creates a DynamoDB client and Powertools' Logger. Except for the authorizer, it also creates a KMS client and"
    )
    print("imports requests.\n")
    _print_row("function", "ratio", "target")
    for start in starts:
        target = f"<= {COLD_START_TARGET:.2f}{_mark(exceeded=start.cpu.ratio > COLD_START_TARGET)}"
        note = f"({start.cpu}; wall clock {start.wall.ratio:.2f})"
        _print_row(start.function, f"{start.cpu.ratio:.2f}", target, note)


def _print_own_time(own_time: Mapping[str, Comparison]) -> None:
    print(
        "\nWarm call: CPU time without the calls of AWS, divided by that of an empty handler with the same decorator.\n"
        "`browser, start` and `approval, pending` contain one real call of the site.\n"
    )
    _print_row("flow", "ratio", "target")
    for flow, comparison in own_time.items():
        maximum = OWN_TIME_TARGETS.get(flow)
        own = median(comparison.measured)
        target = "none" if maximum is None else f"< {maximum * 1000:.1f} ms{_mark(exceeded=own >= maximum)}"
        _print_row(flow, f"{comparison.ratio:.2f}", target, f"({comparison})")


def _print_row(name: str, ratio: str, target: str, note: str = "") -> None:
    print(f"{name:38}{ratio:>6}  {target:18}{note}".rstrip())


def _print_calls(calls: Mapping[str, Mapping[str, int]]) -> None:
    print("\nCalls to other services in one request.\n")
    print(f"{'flow':38}" + "".join(f"{title:>10}" for title in SERVICES.values()) + "  target")
    for flow, counts in calls.items():
        maximum = CALL_TARGETS.get(flow, {})
        target = ", ".join(f"{SERVICES[service]} <= {count}" for service, count in maximum.items()) or "none"
        mark = _mark(exceeded=any(counts.get(service, 0) > count for service, count in maximum.items()))
        print(f"{flow:38}" + "".join(f"{counts.get(service, 0):10}" for service in SERVICES) + f"  {target}{mark}")


def _print_sign_ins(requests: Mapping[str, Mapping[str, int]], calls: Mapping[str, Mapping[str, int]]) -> None:
    print("\nOne browser sign-in: requests of the page, and calls of the gateway to other services.\n")
    print(
        f"{'scenario':40}{'starts':>8}{'polls':>8}"
        + "".join(f"{title:>10}" for title in SERVICES.values())
        + "  target"
    )
    for scenario, counts in requests.items():
        starts, polls = counts["browser"], counts["approval"]
        is_approved = scenario.startswith("approved")
        flows = {
            "browser, start": starts,
            "approval, pending": polls - is_approved,
            "approval, signed in": int(is_approved),
        }
        totals = {service: sum(calls[flow].get(service, 0) * flows[flow] for flow in flows) for service in SERVICES}
        maximum = POLL_TARGETS.get(scenario)
        mark = _mark(exceeded=maximum is not None and (polls > maximum or starts > 1))
        target = "none" if maximum is None else f"1 start, polls <= {maximum}{mark}"
        print(
            f"{scenario:40}{starts:8}{polls:8}"
            + "".join(f"{totals[service]:10}" for service in SERVICES)
            + f"  {target}"
        )


def _mark(*, exceeded: bool) -> str:
    return " EXCEEDED" if exceeded else ""


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except SetupFailed as failed:
        sys.exit(f"make bench: {failed}")
