"""The messages of `make run` when it cannot start."""

from __future__ import annotations

import socket
import sys
from contextlib import ExitStack

import pytest

from tests.local import __main__ as make_run
from tests.local import stack
from tests.local.stack import LocalAws, SetupFailed


@pytest.mark.parametrize("port", ["x", "80", "99999", ""])
def test_invalid_port_is_rejected(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", port)
    with pytest.raises(SetupFailed, match="PORT must be a number from 1024 to 65533"):
        make_run.main()


def test_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(SetupFailed, match=f"port {port} is in use; choose another one with PORT="), LocalAws(port):
            pass


def test_message_of_a_failed_tool_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack, "sam", lambda: sys.executable)  # `python deploy` fails, because the file does not exist
    with ExitStack() as closing:
        aws = LocalAws()
        closing.push(aws)
        with pytest.raises(SetupFailed, match=r"deploy failed:\n.*can't open file"):
            aws.deploy({}, template="template.yaml")
