"""Many users sign in at 9:30, at a site that takes three seconds: a simulation with the limits of the template.

It has no processes and no clock: requests are events in the order of their times. API Gateway admits the requests of a
route by a token bucket (AWS documentation: "Throttle requests to your REST APIs for better throughput in API Gateway"),
Lambda runs as many at the same time as the concurrency allows, and each needs one of the places for callers who wait
for the site. After an error, the user tries again some seconds later. All users are behind one address: above the limit
on all attempts of a network, they wait until it forgets.
"""

from __future__ import annotations

import heapq
import itertools
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from samtranslator.yaml_helper import yaml_parse

from shotgrid_login.counts import Limit
from shotgrid_login.failed_attempts import ALL_BY_NETWORK
from shotgrid_login.places import SIGN_INS
from tests.local.stack import ROOT

SITE_SECONDS = 3.0

# How long a user waits after an error before the next try, and needs to read and type a code. Seconds.
USER_RETRY_SECONDS = 5.0
CODE_SECONDS = 10.0

# Calls of the site in a step with a code (`make bench` counts them), and the rest of its time: calls of AWS in series.
SITE_CALLS = {"password": 1, "otp": 2}
OWN_SECONDS = 0.1

# Executions of all functions of an account at the same time. AWS documentation: "Lambda quotas". New accounts have
# less.
ACCOUNT_CONCURRENCY = 1000
NEW_ACCOUNT_CONCURRENCY = 10


@dataclass(frozen=True)
class Limits:
    """What one route admits: requests per second, and requests at once.

    `concurrency` is the maximum of executions at the same time, of each function if it is reserved, else of all.
    `places` is how many callers can wait for the site at the same time. None: no limit.
    """

    rate: float
    burst: float
    concurrency: int
    is_reserved: bool = False
    places: int | None = None


# Before this release: 50 requests per second, 100 at once, and 25 executions of each function.
BEFORE = Limits(rate=50, burst=100, concurrency=25, is_reserved=True)


@dataclass
class Bucket:
    """A token bucket, full at the start."""

    limits: Limits
    tokens: float = field(init=False)
    filled: float = 0

    def __post_init__(self) -> None:
        self.tokens = self.limits.burst

    def admits(self, now: float) -> bool:
        """Take a token, if there is one."""
        self.tokens = min(self.limits.burst, self.tokens + (now - self.filled) * self.limits.rate)
        self.filled = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


@dataclass
class Morning:
    """What happened. `seconds` are from the first click of each user to the end of the sign-in, sorted."""

    seconds: list[float] = field(default_factory=list)
    ended: float = 0
    throttled: int = 0
    too_many_attempts: int = 0
    without_concurrency: int = 0
    without_place: int = 0
    most_at_once: int = 0


def defaults(concurrency: int, template: Path = ROOT / "template.yaml") -> Limits:
    """Return the limits of the sign-in routes with the defaults of the template."""
    parameters: dict[str, Any] = yaml_parse(template.read_text())["Parameters"]
    reserved = int(parameters["ReservedConcurrency"]["Default"])
    return Limits(
        parameters["ThrottleRate"]["Default"],
        parameters["ThrottleBurst"]["Default"],
        reserved or concurrency,
        is_reserved=reserved > 0,
        places=SIGN_INS.limit,
    )


def simulate(limits: Limits, users: int, arrive_within: float, attempts: Limit = ALL_BY_NETWORK) -> Morning:
    """Let users sign in with a password and a code. They open the page within this many seconds."""
    numbers = random.Random(0)
    morning = Morning()
    buckets = {step: Bucket(limits) for step in SITE_CALLS}
    running: dict[str, list[float]] = {step: [] for step in SITE_CALLS}  # the ends of executions
    waiting: list[float] = []  # the ends of calls of the site
    counted, forgotten_at = 0, 0.0  # the attempts of the network
    order = itertools.count()  # requests at the same time keep their order
    requests: list[tuple[float, int, str, float]] = []

    def send(at: float, step: str, started: float) -> None:
        heapq.heappush(requests, (at, next(order), step, started))

    for _ in range(users):
        at = numbers.uniform(0, arrive_within)
        send(at, "password", at)
    while requests:
        now, _, step, started = heapq.heappop(requests)
        for ends in (*running.values(), waiting):
            while ends and ends[0] <= now:
                heapq.heappop(ends)
        at_once = len(running[step]) if limits.is_reserved else sum(map(len, running.values()))
        if not buckets[step].admits(now):
            morning.throttled += 1
            send(now + USER_RETRY_SECONDS * numbers.uniform(0.5, 1.5), step, started)
            continue
        if at_once >= limits.concurrency:
            morning.without_concurrency += 1
            send(now + USER_RETRY_SECONDS * numbers.uniform(0.5, 1.5), step, started)
            continue
        if now >= forgotten_at:
            counted, forgotten_at = 0, now + attempts.memory
        if counted == attempts.free:
            morning.too_many_attempts += 1
            send(forgotten_at, step, started)
            continue
        morning.most_at_once = max(morning.most_at_once, at_once + 1)
        if limits.places is not None and len(waiting) >= limits.places:
            morning.without_place += 1
            heapq.heappush(running[step], now + OWN_SECONDS)
            send(now + USER_RETRY_SECONDS * numbers.uniform(0.5, 1.5), step, started)
            continue
        counted += 1
        end = now + SITE_CALLS[step] * SITE_SECONDS + OWN_SECONDS
        heapq.heappush(running[step], end)
        heapq.heappush(waiting, end)
        if step == "password":
            send(end + CODE_SECONDS, "otp", started)
        else:
            morning.seconds.append(end - started - CODE_SECONDS)
            morning.ended = max(morning.ended, end)
    morning.seconds.sort()
    return morning
