"""One execution environment of Lambda: imports app.py, then calls its handler once for each line of the input.

`execution_environment` runs this file with a plain Python 3.13, so it imports the standard library only.
usage: start.py SETTINGS, a JSON object with the attributes of `Settings`. Each line of the input is an event. For the
start and for each event, one line of JSON goes to the file descriptor `results`.
"""

from __future__ import annotations

# Lambda's own client has imported these modules before it imports app.py
# (aws/aws-lambda-python-runtime-interface-client, awslambdaric/bootstrap.py and lambda_runtime_client.py).
import functools
import http.client  # noqa: F401
import importlib
import json
import logging
import os
import socket
import sys
import time
import traceback
from types import SimpleNamespace

TYPE_CHECKING = False  # without the import of `typing`, which would make the start of a function faster
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TextIO

_real_time = time.time


def main(settings: dict[str, Any]) -> None:
    """Start the function, then handle events until the input ends."""
    results = os.fdopen(settings["results"], "w")
    sys.path[:0] = settings["path"]
    # Every name resolves to the HTTPS endpoint of the measurement.
    address = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", settings["port"]))
    socket.getaddrinfo = lambda *_, **__: [address]
    ahead = settings["seconds_ahead"]
    if ahead:
        time.time = lambda: _real_time() + ahead
    logging.getLogger().addHandler(logging.StreamHandler(sys.stdout))
    context = SimpleNamespace(
        function_name="bench",
        memory_limit_in_mb=settings["megabytes"],
        invoked_function_arn="arn:aws:lambda:us-east-1:000000000000:function:bench",
        aws_request_id="00000000-0000-0000-0000-000000000000",
        get_remaining_time_in_millis=lambda: 25_000,
    )
    handler = _measured(results, lambda: importlib.import_module("app").handler)
    for line in sys.stdin:
        event = json.loads(line)
        _measured(results, functools.partial(handler, event, context))


def _measured(results: TextIO, call: Callable[[], Any]) -> Any:
    cpu, wall = time.process_time(), time.perf_counter()
    try:
        value, error = call(), None
    except Exception:  # noqa: BLE001  the parent process reports it
        value, error = None, traceback.format_exc()
    measured = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall, "error": error}
    results.write(json.dumps(measured | {"value": None if callable(value) else value}) + "\n")
    results.flush()
    return value


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
