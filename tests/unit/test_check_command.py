"""The command when it is the command that fails."""

from __future__ import annotations

import pytest

from shotgrid_login_ops import cli
from shotgrid_login_ops.check import command


def test_a_failure_of_the_check_itself_shows_nothing_that_was_typed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*_: object) -> int:
        raise ValueError("hunter2")

    monkeypatch.setattr(command, "run", run)
    assert cli.main(["check", "https://studio.shotgrid.autodesk.com"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "ValueError at test_check_command.py:" in err
    assert "hunter2" not in err
