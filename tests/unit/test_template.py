"""The translated template: rules that only AWS enforces, and resources that the stack must not touch."""

from __future__ import annotations

import copy
import json
import re
import time
import tomllib

import pytest

from shotgrid_login import __version__
from shotgrid_login.app_session_launcher import POLL_SECONDS
from shotgrid_login.approvals import LEASE_SECONDS
from shotgrid_login.counts import LONGEST_ATTEMPT
from shotgrid_login.site import RESPONSE_SECONDS, USER_SECONDS
from tests.local.stack import ROOT
from tests.support.template import (
    FUNCTIONS,
    documented,
    granted,
    parsed,
    resources,
    statements,
    template,
    translate_source,
)


def test_template_has_only_the_expected_resource_types() -> None:
    types = {resource["Type"] for resource in template()["Resources"].values()}
    assert types == {
        "AWS::ApiGateway::BasePathMapping",
        "AWS::ApiGateway::Deployment",
        "AWS::ApiGateway::DomainName",
        "AWS::ApiGateway::RestApi",
        "AWS::ApiGateway::Stage",
        "AWS::CloudWatch::Alarm",
        "AWS::CloudWatch::Dashboard",
        "AWS::DynamoDB::Table",
        "AWS::Events::Rule",
        "AWS::IAM::Role",
        "AWS::KMS::Key",
        "AWS::Lambda::Function",
        "AWS::Lambda::LayerVersion",
        "AWS::Lambda::Permission",
        "AWS::Logs::LogGroup",
        "AWS::Logs::QueryDefinition",
        "AWS::WAFv2::WebACLAssociation",
    }


def test_resources_have_no_fixed_names_that_could_conflict_with_another_stack() -> None:
    for resource in template()["Resources"].values():
        names = {"FunctionName", "TableName", "RoleName", "LogGroupName", "AliasName"} & resource["Properties"].keys()
        if resource["Type"] != "AWS::Lambda::Permission":
            assert not names


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_has_its_own_role_without_wildcards(function: str) -> None:
    role = resources("AWS::IAM::Role")[f"{function}Role"]
    assert "ManagedPolicyArns" not in role
    assert resources("AWS::Lambda::Function")[f"{function}Function"]["Role"] == {
        "Fn::GetAtt": [f"{function}Role", "Arn"]
    }
    for statement in statements(function):
        assert statement["Effect"] == "Allow"
        assert not any("*" in action for action in statement["Action"])
    assert len(resources("AWS::IAM::Role")) == len(FUNCTIONS) + 1  # and the role for API Gateway


@pytest.mark.parametrize("function", FUNCTIONS)
def test_role_allows_what_the_documentation_lists(function: str) -> None:
    assert granted(function) == documented(function)
    variables = resources("AWS::Lambda::Function")[f"{function}Function"]["Environment"]["Variables"]
    assert ("HASH_KEY_ARN" in variables) == (("hash key", "GenerateMac", "") in granted(function))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_has_the_expected_lambda_settings(function: str) -> None:
    properties = resources("AWS::Lambda::Function")[f"{function}Function"]
    assert properties["Runtime"] == "python3.13"
    assert properties["Architectures"] == ["arm64"]
    assert properties["LoggingConfig"] == {"LogGroup": {"Ref": f"{function}Logs"}}
    assert properties["Timeout"] <= 30


def test_log_groups_stay_when_the_stack_is_deleted_but_not_after_a_failed_first_deployment() -> None:
    groups = [row for row in template()["Resources"].values() if row["Type"] == "AWS::Logs::LogGroup"]
    assert len(groups) == len(FUNCTIONS) + 1  # and the access log
    for group in groups:
        assert (group["DeletionPolicy"], group["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    others = [row for row in template()["Resources"].values() if row["Type"] != "AWS::Logs::LogGroup"]
    assert not any("Retain" in str(row.get("DeletionPolicy")) for row in others)  # nothing else is left behind


def test_tables_are_encrypted_with_the_stack_key_and_delete_expired_rows() -> None:
    tables = resources("AWS::DynamoDB::Table")
    assert tables.keys() == {"StateTable", "BearersTable"}
    for table in tables.values():
        assert table["SSESpecification"] == {
            "SSEEnabled": True,
            "SSEType": "KMS",
            "KMSMasterKeyId": {"Fn::GetAtt": ["Key", "Arn"]},
        }
        assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
        assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert resources("AWS::KMS::Key")["Key"]["EnableKeyRotation"] is True


def test_key_policy_allows_other_principals_only_through_dynamodb() -> None:
    keys = resources("AWS::KMS::Key")
    assert keys.keys() == {"Key", "HashKey"}
    for statement in (statement for key in keys.values() for statement in key["KeyPolicy"]["Statement"]):
        if statement["Principal"] == {"AWS": "*"}:
            assert statement["Condition"] == {
                "StringEquals": {
                    "kms:CallerAccount": {"Ref": "AWS::AccountId"},
                    # The same suffix in every partition, also in China, where hosts end with amazonaws.com.cn.
                    "kms:ViaService": {"Fn::Sub": "dynamodb.${AWS::Region}.amazonaws.com"},
                }
            }
        else:
            assert "root" in json.dumps(statement["Principal"])


def test_api_is_regional_and_has_one_stage() -> None:
    (api,) = resources("AWS::ApiGateway::RestApi").values()
    assert api["EndpointConfiguration"] == {"Types": ["REGIONAL"]}
    (stage,) = resources("AWS::ApiGateway::Stage").values()
    for settings in stage["MethodSettings"]:
        assert "LoggingLevel" not in settings  # LoggingLevel needs an account-wide role for logs


def test_only_the_session_route_requires_a_bearer() -> None:
    (api,) = resources("AWS::ApiGateway::RestApi").values()
    routes = {
        f"{method.upper()} {path}": operation.get("security")
        for path, methods in api["Body"]["paths"].items()
        for method, operation in methods.items()
    }
    assert routes == {
        "GET /auth/password": None,
        "POST /auth/password": None,
        "OPTIONS /auth/password": None,
        "GET /auth/otp": None,
        "POST /auth/otp": None,
        "OPTIONS /auth/otp": None,
        "GET /auth/methods": None,
        "OPTIONS /auth/methods": None,
        "GET /auth/browser": None,
        "POST /auth/browser": None,
        "OPTIONS /auth/browser": None,
        "GET /auth/approval": None,
        "POST /auth/approval": None,
        "OPTIONS /auth/approval": None,
        "POST /auth/refresh": None,
        "OPTIONS /auth/refresh": None,
        "POST /api/v1/auth/access_token": None,
        "OPTIONS /api/v1/auth/access_token": None,
        "POST /api/v1.1/auth/access_token": None,
        "OPTIONS /api/v1.1/auth/access_token": None,
        "POST /auth/logout": None,
        "OPTIONS /auth/logout": None,
        "GET /auth/session": [{"ShotGridBearer": []}],
        "OPTIONS /auth/session": None,
        "GET /": None,
        "GET /{file}": None,
        "GET /example/{file+}": None,
    }
    authorizer = api["Body"]["components"]["securitySchemes"]["ShotGridBearer"]["x-amazon-apigateway-authorizer"]
    assert authorizer["authorizerResultTtlInSeconds"] == 0
    assert authorizer["type"] == "request"


def test_pages_can_read_the_responses_that_api_gateway_creates() -> None:
    (api,) = resources("AWS::ApiGateway::RestApi").values()
    responses = api["Body"]["x-amazon-apigateway-gateway-responses"]
    codes = {}
    for response_type, response in responses.items():
        headers = {name.rpartition(".")[2].lower(): value for name, value in response["responseParameters"].items()}
        assert headers["access-control-allow-origin"] == "method.request.header.origin"
        assert headers["access-control-allow-credentials"] == "'true'"
        assert headers["vary"] == "'Origin'"
        assert headers["cache-control"] == "'no-store'"
        assert headers["x-request-id"] == "context.requestId"
        assert headers["strict-transport-security"] == "'max-age=31536000'"
        assert headers["x-content-type-options"] == "'nosniff'"
        assert headers["referrer-policy"] == "'no-referrer'"
        assert headers["content-security-policy"] == "'default-src 'none'; frame-ancestors 'none''"
        (body,) = response["responseTemplates"].values()
        problem = json.loads(body.replace("$context.requestId", "id"))
        assert problem.keys() >= {"code", "title", "detail", "request_id"}
        assert str(problem.get("status")) == str(response.get("statusCode"))
        codes[response_type] = (problem.get("status"), problem["code"])
    assert codes == {
        "UNAUTHORIZED": (401, "invalid_token"),
        "ACCESS_DENIED": (403, "access_denied"),
        "MISSING_AUTHENTICATION_TOKEN": (404, "not_found"),
        "INVALID_SIGNATURE": (404, "not_found"),
        "EXPIRED_TOKEN": (404, "not_found"),
        "RESOURCE_NOT_FOUND": (404, "not_found"),
        "THROTTLED": (429, "too_many_requests"),
        "DEFAULT_4XX": (None, "bad_request"),
        "DEFAULT_5XX": (None, "gateway_error"),
    }


def test_other_apis_can_call_the_authorizer_only_if_authorizer_apis_names_them() -> None:
    permissions = resources("AWS::Lambda::Permission")
    names = [name for name in permissions if name.startswith("AuthorizerPermission")]
    assert len(names) == 5  # the maximum number of entries in AuthorizerApis
    for name in names:
        permission = permissions[name]
        assert template()["Resources"][name]["Condition"] == "HasAuthorizerApis"
        assert permission["FunctionName"] == {"Ref": "AuthorizerFunction"}
        assert permission["Principal"] == "apigateway.amazonaws.com"
        assert permission["SourceArn"]["Fn::Sub"][0].endswith(":${NamedApi}/authorizers/*")
    own_api = permissions["ApiShotGridBearerAuthorizerPermission"]
    assert own_api["SourceArn"]["Fn::Sub"][1] == {"__ApiId__": {"Ref": "Api"}}


def test_invoke_role_can_call_only_the_authorizer_and_only_if_apis_are_named() -> None:
    role = resources("AWS::IAM::Role")["AuthorizerInvokeRole"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "apigateway.amazonaws.com"}
    assert trust["Condition"].keys() == {"ArnLikeIfExists"}
    condition, _, no_api = trust["Condition"]["ArnLikeIfExists"]["aws:SourceArn"]["Fn::If"]
    assert condition == "HasAuthorizerApis"
    assert no_api["Fn::Sub"].endswith(":none/*")
    condition, (policy,), otherwise = role["Policies"]["Fn::If"]
    assert (condition, otherwise) == ("HasAuthorizerApis", {"Ref": "AWS::NoValue"})
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Action"] == "lambda:InvokeFunction"
    assert statement["Resource"] == {"Fn::GetAtt": ["AuthorizerFunction", "Arn"]}


def test_authorizer_is_exported_for_other_stacks() -> None:
    exports = {name: output["Export"]["Name"] for name, output in template()["Outputs"].items() if "Export" in output}
    assert exports == {
        "AuthorizerArn": {"Fn::Sub": "${AWS::StackName}-AuthorizerArn"},
        "AuthorizerInvokeRoleArn": {"Fn::Sub": "${AWS::StackName}-AuthorizerInvokeRoleArn"},
    }


@pytest.mark.parametrize(
    ("path", "function"), [("template.yaml", "PagesFunction"), ("docs/examples/rest_api.yaml", "Function")]
)
def test_api_gets_a_new_deployment_with_each_deploy(path: str, function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a new deployment, a stage ignores new values of parameters, and settings outside of the routes."""
    source = parsed(ROOT / path)
    # The API with the routes of one function: it takes a fraction of the time of the whole template.
    source["Resources"] = {name: source["Resources"][name] for name in ("Api", function)}
    source.pop("Outputs")

    def deployment() -> str:
        translated = translate_source(copy.deepcopy(source), {})["Resources"]
        stages, deployments = (
            {
                name: resource["Properties"]
                for name, resource in translated.items()
                if resource["Type"] == f"AWS::ApiGateway::{kind}"
            }
            for kind in ("Stage", "Deployment")
        )
        (stage,), (name,) = stages.values(), deployments
        assert stage["DeploymentId"] == {"Ref": name}
        return str(name)

    monkeypatch.setattr(time, "time", lambda: 4_000_000_000.0)
    before = deployment()
    monkeypatch.setattr(time, "time", lambda: 4_000_000_001.0)
    assert deployment() != before


def test_output_has_the_version_of_the_code() -> None:
    assert template()["Outputs"]["Version"]["Value"] == __version__


def test_every_parameter_has_a_description_a_limit_and_a_safe_default() -> None:
    for name, parameter in template()["Parameters"].items():
        assert parameter["Description"]
        assert ("Default" in parameter) == (name != "ShotGridSiteUrl")
        if "AllowedPattern" in parameter:
            assert parameter["ConstraintDescription"]
        else:
            assert "MinValue" in parameter or "AllowedValues" in parameter


@pytest.mark.parametrize(
    ("parameter", "valid", "invalid"),
    [
        (
            "ShotGridSiteUrl",
            [
                "https://studio.shotgrid.autodesk.com",
                "https://site.example:8443/",
                "http://localhost:8001",
                "HTTPS://Studio.ShotGrid.com:443/",
            ],
            [
                "http://studio.shotgrid.autodesk.com",
                "https://a.example/path",
                "ftp://a",
                "https://",
                "http://localhost.a",
            ],
        ),
        (
            "AllowedOrigins",
            ["", "https://a.example", "https://a.example,https://b.example:8443", "http://pages.login.localhost:8002"],
            [
                "*",
                "null",
                "https://a.example/",
                "https://a.example, https://b.example",
                "http://a.example",
                "https://A.b",
            ],
        ),
        ("DomainName", ["", "login.studio.com"], ["login", "https://login.studio.com", "login.studio.com/", "a b.c"]),
        (
            "CertificateArn",
            ["", "arn:aws:acm:eu-west-1:123456789012:certificate/0a-1b"],
            ["arn:aws:iam::123456789012:server-certificate/a", "certificate"],
        ),
    ],
)
def test_parameter_pattern_accepts_valid_values_and_rejects_invalid_values(
    parameter: str, valid: list[str], invalid: list[str]
) -> None:
    pattern = template()["Parameters"][parameter]["AllowedPattern"]
    assert [value for value in valid if not re.fullmatch(pattern, value)] == []
    assert [value for value in invalid if re.fullmatch(pattern, value)] == []


def test_samconfig_provides_the_settings_for_a_plain_sam_deploy() -> None:
    settings = tomllib.loads((ROOT / "samconfig.toml").read_text())["default"]
    assert settings["global"]["parameters"]["stack_name"]
    assert settings["deploy"]["parameters"]["capabilities"] == "CAPABILITY_IAM"
    assert settings["deploy"]["parameters"]["resolve_s3"] is True


def test_function_that_polls_stops_before_its_lease_expires() -> None:
    timeout = resources("AWS::Lambda::Function")["ApprovalFunction"]["Timeout"]
    assert POLL_SECONDS + RESPONSE_SECONDS + USER_SECONDS <= timeout < LEASE_SECONDS


@pytest.mark.parametrize("function", ["Password", "Otp", "AccessToken"])
def test_function_that_signs_in_stops_before_its_attempt_counts_as_failed(function: str) -> None:
    assert resources("AWS::Lambda::Function")[f"{function}Function"]["Timeout"] <= LONGEST_ATTEMPT
