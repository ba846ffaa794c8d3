"""`python -m shotgrid_login check SITE_URL`: whether people and scripts can sign in to a site, and by the gateway.

Exit codes: 0 nothing that was looked at would break, 1 something would or does, 2 the command cannot be run as it was
given, 3 the check itself failed, 130 interrupted.

On Lambda nothing runs this: it needs the folder `check`, which the layer leaves out.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import NoReturn

from shotgrid_login_ops.check import command

EXITS = "Exit codes: 0 nothing would break, 1 something would or does, 2 usage, 3 the check itself failed."
SECRETS = (
    f"A script key is taken from {command.SCRIPT_NAME} and {command.SCRIPT_KEY} and tried at the site alone. "
    "Passwords and codes are asked for, on a terminal. None of these is printed or saved."
)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong without repeating it: somebody may have typed a password."""

    def error(self, message: str) -> NoReturn:
        if "expected" not in message and "required" not in message:
            message = "an option or a word that is not known; passwords and names are asked for, never given here"
        self.exit(2, f"{self.prog}: {message}. See {self.prog} --help\n")


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code."""
    try:
        return command.run(_wishes(arguments), os.environ)
    except command.Usage as usage:
        sys.stderr.write(f"{usage}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted; nothing was saved.\n")
        return 130
    except Exception as error:  # noqa: BLE001 - the last place to keep an error's text, with what was typed, unseen
        sys.stderr.write(f"The check itself failed ({type(error).__name__} at {_place(error)}). Please report that.\n")
        return 3


def _wishes(arguments: list[str]) -> command.Wishes:
    parser = _Parser(prog="python -m shotgrid_login", allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    check = commands.add_parser(
        "check",
        allow_abbrev=False,
        help="whether people and scripts can sign in, before and after two-factor authentication is switched on",
        description="Look at a ShotGrid site, and at a gateway, and say what two-factor authentication changes there. "
        "Changes nothing. " + SECRETS,
        epilog=EXITS,
    )
    check.add_argument("site", metavar="SITE_URL", help="the site's root, https://studio.shotgrid.autodesk.com")
    check.add_argument(
        "--user", action="store_true", help="ask for a person's user name, password and code, and sign in"
    )
    check.add_argument("--gateway", metavar="URL", help="walk this deployed gateway too: the stack's output Url")
    check.add_argument(
        "--origin",
        metavar="ORIGIN",
        action="append",
        default=[],
        help="an origin of pages that must be able to call the gateway, such as https://pages.studio.com; repeatable",
    )
    check.add_argument("--json", action="store_true", help="print JSON instead of a table")
    check.add_argument("--save", metavar="FILE", type=Path, help="keep what was found in a new file, without secrets")
    check.add_argument("--compare", metavar="FILE", type=Path, help="show what has changed since FILE was saved")
    given = parser.parse_args(arguments)
    return command.Wishes(
        given.site, given.gateway, tuple(given.origin), given.user, given.json, given.save, given.compare
    )


def _place(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "?" if trace is None else f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
