"""The translated template, and what the role of each function allows."""

from __future__ import annotations

import os
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

# The kinds of rows in the state table that each role can use, with the DynamoDB actions.
ROWS = {
    "Password": {
        "failed": {"PutItem", "UpdateItem", "DeleteItem"},
        "challenge": {"PutItem"},
        "session": {"PutItem"},
    },
    "Otp": {
        "failed": {"PutItem", "UpdateItem", "DeleteItem"},
        "challenge": {"UpdateItem"},
        "session": {"PutItem"},
    },
    "Refresh": {"session": {"GetItem", "PutItem", "UpdateItem", "DeleteItem"}, "retired": {"GetItem", "PutItem"}},
    "AccessToken": {
        "failed": {"PutItem", "UpdateItem", "DeleteItem"},
        "session": {"GetItem", "PutItem", "UpdateItem", "DeleteItem"},
        "retired": {"GetItem", "PutItem"},
    },
    "Logout": {"session": {"GetItem", "DeleteItem"}, "retired": {"GetItem"}},
    "Session": {"session": {"GetItem"}},
    "Methods": {},
    "Browser": {"start": {"PutItem", "UpdateItem"}, "approval": {"PutItem"}},
    "Approval": {
        "start": {"UpdateItem"},
        "approval": {"UpdateItem", "DeleteItem"},
        "session": {"GetItem", "PutItem"},
    },
    "Pages": {},
    "Authorizer": {},
}

# The KMS actions that each role can use, with the purpose in the encryption context.
SEALS = {
    "Password": {("Encrypt", "challenge"), ("Encrypt", "session")},
    "Otp": {("Decrypt", "challenge"), ("Encrypt", "session")},
    "Refresh": {("Encrypt", "session"), ("Decrypt", "session")},
    "AccessToken": {("Encrypt", "session"), ("Decrypt", "session")},
    "Logout": set[tuple[str, str]](),
    "Session": set[tuple[str, str]](),
    "Methods": set[tuple[str, str]](),
    "Browser": {("Encrypt", "approval")},
    "Approval": {("Decrypt", "approval"), ("Encrypt", "approval"), ("Encrypt", "session")},
    "Pages": set[tuple[str, str]](),
    "Authorizer": set[tuple[str, str]](),
}

# The functions that hash user names and networks with the hash key.
HASHES = {"Password", "Otp", "AccessToken", "Browser", "Approval"}


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
