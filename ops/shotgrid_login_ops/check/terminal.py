"""Prompts on the terminal for a user name, a password and a code. None of them is stored."""

from __future__ import annotations

import getpass
import sys
import warnings
from dataclasses import dataclass, field


class NoTerminal(Exception):
    """There is no terminal: the input would come from a file, or typed passwords would be visible."""


@dataclass(frozen=True)
class Credentials:
    """What the user typed; empty if nothing."""

    username: str = field(repr=False)
    password: str = field(repr=False)

    @property
    def is_complete(self) -> bool:
        """Whether both were typed."""
        return bool(self.username and self.password)


class Terminal:
    """Prompts the user. Prompts are printed to standard error, because standard output is for the result."""

    def __init__(self) -> None:
        """Raises `NoTerminal`."""
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise NoTerminal

    def read_credentials(self, site_url: str) -> Credentials:
        """Prompt for user name and password; raises `NoTerminal`."""
        sys.stderr.write(f"Sign in to {site_url}. Your input is not stored; the password is not shown.\nUser name: ")
        sys.stderr.flush()
        username = sys.stdin.readline().strip()
        return Credentials(username, _read_hidden("Password: ") if username else "")

    def read_code(self) -> str:
        """Prompt for a code of the app, or a backup code, and return it without spaces; raises `NoTerminal`."""
        return "".join(_read_hidden("Two-factor code (not shown; press Enter to skip): ").split())


def _read_hidden(prompt: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(prompt, stream=sys.stderr)
        except getpass.GetPassWarning:
            raise NoTerminal from None
        except EOFError:
            return ""
