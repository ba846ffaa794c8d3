"""Writes log lines as JSON, with the standard library only: every function logs, so its start must be fast."""

from __future__ import annotations

import functools
import json
import logging
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

LambdaHandler = Callable[[Mapping[str, Any], Any], dict[str, Any]]


class JsonLogger:
    """Writes lines to the standard output. Each line has the keys of its request."""

    def __init__(self, name: str, **constants: str) -> None:
        """Take the name of the logger in Python, and keys that are the same in every line."""
        self.name = name
        self.formatter = _Formatter(self._keys_of_line)
        self._constants = {"service": name, **constants}
        self._keys: dict[str, Any] = {}
        self._is_cold_start = True
        self._logger = logging.getLogger(name)
        self._logger.setLevel(logging.INFO)
        self._logger.propagate = False  # the handler of Lambda would write each line again
        if not self._logger.handlers:
            handler = logging.StreamHandler(sys.stdout)
            handler.setFormatter(self.formatter)
            self._logger.addHandler(handler)

    def for_each_request(self, handler: LambdaHandler) -> LambdaHandler:
        """Let each request start with its own keys. Those of the previous request are dropped."""

        @functools.wraps(handler)
        def with_own_keys(event: Mapping[str, Any], context: Any) -> dict[str, Any]:
            self._keys = {"function_request_id": context.aws_request_id, "cold_start": self._is_cold_start}
            self._is_cold_start = False
            return handler(event, context)

        return with_own_keys

    def append_keys(self, **keys: Any) -> None:
        """Add keys to all further lines of this request."""
        self._keys |= keys

    def info(self, message: str, extra: Mapping[str, Any] | None = None) -> None:
        """Write a line with further keys."""
        self._write(logging.INFO, message, extra)

    def warning(self, message: str, extra: Mapping[str, Any] | None = None) -> None:
        """Write a line with further keys, about something unusual."""
        self._write(logging.WARNING, message, extra)

    def error(self, message: str, extra: Mapping[str, Any] | None = None) -> None:
        """Write a line with further keys, about something that an operator must look at."""
        self._write(logging.ERROR, message, extra)

    def _write(self, level: int, message: str, extra: Mapping[str, Any] | None) -> None:
        self._logger.log(level, message, extra={"line": dict(extra or {})}, stacklevel=3)

    def _keys_of_line(self) -> dict[str, Any]:
        return self._constants | self._keys


class _Formatter(logging.Formatter):
    def __init__(self, keys: Callable[[], dict[str, Any]]) -> None:
        super().__init__()
        self._keys = keys

    def format(self, record: logging.LogRecord) -> str:
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "level": record.levelname,
            "location": f"{record.filename}:{record.lineno}",
            "message": record.getMessage(),
            "timestamp": f"{seconds}.{int(record.msecs):03d}Z",
            **self._keys(),
            **record.__dict__.get("line", {}),
        }
        return json.dumps(line, ensure_ascii=False, default=str)
