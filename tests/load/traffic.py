"""Requests at steady rates, and how long each took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from tests.support.client import Response

Value = TypeVar("Value")

# Requests that wait for their response at the same time. The emulator starts a process for each one of a function.
# Few, because the emulator is slower than AWS: a machine without free time would show nothing about AWS.
IN_FLIGHT = 8


@dataclass(frozen=True)
class Stream:
    """A kind of request, and how many are sent per second."""

    name: str
    rate: float
    send: Callable[[], Response]


@dataclass(frozen=True)
class Sample:
    """A response. `seconds` counts from the time when the request was due, so a late request is not a fast one."""

    name: str
    status: int
    seconds: float


def steadily(streams: Iterable[Stream], seconds: float) -> list[Sample]:
    """Send the requests of all streams for this long, and wait for their responses."""
    due = sorted(
        ((number + 0.5) / stream.rate, stream.name, stream)
        for stream in streams
        for number in range(int(stream.rate * seconds))
    )
    started = time.monotonic()

    def send(at: float, stream: Stream) -> Sample:
        status = stream.send().status
        return Sample(stream.name, status, time.monotonic() - started - at)

    samples = []
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        for at, _, stream in due:
            time.sleep(max(0, started + at - time.monotonic()))
            samples.append(pool.submit(send, at, stream))
    return [sample.result() for sample in samples]


def at_once(send: Callable[[Value], Response], values: Sequence[Value]) -> list[Response]:
    """Send one request for each value, as fast as the gateway responds."""
    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        return list(pool.map(send, values))
