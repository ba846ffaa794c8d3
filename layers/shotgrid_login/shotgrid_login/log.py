"""Logging and metrics: one JSON log line for each request, which contains the request's metrics.

Passwords, codes, tokens, handles, cookies, typed user names and texts from the site are never logged. A log line names
a user by a short keyed hash (`hashes`), and only after the site has identified the user.
"""

from __future__ import annotations

import os
import time
from typing import Any

from aws_lambda_powertools import Logger

from shotgrid_login import __version__

NAMESPACE = "ShotGridLogin"

# The metrics of outcomes. Each metric costs money in each hour in which it is written, so an outcome has a metric only
# if an alarm or the dashboard shows it. The log has every outcome.
METRICS = {
    "invalid_credentials": "failed_sign_in",
    "invalid_otp": "failed_sign_in",
    "too_many_attempts": "failed_sign_in",
    "site_error": "site_failed",
    "site_unavailable": "site_failed",
    "handle_replayed": "handle_replayed",
    "approval_lost": "approval_lost",
}

logger = Logger(service="shotgrid-login", version=__version__)

# The dimension of all metrics. Several stacks can be in one account and region.
_stack = os.environ.get("STACK_NAME", "shotgrid-login")

# What `count` has added since the last request.
_counts: dict[str, int] = {}


def log_user(user_hash: str) -> None:
    """Add the hash of an identified user to all further log lines of this request. Old sessions have none: ""."""
    if user_hash:
        logger.append_keys(user=user_hash)


def record_response(route: str, status: int, outcome: str) -> None:
    """Write the log line of a request, with its metrics. `outcome` is the message."""
    if outcome in METRICS:
        count(METRICS[outcome])
    write = logger.info if status < 500 else logger.error
    write(outcome, extra={"route": route, "status": status, **_metrics(_counts)})
    _counts.clear()


def count(metric: str, value: int = 1) -> None:
    """Add a value to a metric. It is published with the log line of the request."""
    _counts[metric] = _counts.get(metric, 0) + value


def record_unexpected(error: Exception) -> None:
    """Log an exception that no code expected: its class and where it was raised.

    The exception's text is not logged, because it can contain the value that caused it.
    """
    frames = []
    trace = error.__traceback__
    while trace is not None:
        frames.append(f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}")
        trace = trace.tb_next
    # CloudWatch Logs Insights would make a field of each element of a list, so the list is one text.
    keys: dict[str, Any] = {"error": type(error).__name__, "frames": " ".join(frames)}
    # `aws.AwsError`, recognized by its attributes.
    operation, response = getattr(error, "operation_name", None), getattr(error, "response", None)
    if isinstance(operation, str) and isinstance(response, dict):
        keys["aws_operation"] = operation
        keys["aws_error"] = response.get("Error", {}).get("Code", "")
    record_error("unexpected_error", **keys)


def record_error(message: str, **keys: Any) -> None:
    """Write a log line for something that an operator must look at, and count it in the metric `internal_error`."""
    logger.error(message, extra={**keys, **_metrics({"internal_error": 1})})


def _metrics(values: dict[str, int]) -> dict[str, Any]:
    """Return the keys that let CloudWatch read metrics from a log line.

    Source: AWS documentation, "Specification: Embedded metric format".
    """
    if not values:
        return {}
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [["stack"]],
        "Metrics": [{"Name": name, "Unit": "Count"} for name in values],
    }
    return {
        "_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]},
        "stack": _stack,
        **values,
    }
