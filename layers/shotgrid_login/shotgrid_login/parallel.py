"""Calls to other services at the same time.

Lambda freezes a function after its response, and all of its threads. So no call is left when `together` returns.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any, TypeVar, overload

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")


class Call(Thread):
    """A call in a thread of its own."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__()
        self._call = call
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        """Make the call, in this thread."""
        try:
            self.result = self._call()
        except BaseException as error:  # noqa: BLE001 - the waiting thread raises it again
            self.error = error


@overload
def together(first: Callable[[], A], second: Callable[[], B], /) -> tuple[A, B]: ...


@overload
def together(first: Callable[[], A], second: Callable[[], B], third: Callable[[], C], /) -> tuple[A, B, C]: ...


@overload
def together(*calls: Callable[[], A]) -> tuple[A, ...]: ...


def together(*calls: Callable[[], Any]) -> tuple[Any, ...]:
    """Make all calls at the same time, and return their results in the order of the calls.

    A call that fails does not stop the others. When all have ended, the error of the first one that failed is raised,
    in the order of the calls. The last call runs in the caller's thread, the others in threads of their own.
    """
    made = [Call(call) for call in calls]
    started: list[Call] = []
    try:
        for one in made[:-1]:
            one.start()  # raises RuntimeError if there can be no more threads
            started.append(one)
        for one in made[-1:]:
            one.run()
    finally:
        for one in started:
            one.join()
    for one in made:
        if one.error is not None:
            raise one.error
    return tuple(one.result for one in made)


def outcome(call: Callable[[], A]) -> A | Exception:
    """Return the result of a call, or its error, so that the caller can undo other calls of `together`."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - the caller raises it
        return error
