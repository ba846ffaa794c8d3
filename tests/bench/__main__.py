"""`make bench`: measure, then print what was measured beside what is aimed at."""

from __future__ import annotations

import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from tests.bench.cold import ColdStart, cold_starts
from tests.bench.compared import Compared
from tests.bench.unpacked import Unpacked
from tests.bench.warm import warm_calls
from tests.local.stack import SetupFailed
from tests.support.authorizer_events import EVENTS

COLD_START_AIM = 1.10

# CPU time of a warm call of its own. Seconds, on a machine like the one it was set on; the ratio is for all others.
OWN_TIME_AIMS = {f"authorizer, {shape}": 0.0005 for shape in EVENTS}

# The most calls that a flow should make; where nothing is said, as many as it needs.
CALL_AIMS = {
    **{f"authorizer, {shape}": {"site": 0, "dynamodb": 1, "kms": 0} for shape in EVENTS},
    "refresh, coalesced": {"site": 0, "kms": 1},
    "refresh, coalesced, idle limit moved": {"site": 0, "kms": 1},
    "refresh, at expiry": {"site": 1, "kms": 2},
}

SERVICES = {"site": "site", "dynamodb": "DynamoDB", "kms": "KMS"}


def main() -> None:
    """Measure everything first, so that the tables stand together."""
    print("Measuring, which takes about two minutes", file=sys.stderr, flush=True)
    # Ended from outside, it still ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory(prefix="shotgrid-login-bench-") as directory:
        unpacked = Unpacked.built_into(Path(directory))
        starts = cold_starts(unpacked)
        warm = warm_calls(unpacked)
    _print_starts(starts)
    _print_own_time(warm.own_time)
    _print_calls(warm.calls)


def _print_starts(starts: list[ColdStart]) -> None:
    print("Cold start: CPU time until the handler is ready, over a floor that imports boto3, makes a DynamoDB client")
    print("and Powertools' Logger, and for all but the authorizer also makes a KMS client and imports requests.\n")
    _print_row("what", "ratio", "aim")
    for start in starts:
        aim = f"<= {COLD_START_AIM:.2f}{_mark(exceeded=start.cpu.ratio > COLD_START_AIM)}"
        _print_row(start.function, f"{start.cpu.ratio:.2f}", aim, f"({start.cpu}; wall clock {start.wall.ratio:.2f})")


def _print_own_time(own_time: Mapping[str, Compared]) -> None:
    print("\nWarm call: CPU time without the AWS calls', over an empty handler with the Logger's same decorator.\n")
    _print_row("what", "ratio", "aim")
    for flow, compared in own_time.items():
        most = OWN_TIME_AIMS.get(flow)
        own = median(compared.measured)
        aim = "none" if most is None else f"< {most * 1000:.1f} ms{_mark(exceeded=own >= most)}"
        _print_row(flow, f"{compared.ratio:.2f}", aim, f"({compared})")


def _print_row(what: str, ratio: str, aim: str, note: str = "") -> None:
    print(f"{what:38}{ratio:>6}  {aim:18}{note}".rstrip())


def _print_calls(calls: Mapping[str, Mapping[str, int]]) -> None:
    print("\nCalls to others that one request makes: a count, not a ratio.\n")
    print(f"{'what':38}" + "".join(f"{title:>10}" for title in SERVICES.values()) + "  aim")
    for flow, made in calls.items():
        most = CALL_AIMS.get(flow, {})
        aim = ", ".join(f"{SERVICES[service]} <= {count}" for service, count in most.items()) or "none"
        mark = _mark(exceeded=any(made.get(service, 0) > count for service, count in most.items()))
        print(f"{flow:38}" + "".join(f"{made.get(service, 0):10}" for service in SERVICES) + f"  {aim}{mark}")


def _mark(*, exceeded: bool) -> str:
    return " EXCEEDED" if exceeded else ""


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except SetupFailed as failed:
        sys.exit(f"make bench: {failed}")
