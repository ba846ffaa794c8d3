"""How the tables grow: the rows that a working day of users leaves behind."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from tests.bench import events
from tests.bench.cold import content, password
from tests.bench.execution_environment import ExecutionEnvironment
from tests.bench.laboratory import Laboratory

# Users, and how often each one signs in: to see whether the growth is linear, and which rows a later sign-in reuses.
SCENARIOS = ((10, 1), (20, 1), (10, 2))

REFRESHES = 3


@dataclass
class Kind:
    """The rows of one kind: their number, their bytes, and the longest time until one ends. Seconds."""

    rows: int = 0
    size: int = 0
    longest: float = 0


def growth(laboratory: Laboratory) -> dict[str, dict[tuple[int, int], Kind]]:
    """Return the new rows by kind and by scenario. A row that is deleted or replaced does not count."""
    grown: dict[str, dict[tuple[int, int], Kind]] = defaultdict(lambda: defaultdict(Kind))
    for scenario in SCENARIOS:
        users, times = scenario
        before = set(_rows(laboratory))
        with ExitStack() as stack:
            started = {
                name: stack.enter_context(laboratory.start(laboratory.ours.functions[name]))
                for name in ("password", "refresh")
            }
            for _ in range(users):
                _work(laboratory, started, times)
        for row_id, row in _rows(laboratory).items():
            if row_id not in before:
                kind = grown[row_id[0]][scenario]
                kind.rows += 1
                kind.size += _size(row)
                kind.longest = max(kind.longest, int(row["expires_at"]["N"]) - time.time())
    return grown


def _work(laboratory: Laboratory, started: Mapping[str, ExecutionEnvironment], times: int) -> None:
    """A user mistypes the password, signs in and refreshes, this often."""
    user = laboratory.new_user()
    mistyped = events.post("/auth/password", {"username": user.login, "password": "wrong"})
    for _ in range(times):
        content("growth", started["password"].call(mistyped).value, 401)
        handle = content("growth", started["password"].call(password(user)).value, 200)["refresh_token"]
        for _ in range(REFRESHES):
            refresh = events.post("/auth/refresh", {"refresh_token": handle})
            handle = content("growth", started["refresh"].call(refresh).value, 200)["refresh_token"]


def _rows(laboratory: Laboratory) -> dict[tuple[str, str], dict[str, Any]]:
    """Return all rows by their kind and id."""
    dynamodb = laboratory.aws.client("dynamodb")
    environment = laboratory.ours.functions["password"].environment
    found = {}
    for table in ("STATE_TABLE", "BEARERS_TABLE"):
        for page in dynamodb.get_paginator("scan").paginate(TableName=environment[table]):
            for row in page["Items"]:
                row_id = row["id"]["S"]
                kind = row_id.partition("#")[0] if table == "STATE_TABLE" else "bearer"
                found[kind, row_id] = row
    return found


def _size(row: Mapping[str, Mapping[str, Any]]) -> int:
    """Return the bytes of a row: of its names and values. AWS documentation: "DynamoDB item sizes and formats"."""
    return sum(len(name.encode()) + _length(value) for name, value in row.items())


def _length(value: Mapping[str, Any]) -> int:
    (kind, content_of_value), *_ = value.items()
    if kind == "N":
        return len(content_of_value) // 2 + 2
    return len(content_of_value if kind == "B" else str(content_of_value).encode())
