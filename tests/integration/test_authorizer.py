"""The authorizer's answers, as API Gateway would get them, checked with Powertools' own classes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes.api_gateway_authorizer_event import (
    APIGatewayAuthorizerRequestEvent,
    APIGatewayAuthorizerResponse,
)

from tests.client import Gateway

METHOD_ARN = "arn:aws:execute-api:eu-west-1:123456789012:abcdef1234/prod/GET/shots/12"
STAGE = ["arn:aws:execute-api:eu-west-1:123456789012:abcdef1234/prod/*/*"]


def _event(**headers: str) -> dict[str, Any]:
    # As the API Gateway Developer Guide shows it ("Input to an API Gateway Lambda authorizer", REQUEST).
    return {
        "type": "REQUEST",
        "methodArn": METHOD_ARN,
        "resource": "/shots/{id}",
        "path": "/shots/12",
        "httpMethod": "GET",
        "headers": {"Host": "abcdef1234.execute-api.eu-west-1.amazonaws.com", **headers},
        "queryStringParameters": {},
        "pathParameters": {"id": "12"},
        "stageVariables": {},
        "requestContext": {
            "path": "/shots/12",
            "accountId": "123456789012",
            "resourceId": "05c7jb",
            "stage": "prod",
            "requestId": "f2b1c5e0",
            "identity": {"sourceIp": "192.0.2.1"},
            "resourcePath": "/shots/{id}",
            "httpMethod": "GET",
            "apiId": "abcdef1234",
        },
    }


def _invoke(gateway: Gateway, event: Any) -> tuple[str | None, Any]:
    answer = gateway.aws.client("lambda").invoke(
        FunctionName=gateway.outputs["AuthorizerArn"], Payload=json.dumps(event).encode()
    )
    return answer.get("FunctionError"), json.loads(answer["Payload"].read())


@pytest.mark.parametrize("header", ["Authorization", "authorization"])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_a_good_bearer_opens_the_whole_stage_of_the_api_that_asked(gateway: Gateway, header: str, scheme: str) -> None:
    person = gateway.person()
    signed_in = gateway.caller().signed_in(person).body
    event = _event(**{header: f"{scheme} {signed_in['access_token']}"})
    error, policy = _invoke(gateway, event)
    assert error is None
    context = policy["context"]
    arn = APIGatewayAuthorizerRequestEvent(event).parsed_arn
    expected = APIGatewayAuthorizerResponse(
        f"HumanUser:{person.id}", arn.region, arn.aws_account_id, arn.api_id, arn.stage, context
    )
    expected.allow_all_routes()
    assert policy == expected.asdict()
    assert context == {
        "session_id": signed_in["refresh_token"].partition(".")[0],
        "user_type": "HumanUser",
        "user_id": str(person.id),
        "login": person.login,
        "expires_at": context["expires_at"],
    }
    assert context["expires_at"].isdigit()


@pytest.mark.parametrize("path", ["shots/2026-11-23T10:00:00", "a:b/c/d", "", ":"])
def test_a_path_cannot_bend_the_policy(gateway: Gateway, path: str) -> None:
    token = gateway.caller().signed_in(gateway.person()).body["access_token"]
    method_arn = METHOD_ARN.replace("shots/12", path)
    error, policy = _invoke(gateway, _event(Authorization=f"Bearer {token}") | {"methodArn": method_arn})
    assert error is None
    assert policy["policyDocument"]["Statement"][0]["Resource"] == STAGE


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Basic YTpi", "Bearer ä", "Bearer a b", "Bearer x\ny"])
def test_anything_else_is_unauthorized(gateway: Gateway, authorization: str | None) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    error, answer = _invoke(gateway, _event(**headers))
    assert error
    assert answer["errorMessage"] == "Unauthorized"


@pytest.mark.parametrize("event", [{}, {"headers": None}, {"type": "TOKEN", "methodArn": METHOD_ARN}])
def test_an_event_without_headers_is_unauthorized(gateway: Gateway, event: dict[str, Any]) -> None:
    error, answer = _invoke(gateway, event)
    assert error
    assert answer["errorMessage"] == "Unauthorized"
