"""The costs in the operations guide: calculated from counted calls, and from the assumptions that the guide states."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Any
from unittest.mock import patch

import pytest

from shotgrid_login.aws import JsonClient
from tests.local.in_process import InProcessAws
from tests.local.stack import ROOT
from tests.support.docs import section, tables
from tests.support.operations import Operation, Operations, operations
from tests.support.template import resources

GUIDE = ROOT / "docs" / "operations.md"
HEADING = "What the gateway costs"
USERS = (50, 500, 5000)
DAYS = 22  # working days in a month

# Public prices of us-east-1 in dollars, before the free part.
LAMBDA_GB_SECOND, LAMBDA_CALL = 0.0000133334, 0.20e-6  # arm64
API_REQUEST = 3.50e-6
DYNAMODB_READ, DYNAMODB_WRITE = 0.125e-6, 0.625e-6  # units of 4 KB and 1 KB, on demand
KMS_CALL, KMS_KEY = 0.03 / 10_000, 1.00
LOG_GB, LOG_BYTES = 0.50, 1000  # for each call: our line, and those of Lambda

# The operation that is counted for each row of the guide's first table.
COUNTED = {
    "`/auth/password`, a code is required": "password_step_to_a_code",
    "`/auth/otp`": "code_step",
    "`/auth/refresh`, the token has expired": "refresh_of_an_expired_token",
}

# A browser sign-in: the operation, and the seconds that it runs, as the guide states them.
START = ("start_in_the_browser", 0.5)
PENDING = ("poll_before_the_approval", 0.3)
APPROVED = ("poll_after_the_approval", 0.8)
# For each row of the table on polls: the calls of one sign-in, between those that the row allows.
POLLS: list[dict[tuple[str, float], float]] = [
    {START: 1, PENDING: 1, APPROVED: 1},
    {START: 1, PENDING: 3.5, APPROVED: 1},
    {START: 1, PENDING: 60},
]

_call: Any = vars(JsonClient)["call"]


@pytest.fixture(scope="module")
def counts(in_process_aws: InProcessAws) -> dict[str, Counter[str]]:
    """The units of each operation by what AWS charges: `read`, `write`, `kms`."""
    names = [*COUNTED.values(), *(name for name, _ in (START, PENDING, APPROVED))]
    with operations(in_process_aws, "costs") as provided:
        return {name: counted(provided, getattr(provided, name)()) for name in names}


def counted(provided: Operations, operation: Operation) -> Counter[str]:
    calls: list[tuple[str, Any]] = []  # of several threads

    def record(client: JsonClient, name: str, parameters: Any) -> Any:
        calls.append((name, parameters))
        return _call(client, name, parameters)

    with patch.object(JsonClient, "call", record):
        response = provided.functions.call(operation.function, operation.request)
    assert response.status == operation.status
    found: Counter[str] = Counter()
    for name, parameters in calls:
        if name in ("Encrypt", "Decrypt", "GenerateMac"):
            found["kms"] += 1
        elif name == "GetItem":
            found["read"] += 1  # every row is smaller than 4 KB
        else:
            found["write"] += written_units(parameters)
    return found


def written_units(parameters: Any) -> int:
    """Return the units of a write. A session has 1 to 2 KB, and is in the index.

    All other rows have less than 1 KB, also the row with the places of up to 40 callers.
    """
    row_id = parameters.get("Item", parameters.get("Key"))["id"]["S"]
    size = sum(len(name) + len(next(iter(value.values()))) for name, value in parameters.get("Item", {}).items())
    units = 2 if row_id.startswith("session#") else 1
    assert math.ceil(size / 1024) <= units
    return units + (1 if "user_key" in parameters.get("Item", {}) else 0)


def usage() -> dict[str, tuple[int, float]]:
    """Return the calls of a user on a working day, and the seconds that each one runs, as the guide states them."""
    _, rows, _ = tables(section(GUIDE, HEADING))
    return {row[0]: (int(row[1]), float(row[2])) for row in rows}


def gigabytes() -> float:
    (megabytes,) = {function["MemorySize"] for function in resources("AWS::Lambda::Function").values()}
    return float(megabytes) / 1024


def monthly(users: int, counts: dict[str, Counter[str]]) -> dict[str, float]:
    """Return the dollars of a month by the rows of the guide's last table."""
    calls = usage()
    times = users * DAYS
    lambda_calls = sum(number for number, _ in calls.values()) * times
    seconds = sum(number * duration for number, duration in calls.values()) * times
    authorized = calls["the authorizer, for studio APIs"][0] * times
    units: Counter[str] = Counter(read=authorized)
    for row, name in COUNTED.items():
        for kind, number in counts[name].items():
            units[kind] += number * calls[row][0] * times
    return {
        "API Gateway": (lambda_calls - authorized) * API_REQUEST,
        "Lambda": seconds * gigabytes() * LAMBDA_GB_SECOND + lambda_calls * LAMBDA_CALL,
        "DynamoDB": units["read"] * DYNAMODB_READ + units["write"] * DYNAMODB_WRITE,
        "KMS: calls": units["kms"] * KMS_CALL,
        "KMS: two keys": 2 * KMS_KEY,
        "Logs": lambda_calls * LOG_BYTES / 1e9 * LOG_GB,
    }


def test_documented_counts_are_those_of_the_functions(counts: dict[str, Counter[str]]) -> None:
    documented = {
        row[0]: {"read": int(row[1]), "write": int(row[2]), "kms": int(row[3])}
        for row in tables(section(GUIDE, HEADING))[0]
    }
    assert documented == {
        row: {kind: counts[name][kind] for kind in ("read", "write", "kms")} for row, name in COUNTED.items()
    }


def test_documented_costs_follow_from_the_counts_and_the_assumptions(counts: dict[str, Counter[str]]) -> None:
    documented = {
        row[0]: [float(re.sub(r"[$,]", "", cell)) for cell in row[1:]] for row in tables(section(GUIDE, HEADING))[2]
    }
    calculated: dict[str, list[float]] = {}
    for users in USERS:
        costs = monthly(users, counts)
        for name, dollars in {**costs, "**Total**": sum(costs.values())}.items():
            calculated.setdefault(name, []).append(round(dollars, 2))
    assert documented == calculated


def test_documented_costs_of_browser_sign_in_follow_from_the_counts(counts: dict[str, Counter[str]]) -> None:
    def cost(name: str, seconds: float) -> float:
        units = counts[name]
        of_data = units["read"] * DYNAMODB_READ + units["write"] * DYNAMODB_WRITE + units["kms"] * KMS_CALL
        of_calls = seconds * gigabytes() * LAMBDA_GB_SECOND + LAMBDA_CALL + API_REQUEST + LOG_BYTES / 1e9 * LOG_GB
        return of_data + of_calls

    (rows,) = tables(section(GUIDE, "Capacity of browser sign-in"))
    calculated = [1000 * sum(number * cost(*call) for call, number in calls.items()) for calls in POLLS]
    assert [row[2] for row in rows] == [f"about ${dollars:.2f}" for dollars in calculated]
