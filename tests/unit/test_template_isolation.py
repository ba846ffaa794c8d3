"""The translated template touches nothing of another stack, and its functions leave room for others in the account.

tests/end_to_end/test_webhook_next_door.py shows the same with a running stack, as far as the emulator enforces it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.template import FUNCTIONS, POLICIES_OF_LAMBDA, created, granted, resources, statements, template

OWN = "<own>"  # stands for a resource of this template in an ARN
ARN = r"arn:(?:aws|\$\{AWS::Partition\})"  # SAM writes the partition of some ARNs as a constant
REGION_OF_STACK = r"\$\{AWS::Region\}"
ACCOUNT_OF_STACK = r"\$\{AWS::AccountId\}"


def _nodes(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Return every part of a template with its path."""
    yield path, node
    parts = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, part in parts:
        yield from _nodes(part, (*path, str(name)))


def _referenced(reference: Any) -> str:
    """Return the resource or parameter that a `Ref` or `Fn::GetAtt` names, "" for anything else."""
    match reference:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]}:
            return name
    return ""


def _with_own_names(text: str, variables: dict[str, Any]) -> str:
    """Replace the variables of an `Fn::Sub` that are resources of this template with `OWN`."""

    def replacement(match: re.Match[str]) -> str:
        reference = variables.get(match[1], {"Ref": match[1].partition(".")[0]})
        return OWN if _referenced(reference) in template()["Resources"] else match[0]

    return re.sub(r"\$\{([^}]+)\}", replacement, text)


def test_template_imports_nothing_from_another_stack_or_store() -> None:
    for path, node in _nodes(template()):
        assert "Fn::ImportValue" not in path
        assert "Fn::Transform" not in path
        assert not (isinstance(node, str) and "{{resolve:" in node), path
    for name, parameter in template()["Parameters"].items():
        assert parameter["Type"] in ("String", "Number"), name  # not a type that CloudFormation looks up


def test_every_reference_names_a_resource_or_parameter_of_this_template() -> None:
    named = template()["Resources"].keys() | template()["Parameters"].keys()
    for path, node in _nodes(template()["Resources"]):
        if path[-1:] == ("Ref",):
            assert node in named or node.startswith("AWS::"), path
        if path[-1:] == ("Fn::GetAtt",):
            assert node[0] in template()["Resources"], path


def test_certificate_parameter_is_used_only_by_the_domain() -> None:
    uses = {path[:-1] for path, node in _nodes(template()["Resources"]) if node == "CertificateArn"}
    assert uses == {("Domain", "Properties", "RegionalCertificateArn")}


# ARNs of the APIs in the parameter `AuthorizerApis`. These APIs are allowed to call the authorizer.
NAMED_APIS = {
    "arn:${AWS::Partition}:execute-api:${AWS::Region}:${NamedApi}/authorizers/*",
    "arn:*:execute-api:*:${NamedApis}/*",
    "/*,arn:*:execute-api:*:",  # joins the ARNs
    "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:none/*",
}
AUTHORIZER_PERMISSIONS = {"AuthorizerInvokeRole", *(f"AuthorizerPermission{number}" for number in range(1, 6))}


def test_every_arn_names_a_resource_of_this_stack() -> None:
    found = set()
    for path, node in _nodes(template()["Resources"]):
        if isinstance(node, str) and node in NAMED_APIS:
            assert path[0] in AUTHORIZER_PERMISSIONS, path
            continue
        if isinstance(node, str) and "arn:" in node and "KeyPolicy" not in path:
            assert "Fn::Sub" in path, (path, node)
            substituted = path[: path.index("Fn::Sub") + 1]
            variables: Any = template()["Resources"]
            for step in substituted:
                variables = variables[int(step) if isinstance(variables, list) else step]
            text = _with_own_names(node, variables[1] if isinstance(variables, list) else {})
            of_this_stack = re.fullmatch(
                rf"{ARN}:execute-api:{REGION_OF_STACK}:{ACCOUNT_OF_STACK}:{OWN}/.+"
                rf"|{ARN}:apigateway:{REGION_OF_STACK}:lambda:path/2015-03-31/functions/{OWN}/invocations"
                rf"|{ARN}:apigateway:{REGION_OF_STACK}::/restapis/{OWN}/stages/{OWN}",
                text,
            )
            assert of_this_stack, (path, node)
            found.add(text.replace("AWS::", "").split(":")[2])
    assert found == {"execute-api", "apigateway"}
    assert not re.search(r"\b[0-9]{12}\b", json.dumps(template()["Resources"]))  # no account ids


@pytest.mark.parametrize("function", FUNCTIONS)
def test_role_is_only_for_lambda_and_lists_allowed_actions_and_resources(function: str) -> None:
    trust = resources("AWS::IAM::Role")[f"{function}Role"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust == [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]
    for statement in statements(function):
        assert statement.keys() <= {"Sid", "Effect", "Action", "Resource", "Condition"}  # not NotAction or NotResource
    granted(function)  # fails if a statement names another resource than a table, a key or the function's log group


def test_wildcard_resource_is_only_in_the_policies_of_the_keys() -> None:
    """In a key policy, `*` means the key itself. Other tests check the policies for `SubnetIds` and `Tracing`."""
    of_lambda = {
        path
        for path, node in _nodes(template()["Resources"])
        if isinstance(node, dict) and node.get("PolicyName") in POLICIES_OF_LAMBDA
    }
    wildcards = {
        path[:3]
        for path, node in _nodes(template()["Resources"])
        if path[-1:] == ("Resource",) and node == "*" and path[:4] not in of_lambda
    }
    assert wildcards == {(key, "Properties", "KeyPolicy") for key in ("Key", "HashKey")}
    keys = resources("AWS::KMS::Key")
    principals = {
        name: [statement["Principal"]["AWS"] for statement in key["KeyPolicy"]["Statement"]]
        for name, key in keys.items()
    }
    root = {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}
    assert principals == {"Key": [root, "*"], "HashKey": [root]}
    # The condition limits the principal `*` to this account. Neither statement allows another account.
    condition = keys["Key"]["KeyPolicy"]["Statement"][1]["Condition"]["StringEquals"]
    assert condition["kms:CallerAccount"] == {"Ref": "AWS::AccountId"}


def test_function_uses_only_layers_and_settings_of_this_stack_by_default() -> None:
    created_resources = created()["Resources"]
    layers = resources("AWS::Lambda::LayerVersion").keys()
    for name in resources("AWS::Lambda::Function"):
        function = created_resources[name]["Properties"]
        assert all(_referenced(layer) in layers for layer in function["Layers"])
        foreign = {"VpcConfig", "FileSystemConfigs", "DeadLetterConfig", "CodeSigningConfigArn", "KmsKeyArn"}
        assert not foreign & function.keys()


def test_only_the_api_and_the_schedule_of_this_stack_and_named_apis_are_allowed_to_call_functions() -> None:
    for name, permission in resources("AWS::Lambda::Permission").items():
        assert _referenced(permission["FunctionName"]) in resources("AWS::Lambda::Function"), name
        if name.startswith("KeepWarm"):
            assert permission["Principal"] == "events.amazonaws.com", name
            assert permission["SourceArn"] == {"Fn::GetAtt": ["KeepWarmRule", "Arn"]}, name
            continue
        assert permission["Principal"] == "apigateway.amazonaws.com", name
        if name in AUTHORIZER_PERMISSIONS:
            assert _referenced(permission["FunctionName"]) == "AuthorizerFunction"
            assert permission["SourceArn"]["Fn::Sub"][0] in NAMED_APIS
            continue
        substituted = permission["SourceArn"]["Fn::Sub"]
        text, variables = substituted if isinstance(substituted, list) else (substituted, {"__ApiId__": None})
        assert re.match(rf"{ARN}:execute-api:{REGION_OF_STACK}:{ACCOUNT_OF_STACK}:\$\{{__ApiId__\}}/", text), name
        assert variables["__ApiId__"] == {"Ref": "Api"}, name


def test_template_reserves_no_concurrency_by_default() -> None:
    for parameter in ("ReservedConcurrency", "AuthorizerReservedConcurrency"):
        assert template()["Parameters"][parameter]["Default"] == 0


def test_exported_names_contain_the_name_of_the_stack() -> None:
    """Exported names are unique in an account. Another stack could already use a fixed name."""
    for name, output in template()["Outputs"].items():
        assert "${AWS::StackName}" in json.dumps(output.get("Export", "${AWS::StackName}")), name
