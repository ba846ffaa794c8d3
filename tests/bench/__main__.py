"""`make bench`: measure, and print each result beside its target."""

from __future__ import annotations

import argparse
import itertools
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from tests.bench.cold import FLOOR, PEER_FLOWS, ColdStarts, cold_calls, cold_instructions, cold_starts, ratio
from tests.bench.first_sign_in import FUNCTIONS, first_sign_ins
from tests.bench.growth import SCENARIOS, Kind, growth
from tests.bench.https import OutgoingCall, rounds
from tests.bench.laboratory import laboratory
from tests.bench.morning import ACCOUNT_CONCURRENCY, BEFORE, NEW_ACCOUNT_CONCURRENCY, defaults, simulate
from tests.bench.page import requests_of_page
from tests.bench.warm import CALLERS, TRIVIAL, Warm, WarmCalls, counted, percentiles
from tests.local.stack import SetupFailed
from tests.support.authorizer_events import EVENTS

# The CPU time of a cold start, divided by that of the baseline. `pages` calls no other service.
COLD_START_TARGET = 0.45
COLD_START_TARGETS = {"pages": 0.30}

# The maximum number of calls in a warm flow. A service that is missing here has no maximum.
CALL_TARGETS = {
    **{f"authorizer, {event}": {"site": 0, "dynamodb": 1, "kms": 0} for event in EVENTS},
    "otp, known network": {"site": 2},
    "refresh, token kept": {"site": 0, "kms": 1},
    "refresh, idle limit moved": {"site": 0, "kms": 1},
    "refresh, token renewed": {"site": 1, "kms": 2},
    "methods": {"site": 0, "dynamodb": 0, "kms": 0},
    "browser": {"site": 1},
    "approval, pending": {"site": 1},
    "approval, within 2 s": {"site": 0},
}

# The maximum number of polls by the page. A scenario that is missing here has no maximum.
POLL_TARGETS = {"approved after 20 s in another tab": 3}

# The steps of a sign-in with a code, and of the first call of a studio API.
SIGN_IN = ("password, code required", "otp", "authorizer")

# For the simulation of a morning.
MORNING_USERS = 500

# What can be measured. `morning` is a simulation. Counting instructions takes ten minutes and needs Valgrind, so it
# only runs if it is named.
PARTS = ("cold", "calls", "warm", "growth", "page", "morning")
ALL_PARTS = (*PARTS, "instructions")

SERVICES = {"site": "site", "dynamodb": "DynamoDB", "kms": "KMS"}


def main(arguments: Sequence[str]) -> None:
    """Measure the chosen parts. Print each table as soon as it is complete."""
    parser = argparse.ArgumentParser(prog="make bench", description="Measure cold starts, calls and response times.")
    parser.add_argument("--baseline", required=True, help="the commit to compare with")
    parser.add_argument("--rounds", type=int, default=7, help="starts of each function")
    parser.add_argument(
        "parts", nargs="*", choices=[*ALL_PARTS, []], help="what to measure; without a name all but instructions"
    )
    options = parser.parse_args(arguments)
    parts = options.parts or PARTS
    print("All parts with 7 rounds take about 15 minutes", file=sys.stderr, flush=True)
    # SIGTERM raises SystemExit, so that everything that was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with (
        tempfile.TemporaryDirectory(prefix="shotgrid-login-bench-") as directory,
        laboratory(Path(directory) / "unpacked", options.baseline) as running,
        ExitStack() as environments,
    ):
        flows = WarmCalls(running, environments)
        if "cold" in parts:
            starts = cold_starts(running, options.rounds)
            _print_starts(starts, options.baseline, has_quota=running.quota.is_available)
        if "instructions" in parts:
            _print_instructions(cold_instructions(running, Path(directory) / "instructions"))
        if "calls" in parts:
            _print_sign_in(cold_calls(running))
            counts = flows.count()
            _print_calls(counts)
            _print_browser_sign_ins(requests_of_page(), counts)
        if "warm" in parts:
            _print_response_times(flows.measure())
        if "growth" in parts:
            _print_growth(growth(running))
    if "page" in parts:
        _print_first_sign_ins(first_sign_ins(options.rounds))
    if "morning" in parts:
        _print_morning()


def _print_starts(starts: Mapping[str, ColdStarts], baseline: str, *, has_quota: bool) -> None:
    limit = "limited to the function's memory / 1769 MB" if has_quota else "not limited: this user has no CPU control"
    print(
        f"Cold start: start and first call, as deployed, over HTTPS, divided by the commit {baseline}.\n"
        f"The first call is {limit}.\n"
    )
    print(f"{'flow':40}{'CPU':>6}  {'target':18}{'wall':>6}   medians in ms: CPU, wall clock")
    before = starts["baseline"]
    for flow, cold in starts["ours"].items():
        own = _medians(cold.cpu, cold.wall)
        if flow in before:
            cpu, wall = ratio(cold.cpu, before[flow].cpu), ratio(cold.wall, before[flow].wall)
            maximum = COLD_START_TARGETS.get(flow, COLD_START_TARGET)
            target = f"<= {maximum:.2f}{_mark(exceeded=cpu > maximum)}"
            medians = f"{own}, baseline {_medians(before[flow].cpu, before[flow].wall)}"
            print(f"{flow:40}{cpu:6.2f}  {target:18}{wall:6.2f}   {medians}")
        else:
            print(f"{flow:40}{'':6}  {'none':18}{'':6}   {own}")
    print("\nPeers: CPU time of ours, divided by that of a peer that does the same in a simpler way\n")
    for name in ("peers", "peers with bytecode"):
        for peer, flow in PEER_FLOWS.items():
            ours, of_peer = starts["ours"][flow], starts[name][peer]
            cpu, wall = ratio(ours.cpu, of_peer.cpu), ratio(ours.wall, of_peer.wall)
            title = f"{flow} / {peer}{', bytecode' if 'bytecode' in name else ''}"
            target = "none, a floor" if peer == FLOOR else f"< 1{_mark(exceeded=cpu >= 1)}"
            print(f"{title:40}{cpu:6.2f}  {target:18}{wall:6.2f}   peer {_medians(of_peer.cpu, of_peer.wall)}")


def _print_instructions(counts: Mapping[str, Mapping[str, int]]) -> None:
    print(
        "\nInstructions of a cold start, in millions, without those of an empty function; and divided by the baseline\n"
    )
    print(f"{'flow':40}{'baseline':>10}{'now':>8}{'ratio':>7}")
    for flow, now in counts["ours"].items():
        before = counts["baseline"].get(flow)
        columns = f"{before / 1e6:10.0f}{now / 1e6:8.0f}{now / before:7.2f}" if before else f"{'':10}{now / 1e6:8.0f}"
        print(f"{flow:40}{columns}")
    for name in ("peers", "peers with bytecode"):
        for peer, of_peer in counts[name].items():
            print(f"{f'{name}: {peer}':40}{of_peer / 1e6:18.0f}")


def _print_sign_in(starts: Mapping[str, Mapping[str, list[OutgoingCall]]]) -> None:
    print(
        "\nA sign-in with a code and the first call of a studio API, with cold functions: calls, and how many of them"
    )
    print("wait for each other\n")
    print(f"{'step':40}{'':10}" + "".join(f"{title:>10}" for title in SERVICES.values()) + f"{'in series':>11}")
    for name, title in {"baseline": "before", "ours": "now"}.items():
        totals: Counter[str] = Counter()
        for flow in SIGN_IN:
            calls = starts[name][flow]
            counts = counted(calls) | {"series": rounds(calls)}
            totals.update(counts)
            _print_counts(flow, title, counts)
        _print_counts(f"{len(SIGN_IN)} calls of Lambda", title, totals)


def _print_counts(flow: str, title: str, counts: Mapping[str, int]) -> None:
    columns = "".join(f"{counts.get(service, 0):10}" for service in SERVICES)
    print(f"{flow:40}{title:10}{columns}{counts['series']:11}")


def _print_calls(counts: Mapping[str, Warm]) -> None:
    print("\nCalls to other services in one warm request, and how many wait for each other\n")
    print(f"{'flow':40}" + "".join(f"{title:>10}" for title in SERVICES.values()) + f"{'in series':>11}  target")
    for flow, warm in counts.items():
        maximum = CALL_TARGETS.get(flow, {})
        target = ", ".join(f"{SERVICES[service]} <= {count}" for service, count in maximum.items()) or "none"
        mark = _mark(exceeded=any(warm.calls[service] > count for service, count in maximum.items()))
        columns = "".join(f"{warm.calls[service]:10}" for service in SERVICES)
        print(f"{flow:40}{columns}{warm.rounds:11}  {target}{mark}")


def _print_browser_sign_ins(requests: Mapping[str, Mapping[str, int]], warm: Mapping[str, Warm]) -> None:
    print("\nOne browser sign-in: requests of the page, and calls of the gateway to other services\n")
    titles = "".join(f"{title:>10}" for title in SERVICES.values())
    print(f"{'scenario':40}{'starts':>8}{'polls':>8}{titles}  target")
    for scenario, counts in requests.items():
        starts, polls = counts["browser"], counts["approval"]
        is_approved = scenario.startswith("approved")
        flows = {
            "browser": starts,
            "approval, pending": polls - is_approved,
            "approval, signed in": int(is_approved),
        }
        totals = {service: sum(warm[flow].calls[service] * flows[flow] for flow in flows) for service in SERVICES}
        maximum = POLL_TARGETS.get(scenario)
        mark = _mark(exceeded=maximum is not None and (polls > maximum or starts > 1))
        target = "none" if maximum is None else f"1 start, polls <= {maximum}{mark}"
        print(
            f"{scenario:40}{starts:8}{polls:8}"
            + "".join(f"{totals[service]:10}" for service in SERVICES)
            + f"  {target}"
        )


def _print_response_times(warm: Mapping[str, Warm]) -> None:
    print(f"\nResponse times of warm functions, p50 and p95, divided by those of `{TRIVIAL}` with as many callers\n")
    print(f"{'flow':40}" + "".join(f"{f'callers: {callers}':>16}" for callers in CALLERS))
    for flow, measured in warm.items():
        columns = []
        for callers in CALLERS:
            times = percentiles(measured.seconds[callers])
            trivial = percentiles(warm[TRIVIAL].seconds[callers])
            if flow == TRIVIAL:
                columns.append(" ".join(f"{seconds * 1000:.1f}" for seconds in times) + " ms")
            else:
                columns.append(" ".join(f"{own / other:.0f}" for own, other in zip(times, trivial, strict=True)))
        print(f"{flow:40}" + "".join(f"{column:>16}" for column in columns))


def _print_growth(grown: Mapping[str, Mapping[tuple[int, int], Kind]]) -> None:
    print(
        "\nRows of users who each mistype their password, sign in and refresh. DynamoDB deletes a row within days after"
    )
    print("its end.\n")
    titles = "".join(f"{f'{users} users, {times} x':>16}" for users, times in SCENARIOS)
    print(f"{'kind of row':24}{titles}{'bytes of one':>14}{'ends after':>14}")
    for kind, counts in grown.items():
        rows = "".join(f"{counts[scenario].rows:16}" for scenario in SCENARIOS)
        size = counts[SCENARIOS[0]].size / counts[SCENARIOS[0]].rows
        hours = max(of_kind.longest for of_kind in counts.values()) / 3600
        print(f"{kind:24}{rows}{size:14.0f}{hours:12.1f} h")
    totals = (sum(counts[scenario].size for counts in grown.values()) for scenario in SCENARIOS)
    print(f"{'all bytes':24}" + "".join(f"{total:16}" for total in totals))


def _print_first_sign_ins(seconds: Mapping[str, Mapping[str, list[float]]]) -> None:
    print("\nThe first sign-in of a day in Chromium: milliseconds from the click to the result, medians\n")
    print(f"{'step':40}{'without warm-up':>18}{'with':>8}{'ratio':>8}")
    for step in FUNCTIONS:
        without, warmed_up = seconds["without"][step], seconds["with"][step]
        columns = f"{median(without) * 1000:18.0f}{median(warmed_up) * 1000:8.0f}{ratio(warmed_up, without):8.2f}"
        print(f"{step:40}{columns}")


def _print_morning() -> None:
    print(
        f"\n{MORNING_USERS} users sign in with a code, at a site that takes 3 s (simulated): seconds until a user is\n"
        "signed in, without the typing (p50, p95), and until all are; throttled requests, those above the limit of\n"
        "their network, those without a place, and those without a function\n"
    )
    columns = f"{'p50':>6}{'p95':>6}{'all':>6}{'429':>8}{'network':>9}{'place':>7}{'failed':>8}{'at once':>9}"
    print(f"{'limits':40}{'arrive within':>14}{columns}")
    settings = {
        "before: 25 executions of each function": BEFORE,
        f"defaults, {ACCOUNT_CONCURRENCY} executions": defaults(ACCOUNT_CONCURRENCY),
        f"defaults, {NEW_ACCOUNT_CONCURRENCY} executions (new account)": defaults(NEW_ACCOUNT_CONCURRENCY),
    }
    for (name, limits), seconds in itertools.product(settings.items(), (60, 10)):
        morning = simulate(limits, MORNING_USERS, seconds)
        p50, p95 = percentiles(morning.seconds)
        print(
            f"{name:40}{seconds:12} s{p50:6.0f}{p95:6.0f}{morning.ended:6.0f}{morning.throttled:8}"
            f"{morning.too_many_attempts:9}{morning.without_place:7}{morning.without_concurrency:8}"
            f"{morning.most_at_once:9}"
        )


def _medians(*samples: list[float]) -> str:
    return " ".join(f"{median(seconds) * 1000:.0f}" for seconds in samples)


def _mark(*, exceeded: bool) -> str:
    return " EXCEEDED" if exceeded else ""


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except SetupFailed as failed:
        sys.exit(f"make bench: {failed}")
