"""What the code of the functions and their layer calls, read from its source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from shotgrid_login import log
from tests.local.stack import ROOT


@cache
def all_calls() -> list[tuple[str, list[Any]]]:
    """Return every call in the Lambda functions and their layer: what is called, and its positional arguments.

    Arguments that are not constants are None.
    """
    files = [path for folder in ("functions", "layers") for path in (ROOT / folder).rglob("*.py")]
    return [
        (
            ast.unparse(node.func),
            [argument.value if isinstance(argument, ast.Constant) else None for argument in node.args],
        )
        for path in files
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    ]


def calls(function: str) -> Iterator[list[Any]]:
    """Yield the arguments of every call of a function. `function` is a regular expression for its name."""
    return (arguments for name, arguments in all_calls() if re.fullmatch(function, name))


def written_metrics() -> set[str]:
    """Return the names of all metrics that the functions write."""
    counted = {name for name, *_ in calls(r"(log\.)?count") if name is not None}
    return counted | set(log.METRICS.values()) | {"internal_error"}
