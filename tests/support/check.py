"""Runs `shotgrid-login check`, in this process or in a process at a terminal."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pty
import select
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from shotgrid_login_ops import cli
from shotgrid_login_ops.check import command
from shotgrid_login_ops.check.terminal import Credentials

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = {"SHOTGRID_SCRIPT_NAME": "a_webhook", "SHOTGRID_SCRIPT_KEY": "the-key-of-a-webhook"}
NO_SCRIPT: Mapping[str, str] = {}

# Parts of the prompts, and of the line while the check waits.
LOGIN, PASSWORD, CODE = "User name: ", "Password: ", "Two-factor code"
WAITING = "Waiting for the approval"

# Pairs of a prompt and what to type. A function is called when the prompt is shown.
Inputs = Sequence[tuple[str, str | Callable[[], str]]]

# Makes standard input the controlling terminal of the process, as a shell does. Ctrl-C and hidden input need that.
_AT_TERMINAL = """
import fcntl, os, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, signal.SIG_DFL)  # background processes of a shell inherit that SIGINT is ignored
os.execv(sys.argv[1], sys.argv[1:])
"""
# How long a process may take on a loaded machine. Seconds.
_PROCESS_SECONDS = 120


@dataclass
class Result:
    """The result of a run. `terminal` is standard error, and standard output too if the terminal shows it."""

    code: int
    out: str
    terminal: str

    @property
    def lines(self) -> dict[str, dict[str, Any]]:
        """The findings by name, from the JSON output."""
        return {line["name"]: line for line in json.loads(self.out)["findings"]}

    def statuses(self) -> dict[str, str]:
        return {name: line["status"] for name, line in self.lines.items()}


@dataclass
class Typing:
    """Input for the prompts, instead of a terminal. A prompt without input fails the check with exit code 3.

    Attributes:
        login: "" to sign in with the browser where the site also accepts passwords.
        in_browser: what the user does at the approval URL, after `decides_after` pauses. It fails the check if None.
        before_poll: called with the number of the next poll, from 1.
        seconds_per_pause: how much time passes in a pause, if it is not the time that the check waits.
        shown: all that the terminal has shown.
        pauses: the time that the check waited each time. No time passes really. Seconds.
    """

    login: str | None = None
    password: str | None = None
    code: str | Callable[[], str] | None = None
    in_browser: Callable[[str], object] | None = None
    decides_after: int = 1
    before_poll: Callable[[int], object] = lambda _: None
    seconds_per_pause: float | None = None
    shown: str = ""
    pauses: list[float] = field(default_factory=list)
    prompts: list[dict[str, bool]] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    _now: float = 1000.0
    _polls: int = 0

    def read_credentials(self, _: str, **kind: bool) -> Credentials:
        self.prompts.append(kind)
        assert self.login is not None
        assert self.password is not None
        return Credentials(self.login, self.password)

    def read_code(self) -> str:
        assert self.code is not None
        return self.code if isinstance(self.code, str) else self.code()

    def show_approval(self, title: str, app_name: str, url: str) -> None:
        assert self.in_browser is not None
        self.shown += f"{title} {app_name} {url}\n"
        self.urls.append(url)
        self._polls = 0

    def show_waiting(self, seconds_left: float, note: str) -> None:
        self.shown += f"{seconds_left} {note}\n"

    def show(self, text: str) -> None:
        self.shown += f"{text}\n"

    def now(self) -> float:
        return self._now

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self._now += self.seconds_per_pause or seconds
        self._polls += 1
        self.before_poll(self._polls)
        if self._polls == self.decides_after:
            assert self.in_browser is not None
            self.in_browser(self.urls[-1])


class _Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def check(
    *arguments: str, environment: Mapping[str, str] = NO_SCRIPT, user: Typing | None = None, screen: bool = False
) -> Result:
    """Run the command in this process, without a terminal.

    `user` adds `--user` and types its input. `screen` makes standard output a terminal.
    """
    out, err = _Screen() if screen else io.StringIO(), io.StringIO()
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, _environment(environment), clear=True))
        stack.enter_context(mock.patch.object(sys, "stdin", stack.enter_context(Path(os.devnull).open())))
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(err))
        if user is not None:
            stack.enter_context(mock.patch.object(command, "Terminal", return_value=user))
            arguments = ("--user", *arguments)
        try:
            code = cli.main(["check", *arguments])
        except SystemExit as exit_:  # from `argparse`
            code = int(exit_.code or 0)
    return Result(code, out.getvalue(), err.getvalue())


def check_at_terminal(*arguments: str, inputs: Inputs, environment: Mapping[str, str] = NO_SCRIPT) -> Result:
    """Run the command as a process at a terminal, and type each input after its prompt."""
    ours, its = pty.openpty()
    process_command = [sys.executable, "-m", "shotgrid_login_ops", "check", *arguments]
    with subprocess.Popen(
        [sys.executable, "-c", _AT_TERMINAL, *process_command],
        env=_environment(environment),
        stdin=its,
        stderr=its,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        os.close(its)
        try:
            terminal = _type(ours, list(inputs))
            assert process.stdout
            out = process.stdout.read().decode()
            code = process.wait(_PROCESS_SECONDS)
        except BaseException:
            process.kill()
            raise
        finally:
            os.close(ours)
    return Result(code, out, terminal)


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", *SCRIPT)}
    paths = [str(ROOT / "layers" / "shotgrid_login"), str(ROOT / "ops")]
    return {**kept, "PYTHONPATH": os.pathsep.join(paths), "TERM": "xterm", "COLUMNS": "100", **more}


def _type(terminal: int, inputs: list[tuple[str, str | Callable[[], str]]]) -> str:
    """Type the inputs until the process ends, and return what the terminal has shown."""
    shown, prompted = "", 0
    deadline = time.monotonic() + _PROCESS_SECONDS
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            part = os.read(terminal, 4096)
        except OSError:  # Linux reports this way that the process has closed its side
            part = b""
        if not part:
            assert not inputs, f"no prompt: {inputs[0][0]}\n{shown}"
            return shown
        shown += part.decode(errors="replace")
        if inputs and inputs[0][0] in shown[prompted:]:
            text = inputs.pop(0)[1]
            prompted = len(shown)
            os.write(terminal, f"{text if isinstance(text, str) else text()}\n".encode())
    raise AssertionError(f"the process still runs:\n{shown}")


def assert_has_next_step(line: Mapping[str, Any]) -> None:
    """Assert that a finding explains itself and what to do, in sentences."""
    assert line["meaning"].endswith(".")
    assert line["next_step"].endswith("."), line
