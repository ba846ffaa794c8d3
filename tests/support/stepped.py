"""Function calls that stop before each call of AWS and of the site, until a test lets them go on.

So a test decides how several functions interleave, and what happens at each call: nothing, a failure, or the death of
the function. Only one of the test and its functions runs at a time, so the same decisions have the same result.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from shotgrid_login import parallel
from shotgrid_login.aws import AwsError

_thread = threading.local()

# The calls that change nothing, so the SDK's repetition of one has no effect.
_READS = ("get_item", "decrypt", "encrypt", "generate_mac")


class Killed(BaseException):
    """The function has died. No code of it may handle this."""


@dataclass(frozen=True)
class Failure:
    """A call that fails. `is_late`: AWS has handled it, and the response was lost."""

    error: Exception
    is_late: bool = False


class SteppedFunction:
    """A function that runs in its own thread and stops before each call.

    Attributes:
        stopped_before: the call that comes next.
        has_written: whether it has sent a write.
        result, error: how it has ended.
    """

    def __init__(self, work: Callable[[], Any], *, repeats_writes: bool = False, is_backwards: bool = False) -> None:
        """Take what the function does.

        `repeats_writes`: the SDK sends each write twice. `is_backwards`: of calls that are made at the same time, the
        last one comes first.
        """
        self._work = work
        self.repeats_writes = repeats_writes
        self.is_backwards = is_backwards
        self.stopped_before = "the start"
        self.has_written = False
        self.is_over = False
        self.is_dead = False
        self.result: Any = None
        self.error: BaseException | None = None
        self._failure: Failure | None = None
        self._continue, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        threading.Thread(target=self._run, daemon=True).start()
        self._stopped.acquire()

    def go(self, calls: int = 1) -> None:
        """Let the function do up to this many calls."""
        for _ in range(calls):
            if self.is_over:
                return
            self._continue.release()
            self._stopped.acquire()

    def finish(self) -> None:
        """Let the function run to its end."""
        while not self.is_over:
            self.go()

    def kill(self) -> None:
        """Let the function die before its next call."""
        self.is_dead = True
        self.finish()

    def fail(self, failure: Failure) -> None:
        """Let the next call fail."""
        self._failure = failure
        self.go()

    def stop(self, call: str) -> Failure | None:
        """Wait before a call; raises `Killed`. Return the failure of the call, if it must fail."""
        self.stopped_before = call
        self._stopped.release()
        self._continue.acquire()
        if self.is_dead:
            raise Killed
        failure, self._failure = self._failure, None
        return failure

    def _run(self) -> None:
        _thread.function = self
        try:
            self.stop(self.stopped_before)
            self.result = self._work()
        except BaseException as error:  # noqa: BLE001 - the test examines it
            self.error = error
        self.is_over = True
        self._stopped.release()


def current() -> SteppedFunction | None:
    """Return the function of this thread; None in the thread of the test."""
    return getattr(_thread, "function", None)


def step(name: str, call: Callable[[], Any]) -> Any:
    """Stop before a call, then do it."""
    function = current()
    failure = function.stop(name) if function else None
    if failure is None:
        return call()
    if failure.is_late:
        with contextlib.suppress(AwsError, ClientError):
            call()
    raise failure.error


class _SteppedCall(parallel.Call):
    """A call of `parallel.together`. In a stepped function, the calls are made one after the other."""

    def start(self) -> None:
        function = current()
        if function is None:
            super().start()
        elif not function.is_backwards:
            self.run()

    def join(self, timeout: float | None = None) -> None:
        function = current()
        if function is None:
            super().join(timeout)
        elif function.is_backwards:
            self.run()


parallel.Call = _SteppedCall  # type: ignore[misc]


class SteppedClient:
    """An AWS client whose calls stop."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        call: Callable[..., Any] = getattr(self._client, operation)
        if operation == "get_paginator":
            return lambda name: _SteppedPaginator(name, call(name))

        def stepped(**request: Any) -> Any:
            function = current()

            def send() -> Any:
                if function and operation not in _READS:
                    function.has_written = True
                    if function.repeats_writes:
                        with contextlib.suppress(AwsError, ClientError):
                            call(**request)
                return call(**request)

            return step(operation, send)

        return stepped


class _SteppedPaginator:
    def __init__(self, name: str, paginator: Any) -> None:
        self._name = name
        self._paginator = paginator

    def paginate(self, **request: Any) -> list[Any]:
        pages: list[Any] = step(self._name, lambda: list(self._paginator.paginate(**request)))
        return pages
