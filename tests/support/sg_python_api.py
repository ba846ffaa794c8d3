"""The client `sg-python-api`, an independent replacement of the vendor's Python client, in a process of its own.

Both clients are the package `shotgun_api3`, so they cannot be in one environment.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.local.stack import ROOT

PYTHON = ROOT / ".venv" / "sg-python-api" / "bin" / "python"
PROGRAM = Path(__file__).with_name("sg_python_api_process.py")


class ClientError(Exception):
    """The client has raised an exception. `name` is the name of its class."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name


class SgPythonApi:
    """A process that creates clients and calls them."""

    def __init__(self) -> None:
        command = [PYTHON, PROGRAM]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def call(self, site_url: str, credentials: dict[str, str], method: str, *arguments: Any) -> Any:
        """Create a client with the arguments of `Shotgun`, call a method, and return its result. Dates are text.

        Raises `ClientError`.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = {"client": {"base_url": site_url, **credentials}, "method": method, "arguments": arguments}
        self._process.stdin.write(json.dumps(line) + "\n")
        result = json.loads(self._process.stdout.readline())
        if "error" in result:
            raise ClientError(result["error"], result["message"])
        return result["value"]

    def close(self) -> None:
        """End the process."""
        self._process.communicate()
