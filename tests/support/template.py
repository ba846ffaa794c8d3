"""The translated template, and what the role of each function allows."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import Any

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

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


class _NoManagedPolicies:
    def load(self) -> dict[str, str]:
        return {}


def translate(path: Path) -> dict[str, Any]:
    """Translate a SAM template to the CloudFormation template that is deployed, without uploading code."""
    os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
    source = yaml_parse(path.read_text())
    for resource in source["Resources"].values():
        for code in ("CodeUri", "ContentUri"):
            if code in resource["Properties"]:
                resource["Properties"][code] = "s3://bucket/key"
    translated: dict[str, Any] = transform(source, {}, _NoManagedPolicies())
    return translated


@cache
def template() -> dict[str, Any]:
    """Return the gateway's template as CloudFormation receives it."""
    return translate(ROOT / "template.yaml")


def resources(resource_type: str) -> dict[str, Any]:
    """Return the properties of all resources of a type, by logical id."""
    return {
        name: resource.get("Properties", {})
        for name, resource in template()["Resources"].items()
        if resource["Type"] == resource_type
    }


def statements(function: str) -> list[dict[str, Any]]:
    """Return the policy statements of a function's role."""
    (policy,) = resources("AWS::IAM::Role")[f"{function}Role"]["Policies"]
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
