"""Log lines and the metrics in them."""

from __future__ import annotations

import io
import json
import logging
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from shotgrid_login import http, log
from tests.support.lambda_events import Context, event


class Lines:
    """What the functions write."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    def read(self) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        self.stream.truncate(0)
        self.stream.seek(0)
        return lines


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    monkeypatch.setattr(log, "_counts", {})
    written = Lines()
    handler = logging.StreamHandler(written.stream)
    handler.setFormatter(log.logger.registered_formatter)
    logger = logging.getLogger(log.logger.name)
    logger.addHandler(handler)
    yield written
    logger.removeHandler(handler)


def metrics(line: dict[str, Any]) -> dict[str, float]:
    """Return the metrics that CloudWatch reads from a line; see "Specification: Embedded metric format"."""
    if "_aws" not in line:
        return {}
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert line["_aws"].keys() == {"Timestamp", "CloudWatchMetrics"}
    assert abs(time.time() * 1000 - line["_aws"]["Timestamp"]) < 60_000
    assert directive["Namespace"] == "ShotGridLogin"
    assert directive["Dimensions"] == [["stack"]]
    assert isinstance(line["stack"], str)
    assert all(metric == {"Name": metric["Name"], "Unit": "Count"} for metric in directive["Metrics"])
    return {metric["Name"]: line[metric["Name"]] for metric in directive["Metrics"]}


def test_line_of_a_request_has_both_of_its_ids(lines: Lines) -> None:
    handler = http.endpoint("GET", frozenset())(lambda _request: http.Response(200, "session"))
    context = event()["requestContext"] | {"extendedRequestId": "Xz9aQGMfDoEFvTA="}
    handler(event(requestContext=context), Context())
    (line,) = lines.read()
    assert (line["correlation_id"], line["extended_request_id"]) == ("request-id", "Xz9aQGMfDoEFvTA=")


def test_line_of_a_request_has_the_metric_of_its_outcome(lines: Lines) -> None:
    log.record_response("/auth/otp", 401, "invalid_otp")
    (line,) = lines.read()
    assert (line["message"], line["route"], line["status"], line["level"]) == ("invalid_otp", "/auth/otp", 401, "INFO")
    assert metrics(line) == {"failed_sign_in": 1}


def test_line_of_a_request_whose_outcome_nothing_counts_has_no_metric(lines: Lines) -> None:
    log.record_response("/auth/refresh", 200, "signed_in")
    (line,) = lines.read()
    assert metrics(line) == {}
    assert "stack" not in line


def test_line_of_a_request_has_what_was_counted_during_it_and_the_next_line_does_not(lines: Lines) -> None:
    log.count("start_without_approval", -1)
    log.count("unknown_site_code")
    log.record_response("/auth/approval", 502, "site_error")
    log.record_response("/auth/approval", 200, "signed_in")
    first, second = lines.read()
    assert metrics(first) == {"start_without_approval": -1, "unknown_site_code": 1, "site_failed": 1}
    assert first["level"] == "ERROR"
    assert metrics(second) == {}


def test_places_of_an_unexpected_error_are_one_text(lines: Lines) -> None:
    """CloudWatch Logs Insights makes a field of each element of a list, and a query for `frames` finds none of them."""

    def fail() -> None:
        raise KeyError

    with pytest.raises(KeyError) as caught:
        fail()
    log.record_unexpected(caught.value)
    (line,) = lines.read()
    assert re.fullmatch(r"test_log\.py:[0-9]+ test_log\.py:[0-9]+", line["frames"])


def test_unexpected_error_is_counted_at_once_and_its_text_is_not_logged(lines: Lines) -> None:
    log.record_unexpected(ValueError("a secret"))
    (line,) = lines.read()
    assert (line["message"], line["error"], line["level"]) == ("unexpected_error", "ValueError", "ERROR")
    assert metrics(line) == {"internal_error": 1}
    assert "a secret" not in json.dumps(line)
