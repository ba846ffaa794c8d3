"""The person at the terminal: asked for a user name, a password and a code, which are kept nowhere."""

from __future__ import annotations

import getpass
import sys
import warnings
from dataclasses import dataclass, field


class NoTerminal(Exception):
    """Nobody can be asked: what is typed would come from a file or be shown."""


@dataclass(frozen=True)
class Credentials:
    """What was typed; empty where nothing was."""

    username: str = field(repr=False)
    password: str = field(repr=False)

    @property
    def complete(self) -> bool:
        """Whether there is something to send."""
        return bool(self.username and self.password)


class Person:
    """Whoever sits at the terminal. Questions go to standard error: standard output is the command's answer."""

    def __init__(self) -> None:
        """Raises `NoTerminal`."""
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise NoTerminal

    def credentials(self, site_url: str) -> Credentials:
        """Ask for user name and password; raises `NoTerminal`."""
        sys.stderr.write(
            f"Sign in to {site_url}. What you type is kept nowhere; the password is not shown.\nUser name: "
        )
        sys.stderr.flush()
        username = sys.stdin.readline().strip()
        return Credentials(username, _hidden("Password: ") if username else "")

    def code(self) -> str:
        """Ask for a code, an app's or a backup code, and return it without its spaces; raises `NoTerminal`."""
        return "".join(_hidden("The site wants a code (not shown; Enter to leave it out): ").split())


def _hidden(prompt: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(prompt, stream=sys.stderr)
        except getpass.GetPassWarning:
            raise NoTerminal from None
        except EOFError:
            return ""
