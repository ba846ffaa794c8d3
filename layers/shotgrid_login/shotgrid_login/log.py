"""Logging and metrics: one JSON log line and one metric for each request.

Passwords, codes, tokens, handles, cookies, typed user names and texts from the site are never logged. A log line names
a user by a short keyed hash (`hashes`), and only after the site has identified the user.
"""

from __future__ import annotations

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from shotgrid_login import __version__

logger = Logger(service="shotgrid-login", version=__version__)
metrics = Metrics(namespace="ShotGridLogin", service="shotgrid-login")


def log_user(user_hash: str) -> None:
    """Add the hash of an identified user to all further log lines of this request. Old sessions have none: ""."""
    if user_hash:
        logger.append_keys(user=user_hash)


def record_response(route: str, status: int, outcome: str) -> None:
    """Write the log line and the metric of a request. `outcome` is the message and the name of the metric."""
    write = logger.info if status < 500 else logger.error
    write(outcome, extra={"route": route, "status": status})
    metrics.add_dimension("route", route)
    count(outcome)
    metrics.flush_metrics()


def count(metric: str, value: int = 1) -> None:
    """Add a value to a metric. It is published together with the metric of the request."""
    metrics.add_metric(name=metric, unit=MetricUnit.Count, value=value)


def record_unexpected(error: Exception) -> None:
    """Log an exception that no code expected: its class and where it was raised.

    The exception's text is not logged, because it can contain the value that caused it.
    """
    frames = []
    trace = error.__traceback__
    while trace is not None:
        frames.append(f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}")
        trace = trace.tb_next
    keys = {"error": type(error).__name__, "frames": frames}
    # botocore's ClientError, recognized by its attributes: importing its class would cost every function 15 ms.
    operation, response = getattr(error, "operation_name", None), getattr(error, "response", None)
    if isinstance(operation, str) and isinstance(response, dict):
        keys["aws_operation"] = operation
        keys["aws_error"] = response.get("Error", {}).get("Code", "")
    logger.error("unexpected_error", extra=keys)
