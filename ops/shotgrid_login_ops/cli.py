"""The command line of `shotgrid-login`: options, exit codes, and error messages without secrets."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from shotgrid_login_ops.check import command

EXIT_CODES = (
    "Exit codes: 0: nothing breaks, 1: something would break, 2: usage error, 3: the check itself failed, "
    "130: interrupted."
)
SECRETS = (
    f"Set {command.SCRIPT_NAME} and {command.SCRIPT_KEY} to check a script key. The command sends them to the site "
    "only. It prompts for passwords and codes on the terminal. It never prints or saves any of these. For a browser "
    "sign-in it prints the address to open on the terminal, and never saves it."
)

# The only messages of `argparse` that never contain what the user typed.
_SAFE_MESSAGE = re.compile(
    r"argument --[a-z]+: expected one argument|the following arguments are required: (SITE_URL|COMMAND)"
)


class _Parser(argparse.ArgumentParser):
    """A parser whose error messages do not repeat the arguments, because one of them may be a password."""

    def error(self, message: str) -> NoReturn:
        if not _SAFE_MESSAGE.fullmatch(message):
            message = (
                "unknown option or argument. Never type a user name or password here: --user prompts for them on the "
                "terminal"
            )
        self.exit(2, f"{self.prog}: {message}. See {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code. The default arguments are those of the process."""
    try:
        return command.run(_options(arguments), os.environ)
    except command.UsageError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted; nothing was saved.\n")
        return 130
    except Exception as error:  # noqa: BLE001 - its text and traceback could show a password
        sys.stderr.write(
            f"The check itself failed: {type(error).__name__} at {_location(error)}. Please report this line as a bug "
            "of shotgrid-login.\n"
        )
        return 3


def _options(arguments: Sequence[str] | None) -> command.Options:
    parser = _Parser(prog="shotgrid-login", allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    check = commands.add_parser(
        "check",
        allow_abbrev=False,
        help="show whether users and scripts can sign in, before and after two-factor authentication is switched on",
        description="Check a ShotGrid site, and a gateway if you name one, and show what two-factor authentication "
        f"changes. The check itself changes nothing on either. {SECRETS}",
        epilog=EXIT_CODES,
    )
    check.add_argument("site", metavar="SITE_URL", help="root of the site: https://studio.shotgrid.autodesk.com")
    check.add_argument(
        "--user",
        action="store_true",
        help="sign in as a user: prompt for user name, password and code, or use the browser if you type no user name",
    )
    check.add_argument("--gateway", metavar="URL", help="check this deployed gateway too: the stack's output Url")
    check.add_argument(
        "--origin",
        metavar="ORIGIN",
        action="append",
        default=[],
        help="check that pages of this origin, such as https://pages.studio.com, can call the gateway; repeatable",
    )
    check.add_argument("--json", action="store_true", help="print JSON instead of a table")
    check.add_argument(
        "--save", metavar="FILE", type=Path, help="save the result in a new file, which contains no secrets"
    )
    check.add_argument("--compare", metavar="FILE", type=Path, help="show what has changed since FILE was saved")
    values = parser.parse_args(arguments)
    return command.Options(
        values.site, values.gateway, tuple(values.origin), values.user, values.json, values.save, values.compare
    )


def _location(error: BaseException) -> str:
    """Return the file and line that raised an error."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "?" if trace is None else f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
