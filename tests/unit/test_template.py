"""The translated template: what only AWS can enforce, and what the stack must never touch."""

from __future__ import annotations

import json
import re
import time
import tomllib

import pytest

from tests.local.stack import ROOT
from tests.support.template import FUNCTIONS, ROWS, SEALS, resources, statements, template, translate


def test_every_kind_of_resource_is_the_stacks_own() -> None:
    kinds = {resource["Type"] for resource in template()["Resources"].values()}
    assert kinds == {
        "AWS::ApiGateway::BasePathMapping",
        "AWS::ApiGateway::Deployment",
        "AWS::ApiGateway::DomainName",
        "AWS::ApiGateway::RestApi",
        "AWS::ApiGateway::Stage",
        "AWS::DynamoDB::Table",
        "AWS::IAM::Role",
        "AWS::KMS::Key",
        "AWS::Lambda::Function",
        "AWS::Lambda::LayerVersion",
        "AWS::Lambda::Permission",
        "AWS::Logs::LogGroup",
    }


def test_nothing_has_a_fixed_name_that_another_stack_could_have() -> None:
    for resource in template()["Resources"].values():
        names = {"FunctionName", "TableName", "RoleName", "LogGroupName", "AliasName"} & resource["Properties"].keys()
        if resource["Type"] != "AWS::Lambda::Permission":
            assert not names


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_has_a_role_of_its_own_without_wildcards(function: str) -> None:
    role = resources("AWS::IAM::Role")[f"{function}Role"]
    assert "ManagedPolicyArns" not in role
    assert "PermissionsBoundary" not in role
    assert resources("AWS::Lambda::Function")[f"{function}Function"]["Role"] == {
        "Fn::GetAtt": [f"{function}Role", "Arn"]
    }
    for statement in statements(function):
        assert statement["Effect"] == "Allow"
        assert statement["Resource"].keys() == {"Fn::GetAtt"}
        assert not any("*" in action for action in statement["Action"])
    assert len(resources("AWS::IAM::Role")) == len(FUNCTIONS) + 1  # and the one for API Gateway


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_role_reaches_only_the_rows_it_needs(function: str) -> None:
    found: dict[str, set[str]] = {}
    for statement in statements(function):
        if statement["Resource"] == {"Fn::GetAtt": ["StateTable", "Arn"]}:
            assert statement["Condition"].keys() == {"ForAllValues:StringLike"}
            for pattern in statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]:
                assert pattern.endswith("#*")
                actions = {action.removeprefix("dynamodb:") for action in statement["Action"]}
                found.setdefault(pattern.removesuffix("#*"), set()).update(actions)
    assert found == ROWS[function]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_role_seals_and_opens_only_what_it_needs(function: str) -> None:
    found = set()
    for statement in statements(function):
        if statement["Resource"] == {"Fn::GetAtt": ["Key", "Arn"]}:
            assert statement["Condition"].keys() == {"StringEqualsIfExists"}
            for purpose in statement["Condition"]["StringEqualsIfExists"]["kms:EncryptionContext:purpose"]:
                found |= {(action.removeprefix("kms:"), purpose) for action in statement["Action"]}
    assert found == SEALS[function]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_runs_as_lambda_is_meant_to(function: str) -> None:
    properties = resources("AWS::Lambda::Function")[f"{function}Function"]
    assert properties["Runtime"] == "python3.13"
    assert properties["Architectures"] == ["arm64"]
    assert properties["LoggingConfig"] == {"LogGroup": {"Ref": f"{function}Logs"}}
    assert properties["ReservedConcurrentExecutions"]["Fn::If"][:2] == [
        "HasReservedConcurrency",
        {"Ref": "ReservedConcurrency"},
    ]
    assert properties["Timeout"] <= 30


def test_the_tables_are_encrypted_with_the_stacks_key_and_forget() -> None:
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
    (key,) = resources("AWS::KMS::Key").values()
    assert key["EnableKeyRotation"] is True


def test_others_reach_the_key_through_dynamodb_only() -> None:
    (key,) = resources("AWS::KMS::Key").values()
    for statement in key["KeyPolicy"]["Statement"]:
        if statement["Principal"] == {"AWS": "*"}:
            assert statement["Condition"]["StringEquals"].keys() == {"kms:CallerAccount", "kms:ViaService"}
            assert "dynamodb" in json.dumps(statement["Condition"]["StringEquals"]["kms:ViaService"])
        else:
            assert "root" in json.dumps(statement["Principal"])


def test_the_api_is_regional_throttled_and_has_one_stage() -> None:
    (api,) = resources("AWS::ApiGateway::RestApi").values()
    assert api["EndpointConfiguration"] == {"Types": ["REGIONAL"]}
    (stage,) = resources("AWS::ApiGateway::Stage").values()
    (settings,) = stage["MethodSettings"]
    assert settings["ThrottlingRateLimit"] == {"Ref": "ThrottleRate"}
    assert settings["ThrottlingBurstLimit"] == {"Ref": "ThrottleBurst"}
    assert "LoggingLevel" not in settings  # would need the account-wide log role


def test_only_the_session_route_needs_a_bearer_and_preflights_none() -> None:
    (api,) = resources("AWS::ApiGateway::RestApi").values()
    routes = {
        f"{method.upper()} {path}": operation.get("security")
        for path, methods in api["Body"]["paths"].items()
        for method, operation in methods.items()
    }
    assert routes == {
        "POST /auth/password": None,
        "OPTIONS /auth/password": None,
        "POST /auth/otp": None,
        "OPTIONS /auth/otp": None,
        "POST /auth/refresh": None,
        "OPTIONS /auth/refresh": None,
        "POST /api/v1/auth/access_token": None,
        "OPTIONS /api/v1/auth/access_token": None,
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


def test_a_page_can_read_what_api_gateway_answers_by_itself() -> None:
    (api,) = resources("AWS::ApiGateway::RestApi").values()
    answers = api["Body"]["x-amazon-apigateway-gateway-responses"]
    codes = {}
    for kind, answer in answers.items():
        headers = {name.rpartition(".")[2].lower(): value for name, value in answer["responseParameters"].items()}
        assert headers["access-control-allow-origin"] == "method.request.header.Origin"
        assert headers["access-control-allow-credentials"] == "'true'"
        assert headers["vary"] == "'Origin'"
        assert headers["cache-control"] == "'no-store'"
        assert headers["x-request-id"] == "context.requestId"
        (body,) = answer["responseTemplates"].values()
        problem = json.loads(body.replace("$context.requestId", "id"))
        assert problem.keys() >= {"code", "title", "detail", "request_id"}
        assert str(problem.get("status")) == str(answer.get("statusCode"))
        codes[kind] = (problem.get("status"), problem["code"])
    assert codes == {
        "UNAUTHORIZED": (401, "invalid_token"),
        "ACCESS_DENIED": (403, "access_denied"),
        "MISSING_AUTHENTICATION_TOKEN": (404, "not_found"),
        "THROTTLED": (429, "too_many_requests"),
        "DEFAULT_4XX": (None, "bad_request"),
        "DEFAULT_5XX": (None, "gateway_error"),
    }


def test_other_apis_may_ask_the_authorizer_only_if_they_are_named() -> None:
    others = {
        name: one
        for name, one in resources("AWS::Lambda::Permission").items()
        if name.startswith("AuthorizerPermission")
    }
    assert len(others) == 5  # as many as AuthorizerApis may have
    for name, permission in others.items():
        assert template()["Resources"][name]["Condition"] == "HasAuthorizerApis"
        assert permission["FunctionName"] == {"Ref": "AuthorizerFunction"}
        assert permission["Principal"] == "apigateway.amazonaws.com"
        assert permission["SourceArn"]["Fn::Sub"][0].endswith(":${NamedApi}/authorizers/*")
    own = resources("AWS::Lambda::Permission")["ApiShotGridBearerAuthorizerPermission"]
    assert own["SourceArn"]["Fn::Sub"][1] == {"__ApiId__": {"Ref": "Api"}}


def test_the_invoke_role_asks_the_authorizer_and_nothing_else_and_only_where_apis_are_named() -> None:
    role = resources("AWS::IAM::Role")["AuthorizerInvokeRole"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "apigateway.amazonaws.com"}
    assert trust["Condition"].keys() == {"ArnLikeIfExists"}
    condition, (policy,), nothing = role["Policies"]["Fn::If"]
    assert (condition, nothing) == ("HasAuthorizerApis", {"Ref": "AWS::NoValue"})
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Action"] == "lambda:InvokeFunction"
    assert statement["Resource"] == {"Fn::GetAtt": ["AuthorizerFunction", "Arn"]}


def test_other_stacks_find_the_authorizer_by_its_exports() -> None:
    exports = {name: output["Export"]["Name"] for name, output in template()["Outputs"].items() if "Export" in output}
    assert exports == {
        "AuthorizerArn": {"Fn::Sub": "${AWS::StackName}-AuthorizerArn"},
        "AuthorizerInvokeRoleArn": {"Fn::Sub": "${AWS::StackName}-AuthorizerInvokeRoleArn"},
    }


def test_the_rest_example_is_deployed_anew_with_each_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage goes on as it was deployed, so another CacheSeconds would not count. The emulator is not so strict."""

    def deployments() -> set[str]:
        made = translate(ROOT / "docs" / "examples" / "rest_api.yaml")["Resources"]
        return {name for name, resource in made.items() if resource["Type"] == "AWS::ApiGateway::Deployment"}

    at = [deployments()]
    monkeypatch.setattr(time, "time", lambda: 4_000_000_000.0)
    at.append(deployments())
    assert [len(names) for names in at] == [1, 1]
    assert at[0] != at[1]


def test_every_parameter_says_what_it_is_and_has_a_safe_default() -> None:
    for name, parameter in template()["Parameters"].items():
        assert parameter["Description"]
        assert ("Default" in parameter) == (name != "ShotGridSiteUrl")
        if "AllowedPattern" in parameter:
            assert parameter["ConstraintDescription"]
        else:
            assert "MinValue" in parameter or "AllowedValues" in parameter


@pytest.mark.parametrize(
    ("parameter", "good", "bad"),
    [
        (
            "ShotGridSiteUrl",
            ["https://studio.shotgrid.autodesk.com", "https://site.example:8443/", "http://localhost:8001"],
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
def test_parameters_are_checked_before_anything_is_deployed(parameter: str, good: list[str], bad: list[str]) -> None:
    pattern = template()["Parameters"][parameter]["AllowedPattern"]
    assert [value for value in good if not re.fullmatch(pattern, value)] == []
    assert [value for value in bad if re.fullmatch(pattern, value)] == []


def test_samconfig_deploys_without_a_page_of_flags() -> None:
    settings = tomllib.loads((ROOT / "samconfig.toml").read_text())["default"]
    assert settings["global"]["parameters"]["stack_name"]
    assert settings["deploy"]["parameters"]["capabilities"] == "CAPABILITY_IAM"
    assert settings["deploy"]["parameters"]["resolve_s3"] is True
