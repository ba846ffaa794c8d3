"""The commands of the AWS CLI in the documents: their operations, options and queries exist."""

from __future__ import annotations

import pytest

from tests.support.aws_commands import mistakes
from tests.support.docs import blocks


def test_documented_commands_are_those_of_the_aws_cli() -> None:
    lines = [line for block in blocks("text") for line in block.text.splitlines() if "aws " in line]
    assert len(lines) > 40
    assert [mistake for line in lines for mistake in mistakes(line)] == []


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("aws nothing list", "aws nothing list: no such service"),
        ("aws kms list-nothing", "aws kms list-nothing: no such operation"),
        ("aws dynamodb wait nothing", "aws dynamodb wait: no such operation"),
        ("x=$(aws kms list-keys --key x) ; aws kms list-keys --limit 1", "aws kms list-keys: no option --key"),
        ("aws kms enable-key --region x", "aws kms enable-key: needs KeyId"),
        ("for x in a; do aws kms list-keys --query 'Keys['; done", "aws kms list-keys: invalid --query"),
    ],
)
def test_mistake_in_a_command_is_found(line: str, mistake: str) -> None:
    assert mistakes(line) == [mistake]
