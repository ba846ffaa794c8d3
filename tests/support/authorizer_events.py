"""The events that each kind of API sends to a Lambda authorizer.

The account, ids and addresses are invented. The docstrings name the page of the API Gateway Developer Guide that
documents the event. The guide has no complete event of a WebSocket API; its source is a recorded event
(aws-powertools/powertools-lambda-python, tests/events/apiGatewayAuthorizerWebSocketEvent.json).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aws_lambda_powertools.utilities.data_classes.api_gateway_authorizer_event import (
    APIGatewayAuthorizerEventV2,
    APIGatewayAuthorizerRequestEvent,
    APIGatewayAuthorizerResponse,
    APIGatewayAuthorizerResponseWebSocket,
    APIGatewayAuthorizerTokenEvent,
)

Event = dict[str, Any]

API = "abcdef1234"
STAGE = "prod"
STAGE_ARN = f"arn:aws:execute-api:eu-west-1:123456789012:{API}/{STAGE}"


def rest_token(authorization: str, path: str = "/shots/12") -> Event:
    """ "Input to an API Gateway Lambda authorizer": TOKEN."""
    return {"type": "TOKEN", "authorizationToken": authorization, "methodArn": f"{STAGE_ARN}/GET{path}"}


def rest_request(authorization: str, path: str = "/shots/12") -> Event:
    """ "Input to an API Gateway Lambda authorizer": REQUEST."""
    return {
        "type": "REQUEST",
        "methodArn": f"{STAGE_ARN}/GET{path}",
        "resource": "/{path+}",
        "path": path,
        "httpMethod": "GET",
        **_headers(Authorization=authorization),
        "queryStringParameters": {"page": "1"},
        "multiValueQueryStringParameters": {"page": ["1"]},
        "pathParameters": {"path": path.lstrip("/")},
        "stageVariables": {"color": "green"},
        "requestContext": {
            "path": f"/{STAGE}{path}",
            "accountId": "123456789012",
            "resourceId": "05c7jb",
            "stage": STAGE,
            "requestId": "f2b1c5e0-0000-0000-0000-000000000000",
            "identity": {"sourceIp": "192.0.2.1"},
            "resourcePath": "/{path+}",
            "httpMethod": "GET",
            "apiId": API,
        },
    }


def http_1(authorization: str, path: str = "/shots/12") -> Event:
    """ "Control access to HTTP APIs with AWS Lambda authorizers": payload format 1.0."""
    return rest_request(authorization, path) | {
        "version": "1.0",
        "identitySource": authorization,
        "authorizationToken": authorization,
    }


def http_2(authorization: str, path: str = "/shots/12") -> Event:
    """ "Control access to HTTP APIs with AWS Lambda authorizers": payload format 2.0."""
    return {
        "version": "2.0",
        "type": "REQUEST",
        "routeArn": f"{STAGE_ARN}/GET{path}",
        "identitySource": [authorization],
        "routeKey": "GET /{path+}",
        "rawPath": path,
        "rawQueryString": "page=1",
        "cookies": ["theme=dark"],
        "headers": {"authorization": authorization, "host": f"{API}.execute-api.eu-west-1.amazonaws.com"},
        "queryStringParameters": {"page": "1"},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": API,
            "domainName": f"{API}.execute-api.eu-west-1.amazonaws.com",
            "domainPrefix": API,
            "http": {
                "method": "GET",
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "agent",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "GET /{path+}",
            "stage": STAGE,
            "time": "23/Nov/2026:10:00:00 +0000",
            "timeEpoch": 1795428000000,
        },
        "pathParameters": {"path": path.lstrip("/")},
        "stageVariables": {"color": "green"},
    }


def websocket(authorization: str, _path: str = "") -> Event:
    """ "Control access to WebSocket APIs with AWS Lambda REQUEST authorizers": a program connects."""
    return websocket_connect(Authorization=authorization)


def websocket_of_browser(authorization: str, _path: str = "") -> Event:
    """A browser connects. A page can set no header but the subprotocols."""
    _, _, access_token = authorization.partition(" ")
    return websocket_connect(**{"Sec-WebSocket-Protocol": f"shotgrid-login, bearer.{access_token}"})


def websocket_connect(**headers: str) -> Event:
    """A client connects with these headers."""
    headers = {"Connection": "upgrade", "Sec-WebSocket-Version": "13", "Upgrade": "websocket", **headers}
    return {
        "type": "REQUEST",
        "methodArn": f"{STAGE_ARN}/$connect",
        **_headers(**headers),
        "queryStringParameters": {},
        "multiValueQueryStringParameters": {},
        "stageVariables": {},
        "requestContext": {
            "routeKey": "$connect",
            "eventType": "CONNECT",
            "extendedRequestId": "FDmBIG3EoAMEqYA=",
            "requestTime": "23/Nov/2026:10:00:00 +0000",
            "messageDirection": "IN",
            "stage": STAGE,
            "connectedAt": 1795428000000,
            "requestTimeEpoch": 1795428000000,
            "identity": {"sourceIp": "192.0.2.1"},
            "requestId": "FDmBIG3EoAMEqYA=",
            "domainName": f"{API}.execute-api.eu-west-1.amazonaws.com",
            "connectionId": "FDmBIeapIAMCIQg=",
            "apiId": API,
        },
    }


def _headers(**headers: str) -> dict[str, Any]:
    headers = {"Host": f"{API}.execute-api.eu-west-1.amazonaws.com", "X-Forwarded-Proto": "https", **headers}
    return {"headers": headers, "multiValueHeaders": {name: [value] for name, value in headers.items()}}


# Every event, made from an `Authorization` value and a path.
EVENTS: dict[str, Callable[[str, str], Event]] = {
    "rest_token": rest_token,
    "rest_request": rest_request,
    "http_1": http_1,
    "http_2": http_2,
    "websocket": websocket,
    "websocket_of_browser": websocket_of_browser,
}
# The events of APIs that return 401 if the function fails with "Unauthorized". The others can return 403 only.
EVENTS_WITH_401 = {"rest_token", "rest_request", "websocket", "websocket_of_browser"}

CONTEXT = {"login": "a_username"}


def powertools_response(event: Event) -> APIGatewayAuthorizerResponse:
    """Parse an event with Powertools and return its response builder, with no routes yet."""
    match event:
        case {"type": "TOKEN"}:
            arn = APIGatewayAuthorizerTokenEvent(event).parsed_arn
        case {"version": "2.0"}:
            arn = APIGatewayAuthorizerEventV2(event).parsed_arn
        case {"requestContext": {"eventType": "CONNECT"}}:
            return APIGatewayAuthorizerResponseWebSocket.from_route_arn(event["methodArn"], "HumanUser:24", CONTEXT)
        case _:
            arn = APIGatewayAuthorizerRequestEvent(event).parsed_arn
    return APIGatewayAuthorizerResponse(
        "HumanUser:24", arn.region, arn.aws_account_id, arn.api_id, arn.stage, CONTEXT, partition=arn.partition
    )
