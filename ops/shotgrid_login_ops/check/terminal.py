"""The terminal: prompts for a user name, a password and a code, and shows where to approve a browser sign-in.

None of what the user types is stored.
"""

from __future__ import annotations

import getpass
import sys
import time
import warnings
from dataclasses import dataclass, field

# Enough for the longest line that shows the time left, so that a shorter one overwrites all of it.
WAITING_COLUMNS = 78


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

    def read_credentials(self, site_url: str, *, has_browser: bool, is_legacy: bool) -> Credentials:
        """Prompt for user name and password; raises `NoTerminal`.

        Args:
            site_url: the site to sign in to.
            has_browser: the user can type nothing to sign in with the browser instead.
            is_legacy: the site accepts passwords of legacy logins only.
        """
        lines = [f"Sign in to {site_url}. Your input is not stored; the password is not shown."]
        if has_browser:
            lines.append("To sign in with the browser instead, press Enter without a user name.")
        if is_legacy:
            lines.append("This site accepts the passphrase of a legacy login. Never type an Autodesk password here.")
        _write("\n".join([*lines, "User name: "]))
        username = sys.stdin.readline().strip()
        prompt = "Legacy passphrase: " if is_legacy else "Password: "
        return Credentials(username, _read_hidden(prompt) if username else "")

    def read_code(self) -> str:
        """Prompt for a code of the app, or a backup code, and return it without spaces; raises `NoTerminal`."""
        return "".join(_read_hidden("Two-factor code (not shown; press Enter to skip): ").split())

    def show_approval(self, title: str, app_name: str, url: str) -> None:
        """Show where to approve a sign-in, and the name in the request. The URL is a secret of the user."""
        _write(
            f"\n{title}\nOpen this address in a browser, sign in as usual, and approve the request of "
            f'"{app_name}":\n\n  {url}\n\n'
            "Do not share the address: it gives access to your session. To stop the check, press Ctrl-C.\n"
        )

    def show_waiting(self, seconds_left: float, note: str) -> None:
        """Show the time left to approve, in place of the previous time."""
        minutes, seconds = divmod(round(seconds_left), 60)
        _write(f"\r{f'Waiting for the approval, {minutes}:{seconds:02} left. {note}':<{WAITING_COLUMNS}}")

    def show(self, text: str) -> None:
        """Show a line of text."""
        _write(f"{text}\n")

    def now(self) -> float:
        """Return a time in seconds, to compare with others of this terminal."""
        return time.monotonic()

    def pause(self, seconds: float) -> None:
        """Do nothing for this time."""
        time.sleep(seconds)


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def _read_hidden(prompt: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(prompt, stream=sys.stderr)
        except getpass.GetPassWarning:
            raise NoTerminal from None
        except EOFError:
            return ""
