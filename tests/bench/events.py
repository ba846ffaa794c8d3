"""Events that a REST API sends for the requests of a browser."""

from __future__ import annotations

import json
import uuid
from typing import Any
from urllib.parse import urlencode

from tests.bench.deployment import ORIGIN

Event = dict[str, Any]


def post(route: str, body: dict[str, str]) -> Event:
    """Return a proxy event with a JSON body."""
    return _request("POST", route) | {"body": json.dumps(body)}


def post_form(route: str, fields: dict[str, str]) -> Event:
    """Return a proxy event with a form."""
    event = _request("POST", route) | {"body": urlencode(fields)}
    event["headers"]["Content-Type"] = "application/x-www-form-urlencoded"
    event["multiValueHeaders"]["Content-Type"] = ["application/x-www-form-urlencoded"]
    return event


def get(route: str) -> Event:
    """Return a proxy event without a bearer."""
    return _request("GET", route)


def get_with_bearer(route: str, access_token: str, context: dict[str, Any]) -> Event:
    """Return a proxy event with a bearer; `context` is the context of the authorizer's response."""
    event = _request("GET", route, access_token)
    event["requestContext"]["authorizer"] = context
    return event


def _request(method: str, route: str, access_token: str | None = None) -> Event:
    headers = {
        "Accept": "*/*",
        "Accept-Encoding": "gzip, deflate, br, zstd",
        "Accept-Language": "en-GB,en;q=0.9",
        "Host": "login.example",
        "Origin": ORIGIN,
        "Referer": f"{ORIGIN}/",
        "Sec-Fetch-Dest": "empty",
        "Sec-Fetch-Mode": "cors",
        "Sec-Fetch-Site": "cross-site",
        "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0",
        "X-Amzn-Trace-Id": "Root=1-00000000-000000000000000000000000",
        "X-Forwarded-For": "192.0.2.1",
        "X-Forwarded-Port": "443",
        "X-Forwarded-Proto": "https",
    }
    if method == "POST":
        headers["Content-Type"] = "application/json"
    if access_token is not None:
        headers["Authorization"] = f"Bearer {access_token}"
    return {
        "resource": route,
        "path": route,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "abcdef1234",
            "domainName": "login.example",
            "httpMethod": method,
            "identity": {"sourceIp": "192.0.2.1", "userAgent": headers["User-Agent"]},
            "path": f"/v1{route}",
            "protocol": "HTTP/1.1",
            "requestId": str(uuid.uuid4()),
            "resourcePath": route,
            "stage": "v1",
        },
        "body": None,
        "isBase64Encoded": False,
    }
