"""Calls that must be made at the same time: each waits until all calls of its group are there.

So a test proves that calls are parallel without measuring time. A call that does not come breaks the group, and all of
its calls fail.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

from shotgrid_login.site import Site, Tokens
from shotgrid_login.users import User

# Only a test that fails waits this long. Seconds.
PATIENCE = 10


class Meetings:
    """The groups of calls that are expected, in their order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._expected: list[tuple[list[str], threading.Barrier]] = []

    @contextlib.contextmanager
    def expected(self, *groups: list[str]) -> Iterator[None]:
        """Expect these groups and no other call. A call is named by what it does and with what, such as `get name`."""
        self._expected = [(list(names), threading.Barrier(len(names))) for names in groups]
        try:
            yield
            assert not any(names for names, _ in self._expected), self._expected
        finally:
            self._expected = []

    def attend(self, name: str) -> None:
        """Wait for the other calls of the group, if calls are expected."""
        with self._lock:
            if not self._expected:
                return
            names, barrier = next(((names, barrier) for names, barrier in self._expected if names), ([], None))
            assert name in names, f"{name} came, and {names} were expected"
            names.remove(name)
        assert barrier is not None
        barrier.wait(PATIENCE)


class MeetingClient:
    """An AWS client whose calls wait for each other."""

    def __init__(self, client: Any, meetings: Meetings) -> None:
        self._client = client
        self._meetings = meetings

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        call: Callable[..., Any] = getattr(self._client, operation)

        def met(**request: Any) -> Any:
            self._meetings.attend(f"{operation.partition('_')[0]} {_subject(request)}".strip())
            return call(**request)

        return met


class MeetingSite(Site):
    """A site whose calls wait for other calls."""

    def __init__(self, url: str, meetings: Meetings) -> None:
        super().__init__(url)
        self._meetings = meetings

    def password(
        self, username: str, password: str, auth_token: str | None = None, session_uuid: str | None = None
    ) -> Tokens:
        self._meetings.attend("site: password")
        return super().password(username, password, auth_token, session_uuid)

    def user(self, entity_type: str, entity_id: int, access_token: str) -> User:
        self._meetings.attend("site: user")
        return super().user(entity_type, entity_id, access_token)


def _subject(request: dict[str, Any]) -> str:
    """Return the kind of a row, or the purpose of a sealed value."""
    if "EncryptionContext" in request:
        return str(request["EncryptionContext"]["purpose"])
    if "TableName" not in request:
        return ""
    kind, _, rest = str((request.get("Key") or request["Item"])["id"]["S"]).partition("#")
    return f"{kind} {rest.partition('#')[0]}" if kind == "failed" else kind if rest else "bearer"
