"""The translated template with the parameters for managed accounts and private networks, and in other partitions.

The emulator neither places functions in subnets nor enforces boundaries, web ACLs and disabled endpoints.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any

import pytest
from ministack.core.iam_evaluator import EvalContext, evaluate_resource_policy

from tests.local.stack import ROOT
from tests.support.docs import blocks, section
from tests.support.template import FUNCTIONS, created, template

BOUNDARY = "arn:aws:iam::123456789012:policy/studio/boundary"
WEB_ACL = "arn:aws:wafv2:eu-west-1:123456789012:regional/webacl/studio/0a1b2c3d-0000-1111-2222-333344445555"
SITE_CA = "arn:aws:lambda:eu-west-1:123456789012:layer:site-ca:3"
NETWORKS = ["203.0.113.0/24", "2001:db8::/32"]
SUBNETS, GROUPS = ["subnet-0123456789abcdef0", "subnet-1123456789abcdef0"], ["sg-0123456789abcdef0"]
IN_SUBNETS = {"SubnetIds": ",".join(SUBNETS), "SecurityGroupIds": ",".join(GROUPS)}

# Calls of EC2 with which Lambda places a function in subnets (AWS documentation: Giving Lambda functions access to
# resources in an Amazon VPC).
NETWORK_INTERFACES = {
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
}


def of_type(resource_type: str, **parameters: str) -> dict[str, Any]:
    """Return the properties of the resources of a type that CloudFormation creates with these parameters, by id."""
    rows = created(**parameters)["Resources"].items()
    return {name: row["Properties"] for name, row in rows if row["Type"] == f"AWS::{resource_type}"}


def statements_of(role: dict[str, Any]) -> list[dict[str, Any]]:
    return [statement for policy in role.get("Policies", ()) for statement in policy["PolicyDocument"]["Statement"]]


def as_list(actions: str | list[str]) -> list[str]:
    return [actions] if isinstance(actions, str) else actions


def endpoint_is_disabled(**parameters: str) -> Any:
    (api,) = of_type("ApiGateway::RestApi", **parameters).values()
    # OpenAPI 3 has it in the server (AWS documentation: x-amazon-apigateway-endpoint-configuration object).
    (server,) = api["Body"]["servers"]
    return server["x-amazon-apigateway-endpoint-configuration"]["disableExecuteApiEndpoint"]


def test_every_role_has_the_permissions_boundary() -> None:
    assert len(of_type("IAM::Role")) == len(FUNCTIONS) + 1  # and the role for API Gateway
    assert {role.get("PermissionsBoundary") for role in of_type("IAM::Role").values()} == {None}
    with_boundary = of_type("IAM::Role", PermissionsBoundary=BOUNDARY)
    assert {role.get("PermissionsBoundary") for role in with_boundary.values()} == {BOUNDARY}


def test_documented_boundary_allows_what_the_roles_and_dynamodb_need() -> None:
    (documented,) = (json.loads(found.text) for found in blocks("json") if "ec2:CreateNetworkInterface" in found.text)
    roles = of_type("IAM::Role", AuthorizerApis="123456789012:*").values()
    needed = [action for role in roles for statement in statements_of(role) for action in as_list(statement["Action"])]
    _, for_tables = of_type("KMS::Key")["Key"]["KeyPolicy"]["Statement"]
    (statement,) = documented["Statement"]
    assert set(statement["Action"]) == {*needed, *for_tables["Action"]}


def test_api_denies_callers_outside_of_the_allowed_networks() -> None:
    (api,) = of_type("ApiGateway::RestApi", AllowedNetworks=",".join(NETWORKS)).values()
    everything = {"Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}
    assert api["Policy"] == {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", **everything},
            {"Effect": "Deny", **everything, "Condition": {"NotIpAddress": {"aws:SourceIp": NETWORKS}}},
        ],
    }


@pytest.mark.parametrize(
    ("address", "decision"),
    [("203.0.113.9", "Allow"), ("2001:db8::9", "Allow"), ("198.51.100.1", "Deny"), ("2001:db9::1", "Deny")],
)
def test_policy_of_the_api_decides_by_the_address_of_the_caller(address: str, decision: str) -> None:
    (api,) = of_type("ApiGateway::RestApi", AllowedNetworks=",".join(NETWORKS)).values()
    resource = "arn:aws:execute-api:us-east-1:123456789012:abcdef1234/v1/POST/auth/otp"
    # API Gateway completes a resource that begins with `execute-api:/`.
    policy = json.dumps(api["Policy"]).replace("execute-api:/", resource.partition("v1/")[0])
    call = EvalContext("*", "Anonymous", "", "execute-api:Invoke", resource, "us-east-1", source_ip=address)
    assert evaluate_resource_policy(policy, call).decision == decision


def test_api_without_allowed_networks_removes_an_earlier_policy() -> None:
    (api,) = of_type("ApiGateway::RestApi").values()
    assert api["Policy"] == ""  # CloudFormation could keep the policy if the property were missing


def test_networks_of_ipv6_match_no_caller_and_the_security_guide_says_so() -> None:
    """The default is IPv4 only (AWS documentation: IP address types for REST APIs in API Gateway)."""
    domain = {"DomainName": "login.studio.com", "CertificateArn": "arn:aws:acm:eu-west-1:123456789012:certificate/0"}
    for resource_type in ("ApiGateway::RestApi", "ApiGateway::DomainName"):
        (properties,) = of_type(resource_type, **domain).values()
        assert properties["EndpointConfiguration"] == {"Types": ["REGIONAL"]}
    assert "networks of IPv6 match no caller" in section(ROOT / "docs" / "security.md", "Limit the networks")


def test_web_acl_is_associated_with_the_stage() -> None:
    assert of_type("WAFv2::WebACLAssociation") == {}
    (stage,) = of_type("ApiGateway::Stage")
    (association,) = of_type("WAFv2::WebACLAssociation", WebAclArn=WEB_ACL).values()
    assert association["WebACLArn"] == WEB_ACL
    assert association["ResourceArn"] == {
        "Fn::Sub": f"arn:${{AWS::Partition}}:apigateway:${{AWS::Region}}::/restapis/${{Api}}/stages/${{{stage}}}"
    }


def test_endpoint_of_api_gateway_is_disabled_only_with_the_parameter_and_a_domain() -> None:
    domain = {"DomainName": "login.studio.com", "CertificateArn": "arn:aws:acm:eu-west-1:123456789012:certificate/0"}
    assert endpoint_is_disabled() is False  # said explicitly, so that it can be enabled again
    assert endpoint_is_disabled(DisableExecuteApiEndpoint="true", **domain) is True
    assert created(DisableExecuteApiEndpoint="true", **domain)["FailedRules"] == []
    assert created(DisableExecuteApiEndpoint="true")["FailedRules"] == ["DisableExecuteApiEndpoint needs DomainName"]


def test_outputs_have_the_target_and_the_hosted_zone_of_the_domain() -> None:
    parameters = {"DomainName": "login.studio.com", "CertificateArn": "arn:aws:acm:eu-west-1:1:certificate/0"}
    outputs = created(**parameters)["Outputs"]
    assert outputs["DomainTarget"]["Value"] == {"Fn::GetAtt": ["Domain", "RegionalDomainName"]}
    assert outputs["RegionalHostedZoneId"]["Value"] == {"Fn::GetAtt": ["Domain", "RegionalHostedZoneId"]}
    assert not {"DomainTarget", "RegionalHostedZoneId"} & created()["Outputs"].keys()


def calls_site(function: str) -> bool:
    """Whether a function makes a `Site`, itself or in `gateway`."""
    gateway = (ROOT / "layers" / "shotgrid_login" / "shotgrid_login" / "gateway.py").read_text()
    makers = [
        node.name
        for node in ast.parse(gateway).body
        if isinstance(node, ast.FunctionDef) and "_site()" in ast.unparse(node)
    ]
    folder = re.sub(r"(?<!^)(?=[A-Z])", "_", function).lower()
    text = (ROOT / "functions" / folder / "app.py").read_text()
    return any(f"{maker}(" in text for maker in ("Site", *(f"gateway.{name}" for name in makers)))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_only_functions_that_call_the_site_are_in_the_subnets(function: str) -> None:
    configuration = of_type("Lambda::Function", **IN_SUBNETS)[f"{function}Function"].get("VpcConfig")
    assert configuration == ({"SubnetIds": SUBNETS, "SecurityGroupIds": GROUPS} if calls_site(function) else None)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_lambda_can_use_network_interfaces_before_and_after_the_function_is_in_subnets(function: str) -> None:
    of_network = [
        statement
        for statement in statements_of(of_type("IAM::Role")[f"{function}Role"])
        if any(action.startswith("ec2:") for action in statement["Action"])
    ]
    if not calls_site(function):
        assert of_network == []
        return
    (statement,) = of_network
    assert set(statement["Action"]) == NETWORK_INTERFACES
    # Lambda itself makes these calls. The code of the function can make none of them.
    assert statement["Condition"] == {"Null": {"lambda:SourceFunctionArn": "true"}}


def test_no_function_is_in_a_vpc_by_default() -> None:
    assert not any("VpcConfig" in function for function in of_type("Lambda::Function").values())


@pytest.mark.parametrize("parameters", [IN_SUBNETS, {"Tracing": "on"}])
def test_parameter_of_lambda_changes_no_role(parameters: dict[str, str]) -> None:
    """IAM would need some seconds until a new permission has an effect, and Lambda checks it in the same update."""
    assert of_type("IAM::Role", **parameters) == of_type("IAM::Role")


def test_roles_of_functions_have_no_conditional_policies() -> None:
    """Besides the reason above: Checkov checks no policy that has a condition inside, and does not report this."""
    for name, resource in template()["Resources"].items():
        if resource["Type"] == "AWS::IAM::Role" and name != "AuthorizerInvokeRole":
            assert "Fn::If" not in json.dumps(resource["Properties"]["Policies"])


@pytest.mark.parametrize(
    ("parameters", "failed"),
    [
        ({"SubnetIds": SUBNETS[0]}, ["SubnetIds needs SecurityGroupIds"]),
        ({"SecurityGroupIds": GROUPS[0]}, ["SecurityGroupIds needs SubnetIds"]),
        ({"SubnetIds": SUBNETS[0], "SecurityGroupIds": GROUPS[0]}, []),
        ({"DomainName": "login.studio.com"}, ["DomainName needs CertificateArn"]),
        ({"AuthorizerRules": "abcdef1234=Artist;"}, ["AuthorizerRules needs AuthorizerApis"]),
        ({}, []),
    ],
)
def test_parameter_that_needs_another_one_fails_without_it(parameters: dict[str, str], failed: list[str]) -> None:
    assert created(**parameters)["FailedRules"] == failed


def test_layer_of_the_site_ca_cannot_replace_a_file_of_our_layers() -> None:
    """Lambda extracts layers in their order (AWS documentation: Adding layers to functions): ours are the last ones."""
    without = of_type("Lambda::Function")
    for name, function in of_type("Lambda::Function", SiteCaLayerArn=SITE_CA).items():
        assert function["Layers"] == [SITE_CA, *without[name]["Layers"]]
        assert function["Environment"]["Variables"]["SITE_CA_BUNDLE"] == "/opt/site-ca.pem"
        assert SITE_CA not in without[name]["Layers"]
        assert "SITE_CA_BUNDLE" not in without[name]["Environment"]["Variables"]


@pytest.mark.parametrize(
    ("parameter", "valid", "invalid"),
    [
        (
            "PermissionsBoundary",
            ["", BOUNDARY, "arn:aws-cn:iam::aws:policy/PowerUserAccess"],
            ["boundary", "arn:aws:iam::123456789012:role/boundary", f"{BOUNDARY} "],
        ),
        ("AllowedNetworks", ["", ",".join(NETWORKS)], ["203.0.113.7", ", ".join(NETWORKS), "203.0.113.0/33", "*"]),
        (
            "WebAclArn",
            ["", WEB_ACL, WEB_ACL.replace("arn:aws:", "arn:aws-us-gov:")],
            [WEB_ACL.replace("regional", "global"), "arn:aws:waf-regional:eu-west-1:123456789012:webacl/0a1b"],
        ),
        ("SubnetIds", ["", ",".join(SUBNETS)], [", ".join(SUBNETS), "vpc-0123456789abcdef0", ",".join(SUBNETS * 9)]),
        ("SecurityGroupIds", ["", *GROUPS], ["default", ",".join(GROUPS * 6)]),
        ("SiteCaLayerArn", ["", SITE_CA], [SITE_CA.removesuffix(":3"), "/opt/site-ca.pem"]),
    ],
)
def test_parameter_pattern_accepts_valid_values_and_rejects_invalid_values(
    parameter: str, valid: list[str], invalid: list[str]
) -> None:
    pattern = template()["Parameters"][parameter]["AllowedPattern"]
    assert [value for value in valid if not re.fullmatch(pattern, value)] == []
    assert [value for value in invalid if re.fullmatch(pattern, value)] == []


@pytest.mark.parametrize(
    ("region", "partition"), [("us-east-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
)
def test_every_arn_is_in_the_partition_of_the_region(region: str, partition: str) -> None:
    text = json.dumps(created(region))
    found = set(re.findall(r"arn:(\$\{AWS::Partition\}|[^:]*):", text))
    assert found == {partition, "${AWS::Partition}"}
    # Addresses end differently in China. Names of services do not (AWS documentation: IAM JSON policy elements).
    services = {"lambda.amazonaws.com", "apigateway.amazonaws.com"}
    assert set(re.findall(r"[\w.${}:-]+\.amazonaws\.com[\w.]*", text)) - services <= {
        "dynamodb.${AWS::Region}.amazonaws.com"
    }
    for output in ("Url", "ExampleUrl"):
        assert "${AWS::URLSuffix}" in json.dumps(created(region)["Outputs"][output])
