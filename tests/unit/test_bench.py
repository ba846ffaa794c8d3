"""The parts of `make bench`. The measurements themselves are not part of the suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from shotgrid_login.counts import Limit
from tests.bench.cpu_quota import CpuQuota
from tests.bench.deployment import DATE, Function, Unpacked
from tests.bench.execution_environment import ExecutionEnvironment
from tests.bench.https import Https, OutgoingCall, rounds
from tests.bench.morning import ACCOUNT_CONCURRENCY, Limits, defaults, simulate
from tests.local.stack import SetupFailed

APP = """
import os, sys, layer
def handler(event, context):
    if event == "fail":
        raise ValueError("a reason")
    return [event, layer.__file__, os.environ["VARIABLE"], "site" in sys.modules and "pytest" in sys.modules]
"""


@pytest.fixture
def function(tmp_path: Path) -> Function:
    unpacked = Unpacked(tmp_path / "unpacked")
    task, layer = unpacked.folder("task"), unpacked.folder("layer")
    (task / "app.py").write_text(APP)
    (layer / "layer.py").touch()
    (layer / "roots.pem").write_text("-----BEGIN CERTIFICATE-----")
    unpacked.finish("the root")
    return Function((task, layer), {"VARIABLE": "value"}, 512)


def test_function_is_imported_as_lambda_does_and_leaves_no_bytecode(function: Function) -> None:
    task, layer = function.path
    with CpuQuota() as quota, ExecutionEnvironment(function, Https(), quota) as environment:
        measured = environment.call("an event")
    assert measured.value == ["an event", str(layer / "layer.py"), "value", False]
    assert environment.start.wall > 0
    assert measured.cpu > 0
    assert sorted(path.name for folder in (task, layer) for path in folder.iterdir()) == [
        "app.py",
        "layer.py",
        "roots.pem",
    ]


def test_copies_are_dated_as_sam_dates_them_and_trust_the_measurement(function: Function) -> None:
    task, layer = function.path
    assert (task / "app.py").stat().st_mtime == DATE
    assert (layer / "roots.pem").read_text().endswith("the root")


def test_error_of_a_function_is_reported(function: Function) -> None:
    with (
        CpuQuota() as quota,
        ExecutionEnvironment(function, Https(), quota) as environment,
        pytest.raises(SetupFailed, match="a reason"),
    ):
        environment.call("fail")


def test_calls_at_the_same_time_are_one_round() -> None:
    calls = [OutgoingCall("dynamodb", "GetItem", started, ended) for started, ended in ((0, 2), (1, 3), (2, 4), (4, 5))]
    assert rounds(calls) == 3


def test_every_user_signs_in_although_requests_are_throttled() -> None:
    morning = simulate(Limits(rate=10, burst=20, concurrency=1000), users=50, arrive_within=1)
    assert len(morning.seconds) == 50
    assert morning.throttled > 0
    assert morning.without_concurrency == 0


def test_attempts_of_a_network_wait_until_its_limit_forgets() -> None:
    limits, attempts = Limits(rate=10, burst=20, concurrency=1000), Limit(free=60, memory=300)
    morning = simulate(limits, users=50, arrive_within=1, attempts=attempts)
    assert len(morning.seconds) == 50
    assert morning.too_many_attempts == 40  # of 100
    assert 300 < morning.ended < 330


def test_user_without_a_place_tries_again() -> None:
    limits = Limits(rate=10, burst=20, concurrency=1000, places=10)
    morning = simulate(limits, users=50, arrive_within=1)
    assert len(morning.seconds) == 50
    assert morning.without_place > 0
    assert (morning.too_many_attempts, morning.without_concurrency) == (0, 0)


def test_a_studio_of_500_signs_in_behind_one_address_without_a_wait() -> None:
    morning = simulate(defaults(ACCOUNT_CONCURRENCY), users=500, arrive_within=60)
    assert (len(morning.seconds), morning.too_many_attempts) == (500, 0)


def test_fewer_executions_at_the_same_time_take_longer() -> None:
    few, many = (
        simulate(Limits(rate=10, burst=20, concurrency=concurrency), users=50, arrive_within=1)
        for concurrency in (10, 1000)
    )
    assert few.ended > many.ended
    assert few.most_at_once == 10
    assert few.without_concurrency > 0
