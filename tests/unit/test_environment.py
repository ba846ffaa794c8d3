"""The environment of each function is within Lambda's quota, with every parameter at its longest value."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.template import FUNCTIONS, resources, template

# "Environment variables" in the quotas of Lambda. The error message of Lambda shows that it measures the JSON text.
QUOTA_BYTES = 4096

# The longest name of a stack (AWS documentation: CreateStack), and what CloudFormation appends to a physical id.
STACK = "s" * 128
SUFFIX = "x" * 13
KEY_ARN = f"arn:aws-us-gov:kms:ap-southeast-1:123456789012:key/{'x' * 36}"


def longest(value: Any) -> str:
    """Return the longest text that a value of the template can become."""
    match value:
        case str() | int():
            return str(value)
        case {"Ref": "AWS::NoValue"}:
            return ""
        case {"Ref": str(name)} if name in template()["Parameters"]:
            return longest_parameter(name)
        case {"Ref": ("StateTable" | "BearersTable") as table}:
            return f"{STACK}-{table}-{SUFFIX}"
        case {"Ref": "AWS::StackName"}:
            return STACK
        case {"Ref": "AWS::URLSuffix"}:
            return "amazonaws.com.cn"
        case {"Fn::GetAtt": [("Key" | "HashKey"), "Arn"]}:
            return KEY_ARN
        case {"Fn::If": [_, if_true, if_false]}:
            return max(longest(if_true), longest(if_false), key=len)
    raise AssertionError(f"unknown value {value}")


def longest_parameter(name: str) -> str:
    parameter = template()["Parameters"][name]
    if "AllowedValues" in parameter:
        return max(map(str, parameter["AllowedValues"]), key=len)
    if parameter["Type"] == "Number":
        return str(parameter["MaxValue"])
    return "x" * int(parameter["MaxLength"])


@pytest.mark.parametrize("function", FUNCTIONS)
def test_longest_environment_is_within_the_quota_of_lambda(function: str) -> None:
    variables = resources("AWS::Lambda::Function")[f"{function}Function"]["Environment"]["Variables"]
    text = json.dumps({name: longest(value) for name, value in variables.items()}, separators=(",", ":"))
    assert len(text) <= QUOTA_BYTES, len(text)
