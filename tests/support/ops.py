"""Runs the commands of `shotgrid-login` for a deployed stack, in this process, on local AWS."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from unittest import mock

from botocore import loaders, session

from shotgrid_login_ops import cli
from tests.local.stack import LocalAws

_create_loader = cache(loaders.create_loader)


def cached_models() -> contextlib.AbstractContextManager[object]:
    """Let sessions of boto3 read the definition of each AWS API once, instead of in each run."""
    return mock.patch.object(session, "create_loader", _create_loader)


@dataclass(frozen=True)
class Ran:
    """The result of a command."""

    code: int
    out: str
    err: str


class _Input(io.StringIO):
    def __init__(self, text: str | None) -> None:
        super().__init__(text or "")
        self._is_terminal = text is not None

    def isatty(self) -> bool:
        return self._is_terminal


@dataclass(frozen=True)
class Operator:
    """A user with AWS credentials, as the root user of local AWS or with others.

    Attributes:
        stack: what every command gets as `--stack`; without it, the command's own default counts.
    """

    aws: LocalAws
    environment: Mapping[str, str] | None = None
    stack: str = ""

    def run(self, *arguments: str, typed: str | None = None) -> Ran:
        """Run a command. `typed` is what the user types at a terminal; without it there is none."""
        out, err = io.StringIO(), io.StringIO()
        environment = {**self.aws.environment(), **(self.environment or {})}
        with (
            cached_models(),
            mock.patch.dict(os.environ, {name: value for name, value in environment.items() if value}, clear=True),
            mock.patch.object(sys, "stdin", _Input(typed)),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                code = cli.main((*arguments, *(("--stack", self.stack) if self.stack else ())))
            except SystemExit as exit_:  # from `argparse`
                code = int(exit_.code or 0)
        return Ran(code, out.getvalue(), err.getvalue())


def create_stack(aws: LocalAws, name: str, outputs: Mapping[str, str]) -> None:
    """Create a stack that has only outputs."""
    template = {
        "Resources": {"Nothing": {"Type": "AWS::CloudFormation::WaitConditionHandle"}},
        "Outputs": {key: {"Value": value} for key, value in outputs.items()},
    }
    aws.client("cloudformation").create_stack(StackName=name, TemplateBody=json.dumps(template))
    aws.client("cloudformation").get_waiter("stack_create_complete").wait(
        StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 30}
    )
