"""The translated template, and what the role of each function allows.

The functions import the translator when they need it: that takes a second, and most processes of the suite do not.
"""

from __future__ import annotations

import copy
import os
import re
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.local.stack import ROOT

FUNCTIONS = [
    "Password",
    "Otp",
    "Refresh",
    "AccessToken",
    "Logout",
    "Session",
    "Methods",
    "Browser",
    "Approval",
    "Pages",
    "Authorizer",
]

# What a role allows: a resource, an action, and the kind of row or the purpose in the encryption context. "" means all.
Grant = tuple[str, str, str]

ROLES = ROOT / "docs" / "security.md"
VERBS = {
    "read": "GetItem",
    "create": "PutItem",
    "update": "UpdateItem",
    "delete": "DeleteItem",
    "query": "Query",
    "encrypt": "Encrypt",
    "decrypt": "Decrypt",
}
INDEX = "sessions-of-user"
# For `SubnetIds` and `Tracing`. Roles have them always, so that they have an effect before Lambda checks them.
POLICIES_OF_LAMBDA = ("network-interfaces", "traces")

_NO_VALUE = {"Ref": "AWS::NoValue"}


class _NoManagedPolicies:
    def load(self) -> dict[str, str]:
        return {}


@cache
def _parsed(path: Path) -> dict[str, Any]:
    from samtranslator.yaml_helper import yaml_parse

    source: dict[str, Any] = yaml_parse(path.read_text())
    return source


def parsed(path: Path) -> dict[str, Any]:
    """Return a parsed SAM template, to change and translate."""
    return copy.deepcopy(_parsed(path))


def translate(path: Path) -> dict[str, Any]:
    """Translate a SAM template to the CloudFormation template that is deployed, without uploading code."""
    return translate_source(parsed(path), {})


def translate_source(source: dict[str, Any], parameters: dict[str, str]) -> dict[str, Any]:
    """Translate a parsed SAM template, deployed with these values of parameters."""
    from samtranslator.translator.transform import transform

    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    for resource in source["Resources"].values():
        for code in ("CodeUri", "ContentUri"):
            if code in resource["Properties"] and not resource["Properties"][code].startswith("s3:"):
                resource["Properties"][code] = "s3://bucket/key"
    translated: dict[str, Any] = transform(source, parameters, _NoManagedPolicies())
    return translated


def template(region: str = "us-east-1") -> dict[str, Any]:
    """Return the gateway's template as CloudFormation receives it. SAM writes the partition into some ARNs."""
    return _template(region)


@cache
def _template(region: str) -> dict[str, Any]:
    from samtranslator.translator.arn_generator import ArnGenerator

    with patch.object(ArnGenerator, "BOTO_SESSION_REGION_NAME", region):
        return translate(ROOT / "template.yaml")


def resources(resource_type: str) -> dict[str, Any]:
    """Return the properties of all resources of a type, by logical id."""
    return {
        name: resource.get("Properties", {})
        for name, resource in template()["Resources"].items()
        if resource["Type"] == resource_type
    }


def created(region: str = "us-east-1", **parameters: str) -> dict[str, Any]:
    """Return the resources, the outputs and the failed rules that CloudFormation sees with these parameters.

    The values of parameters and the results of conditions are in place. References to resources, and texts with
    variables, stay as they are. A resource whose condition is false is not there.
    """
    from samtranslator.translator.arn_generator import ArnGenerator

    source = template(region)
    values = {name: str(row.get("Default", "")) for name, row in source["Parameters"].items()} | parameters
    assert values.keys() == source["Parameters"].keys(), "unknown parameter"
    values["AWS::Partition"] = ArnGenerator.get_partition_name(region)

    def holds(condition: Any) -> bool:
        match condition:
            case str(name) | {"Condition": str(name)}:
                return holds(source["Conditions"][name])
            case {"Fn::Not": [inner]}:
                return not holds(inner)
            case {"Fn::And": inners}:
                return all(holds(inner) for inner in inners)
            case {"Fn::Or": inners}:
                return any(holds(inner) for inner in inners)
            case {"Fn::Equals": [left, right]}:
                return bool(str(value(left)) == str(value(right)))
        raise AssertionError(condition)

    def value(node: Any) -> Any:
        match node:
            case {"Ref": str(name)} if name in values:
                return values[name]
            case {"Fn::If": [condition, then, otherwise]}:
                return value(then if holds(condition) else otherwise)
            case {"Fn::Split": [separator, text]} if isinstance(value(text), str):
                return value(text).split(separator)
            case dict():
                found = {name: value(part) for name, part in node.items()}
                return {name: part for name, part in found.items() if part != _NO_VALUE}
            case list():
                return [part for part in map(value, node) if part != _NO_VALUE]
        return node

    def exists(row: dict[str, Any]) -> bool:
        return "Condition" not in row or holds(row["Condition"])

    return {
        "Resources": {name: value(row) for name, row in source["Resources"].items() if exists(row)},
        "Outputs": {name: value(row) for name, row in source["Outputs"].items() if exists(row)},
        "FailedRules": [
            assertion["AssertDescription"]
            for rule in source["Rules"].values()
            if holds(rule["RuleCondition"])
            for assertion in rule["Assertions"]
            if not holds(assertion["Assert"])
        ],
    }


def statements(function: str) -> list[dict[str, Any]]:
    """Return the policy statements of a function's role, without those that Lambda needs for some parameters."""
    policies = resources("AWS::IAM::Role")[f"{function}Role"]["Policies"]
    (policy,) = (policy for policy in policies if policy["PolicyName"] not in POLICIES_OF_LAMBDA)
    found: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    return found


def granted(function: str) -> set[Grant]:
    """Return what a function's role allows, besides writes to its own log group. Check the form of each statement."""
    found: set[Grant] = set()
    for statement in statements(function):
        actions = {action.partition(":")[2] for action in statement["Action"]}
        condition = statement.get("Condition", {})
        match statement["Resource"]:
            case {"Fn::GetAtt": ["StateTable", "Arn"]}:
                kinds = [pattern.removesuffix("#*") for pattern in _leading_keys(condition)]
                assert all(kind.isalpha() for kind in kinds), kinds
                found |= {("state", action, kind) for action in actions for kind in kinds}
            case {"Fn::Sub": "${StateTable.Arn}/index/sessions-of-user"}:
                assert _leading_keys(condition) == ["HumanUser:*", "ClientUser:*"]  # the key of the index
                found |= {("state", action, INDEX) for action in actions}
            case {"Fn::GetAtt": ["Key", "Arn"]}:
                assert condition.keys() == {"StringEquals"}
                (purposes,) = condition["StringEquals"].values()
                assert condition["StringEquals"] == {"kms:EncryptionContext:purpose": purposes}
                found |= {("key", action, purpose) for action in actions for purpose in purposes}
            case {"Fn::GetAtt": [("BearersTable" | "HashKey") as resource, "Arn"]}:
                assert condition == {}
                found |= {
                    ({"BearersTable": "bearers", "HashKey": "hash key"}[resource], action, "") for action in actions
                }
            case resource:
                assert resource == {"Fn::GetAtt": [f"{function}Logs", "Arn"]}
                assert actions == {"CreateLogStream", "PutLogEvents"}
    return found


def _leading_keys(condition: dict[str, Any]) -> list[str]:
    patterns: list[str] = condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
    assert condition == {
        "ForAllValues:StringLike": {"dynamodb:LeadingKeys": patterns},
        "Null": {"dynamodb:LeadingKeys": "false"},  # `ForAllValues` is also true without keys
    }
    return patterns


def documented(function: str) -> set[Grant]:
    """Return what the table "Roles" of docs/security.md lists for a function."""
    rows = re.findall(
        r"^\| (\w+) \| (.+) \| (.+) \| (.+) \|$", ROLES.read_text().partition("\n## Roles\n")[2], re.MULTILINE
    )
    (cells,) = [cells for name, *cells in rows if name.title().replace("_", "") == function]
    found: set[Grant] = set()
    for resource, cell in zip(("state", "bearers", "key"), cells, strict=True):
        for clause in re.sub(r"\(.*?\)", "", cell).split("; "):
            words = re.findall(r"[\w-]+", clause)
            actions = {VERBS[word] for word in words if word in VERBS}
            others = [word for word in words if word not in VERBS and word not in ("and", "none")]
            if resource == "key" and others == ["hash", "names"]:
                found.add(("hash key", "GenerateMac", ""))
            elif resource == "key":
                found |= {(resource, action, word.removesuffix("s")) for action in actions for word in others}
            else:
                found |= {(resource, action, word) for action in actions for word in others or [""]}
    return found
