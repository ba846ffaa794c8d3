"""Checks commands of the AWS CLI against the definitions of the AWS APIs, without the AWS CLI."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache

import jmespath  # type: ignore[import-untyped]
from botocore import xform_name
from botocore.session import Session
from jmespath.exceptions import JMESPathError  # type: ignore[import-untyped]

from tests.support.ops import cached_models

# Options of the AWS CLI itself.
_GENERAL = {"query", "output", "region"}
# Where the AWS CLI has another name than the API (awscli.customizations.argrename and awslambda).
_RENAMED = {
    ("sns", "subscribe", "notification-endpoint"): "endpoint",
    ("lambda", "publish-layer-version", "zip-file"): "content",
}
# Commands that call no API.
_LOCAL = {"configure"}

_SUBSTITUTION = re.compile(r"\$\(((?:[^()]|\([^()]*\))*)\)")
_ENDS = {"|", ";", "&&", "do", "done", "}"}


def mistakes(line: str) -> list[str]:
    """Return what is wrong with the AWS commands in a line of a shell, such as an unknown option."""
    return [mistake for command in _commands(line) for mistake in _mistakes(command)]


def _commands(line: str) -> Iterator[list[str]]:
    """Yield the words of each AWS command, innermost first."""
    while match := _SUBSTITUTION.search(line):
        yield from _commands(match[1])
        line = line[: match.start()] + "x" + line[match.end() :]
    command: list[str] | None = None
    for word in [*shlex.split(line.replace(";", " ; ")), ";"]:
        if word in _ENDS:
            if command:
                yield command
            command = None
        elif command is not None:
            command.append(word)
        elif word == "aws":
            command = [word]


def _mistakes(command: list[str]) -> Iterator[str]:
    _, service, name, *words = command
    if service in _LOCAL:
        return
    text = " ".join(command[:3])
    with cached_models():
        session = _session()
        if service not in session.get_available_services():
            yield f"{text}: no such service"
            return
        model = session.get_service_model(service)
        operations = {xform_name(operation, "-"): operation for operation in model.operation_names}
        if name == "wait":
            waiters = session.get_waiter_model(service)
            found = {xform_name(waiter, "-"): waiter for waiter in waiters.waiter_names}
            name, *words = words
            operation = waiters.get_waiter(found[name]).operation if name in found else None
        else:
            operation = operations.get(name)
    if operation is None:
        yield f"{text}: no such operation"
        return
    shape = model.operation_model(operation).input_shape
    members = {xform_name(member, "-"): member for member in shape.members} if shape else {}
    options = [_RENAMED.get((service, name, word[2:]), word[2:]) for word in words if word.startswith("--")]
    yield from (f"{text}: no option --{option}" for option in options if option not in {*members, *_GENERAL})
    required = shape.required_members if shape else []
    yield from (f"{text}: needs {member}" for member in required if member not in map(members.get, options))
    if "--query" in words:
        try:
            jmespath.compile(words[words.index("--query") + 1])
        except JMESPathError:
            yield f"{text}: invalid --query"


@cache
def _session() -> Session:
    return Session()
