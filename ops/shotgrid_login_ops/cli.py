"""The command line of `shotgrid-login`: options, exit codes, and error messages without secrets."""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from shotgrid_login_ops.check import command
from shotgrid_login_ops.errors import AwsFailed, UsageError

EXIT_CODES = (
    "Exit codes: 0: nothing breaks, 1: something would break, 2: usage error, 3: the check itself failed, "
    "130: interrupted."
)
STACK_EXIT_CODES = (
    "Exit codes: 0: done, 1: not done, or not completely, 2: usage error, 3: the command itself failed, "
    "130: interrupted."
)
SECRETS = (
    f"Set {command.SCRIPT_NAME} and {command.SCRIPT_KEY} to check a script key. The command sends them to the site "
    "only. It prompts for passwords and codes on the terminal. It never prints or saves any of these. For a browser "
    "sign-in it prints the address to open on the terminal, and never saves it."
)
CREDENTIALS = (
    "The command uses the AWS credentials and the region of the AWS CLI. docs/operations.md lists the permissions that "
    "it needs."
)
INTERRUPTED = "Interrupted; nothing was saved."

# The name of the stack in samconfig.toml.
STACK = "shotgrid-login"

# The only messages of `argparse` that never contain what the user typed.
_SAFE_MESSAGE = re.compile(
    r"argument --[a-z-]+: (expected (one|at least one) argument|not allowed with argument --[a-z]+)"
    r"|one of the arguments --user --all is required"
    r"|the following arguments are required: (SITE_URL|COMMAND|LOGIN|ADDRESS)"
)


class _Parser(argparse.ArgumentParser):
    """A parser whose error messages do not repeat the arguments, because one of them may be a password."""

    def error(self, message: str) -> NoReturn:
        if not _SAFE_MESSAGE.fullmatch(message):
            message = (
                "unknown option or argument. Never type a password here: check --user prompts for it on the terminal"
            )
        self.exit(2, f"{self.prog}: {message}. See {self.prog} --help\n")


_AddParser = Callable[..., _Parser]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code. The default arguments are those of the process."""
    arguments = sys.argv[1:] if arguments is None else arguments
    values = _parser(is_aws_check="--aws" in arguments).parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = values.run
    try:
        return run(values)
    except UsageError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except AwsFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(f"\n{values.interrupted}\n")
        return 130
    except Exception as error:  # noqa: BLE001 - its text and traceback could show a password
        sys.stderr.write(
            f"The command itself failed: {type(error).__name__} at {_location(error)}. Please report this line as a "
            "bug of shotgrid-login.\n"
        )
        return 3


def _parser(*, is_aws_check: bool) -> _Parser:
    parser = _Parser(prog="shotgrid-login", allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    # With --aws, the command has other options and no SITE_URL. `argparse` does not support both in one parser.
    (_add_aws_check if is_aws_check else _add_check)(commands.add_parser)
    _add_sessions(commands.add_parser)
    _add_hashes(commands.add_parser)
    return parser


def _add_check(add_parser: _AddParser) -> None:
    check = add_parser(
        "check",
        allow_abbrev=False,
        help="show whether users and scripts can sign in, before and after two-factor authentication is switched on",
        description="Check a ShotGrid site, and a gateway if you name one, and show what two-factor authentication "
        f"changes. The check itself changes nothing on either. {SECRETS}",
        epilog=EXIT_CODES,
    )
    check.set_defaults(run=_check, interrupted=INTERRUPTED)
    check.add_argument("site", metavar="SITE_URL", help="root of the site: https://studio.shotgrid.autodesk.com")
    check.add_argument(
        "--aws",
        action="store_true",
        help="instead of a site, check an AWS account before the first deployment: see check --aws --help",
    )
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


def _add_aws_check(add_parser: _AddParser) -> None:
    check = add_parser(
        "check",
        allow_abbrev=False,
        usage="%(prog)s --aws [--stack NAME] [--region REGION] [--parameter-overrides NAME=VALUE ...] [--json]",
        help="show what would make a deployment fail",
        description="Check an AWS account before the first deployment, and show what would make it fail and what to "
        f"type. The command only reads. {CREDENTIALS}",
        epilog=EXIT_CODES,
    )
    check.set_defaults(run=_check_aws, interrupted="Interrupted.")
    check.add_argument("--aws", action="store_true", help="check an AWS account")
    check.add_argument("--json", action="store_true", help="print JSON instead of a table")
    check.add_argument(
        "--parameter-overrides",
        metavar="NAME=VALUE",
        nargs="+",
        default=[],
        help="the parameters of the deployment, as you will pass them to sam deploy",
    )
    _add_stack_options(check)


def _add_sessions(add_parser: _AddParser) -> None:
    sessions = add_parser("sessions", allow_abbrev=False, help="list the sessions of a deployed stack, or end them")
    commands = sessions.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    of_user = "the sessions of this user: the login or the e-mail address, in any letter case"
    listing = _add_stack_command(commands.add_parser, "list", "Show the sessions that have not ended.")
    listing.add_argument("--user", metavar="LOGIN", help=f"show only {of_user}")
    ending = _add_stack_command(
        commands.add_parser,
        "end",
        "End sessions: their users have to sign in again, and studio APIs reject their tokens. The site itself accepts "
        "its access tokens until they expire.",
    )
    which = ending.add_mutually_exclusive_group(required=True)
    which.add_argument("--user", metavar="LOGIN", help=f"end {of_user}")
    which.add_argument("--all", action="store_true", help="end all sessions of all users")
    ending.add_argument("--yes", action="store_true", help="with --all: do not prompt for a confirmation")


def _add_hashes(add_parser: _AddParser) -> None:
    text = "Print the hash that names a {} in the logs of a deployed stack."
    user = _add_stack_command(add_parser, "user-hash", text.format("user"))
    user.add_argument(
        "logins",
        metavar="LOGIN",
        nargs="+",
        help="the login of the user; for several, each line has the hash and the login; - reads one login per line "
        "from standard input",
    )
    network = _add_stack_command(add_parser, "network-hash", text.format("network"))
    network.add_argument("address", metavar="ADDRESS", help="an IP address in the network")


def _add_stack_command(add_parser: _AddParser, name: str, description: str) -> _Parser:
    parser = add_parser(
        name,
        allow_abbrev=False,
        help=f"{description[0].lower()}{description[1:].partition('.')[0].partition(':')[0]}",
        description=f"{description} {CREDENTIALS}",
        epilog=STACK_EXIT_CODES,
    )
    _add_stack_options(parser)
    parser.set_defaults(run=_call_aws, command=name, interrupted="Interrupted.")
    return parser


def _add_stack_options(parser: _Parser) -> None:
    parser.add_argument("--stack", metavar="NAME", default=STACK, help=f"the name of the stack, if it is not {STACK}")
    parser.add_argument("--region", metavar="REGION", help="the region of the stack, if it is not that of the AWS CLI")


def _check(values: argparse.Namespace) -> int:
    options = command.Options(
        values.site, values.gateway, tuple(values.origin), values.user, values.json, values.save, values.compare
    )
    return command.run(options, os.environ)


def _check_aws(values: argparse.Namespace) -> int:
    _require_boto3()
    from shotgrid_login_ops.account import command as account_command
    from shotgrid_login_ops.stack import command as stack_command

    target = stack_command.Target.parse(values.stack, values.region)
    return account_command.run(target, values.parameter_overrides, os.environ, is_json=values.json)


def _require_boto3() -> None:
    if importlib.util.find_spec("boto3") is None:
        raise UsageError("This command needs boto3. In a checkout of the gateway, type: pip install '.[aws]'")


def _call_aws(values: argparse.Namespace) -> int:
    _require_boto3()
    from shotgrid_login_ops.stack import command as stack_command

    target = stack_command.Target.parse(values.stack, values.region)
    match values.command:
        case "list":
            return stack_command.list_sessions(target, values.user)
        case "end":
            return stack_command.end_sessions(target, values.user, is_confirmed=values.yes)
        case "user-hash":
            return stack_command.print_user_hashes(target, values.logins)
        case _:
            return stack_command.print_network_hash(target, values.address)


def _location(error: BaseException) -> str:
    """Return the file and line that raised an error."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "?" if trace is None else f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
