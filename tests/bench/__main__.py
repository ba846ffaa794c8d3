"""`make bench`: measure, and print what was measured beside what is aimed at. It takes about two minutes."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.bench.cold import ColdStart, cold_starts
from tests.bench.unpacked import Unpacked
from tests.bench.warm import Warm, warm_calls
from tests.local.stack import Failed

COLD_START_AIM = 1.10

# Most calls a flow should make.
CALL_AIMS = {
    "authorizer": {"site": 0, "dynamodb": 1, "kms": 0},
    "refresh, coalesced": {"site": 0, "kms": 1},
    "refresh, coalesced, first in a minute": {"site": 0, "kms": 1},
    "refresh, at expiry": {"site": 1, "kms": 2},
}


def main() -> None:
    """Measure everything first, so that the tables stand together."""
    with tempfile.TemporaryDirectory(prefix="shotgrid-login-bench-") as directory:
        unpacked = Unpacked.built_into(Path(directory))
        starts = cold_starts(unpacked)
        warm = warm_calls(unpacked)
    _print_starts(starts)
    _print_own_time(warm)
    _print_calls(warm)


def _print_starts(starts: list[ColdStart]) -> None:
    print("Cold start, over a floor that imports boto3, Powertools' Logger and, but for the authorizer, requests, and")
    print("makes the clients: CPU time from the first import until the handler is ready\n")
    print(f"{'what':40}{'ratio':>6}  {'aim':14}")
    for start in starts:
        aim = f"<= {COLD_START_AIM:.2f}" + _mark(exceeded=start.cpu.ratio > COLD_START_AIM)
        print(f"{start.function:40}{start.cpu.ratio:6.2f}  {aim:14}  ({start.cpu}; wall clock {start.wall.ratio:.2f})")


def _print_own_time(warm: Warm) -> None:
    print("\nWarm call, over an empty handler with the same logger: CPU time without the AWS calls'\n")
    print(f"{'what':40}{'ratio':>6}  {'aim':14}")
    for flow, compared in warm.own_time.items():
        print(f"{flow:40}{compared.ratio:6.2f}  {'-':14}  ({compared})")


def _print_calls(warm: Warm) -> None:
    print("\nCalls that a warm request makes\n")
    print(f"{'what':40}{'site':>6}{'DynamoDB':>10}{'KMS':>5}  aim")
    for flow, calls in warm.calls.items():
        site, dynamodb, kms = (calls.get(service, 0) for service in ("site", "dynamodb", "kms"))
        aims = CALL_AIMS.get(flow, {})
        aim = ", ".join(f"{service} <= {most}" for service, most in aims.items()) or "-"
        mark = _mark(exceeded=any(calls.get(service, 0) > most for service, most in aims.items()))
        print(f"{flow:40}{site:6}{dynamodb:10}{kms:5}  {aim}{mark}")


def _mark(*, exceeded: bool) -> str:
    return " EXCEEDED" if exceeded else ""


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except Failed as failed:
        sys.exit(f"make bench: {failed}")
