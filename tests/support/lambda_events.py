"""What Lambda gives a function: an event of a REST API, a context, and an environment as the template sets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ENVIRONMENT = {
    "SHOTGRID_SITE_URL": "https://studio.shotgrid.autodesk.com/",
    "ALLOWED_ORIGINS": "https://a.example,http://localhost:8000",
    "SESSION_HOURS": "12",
    "IDLE_MINUTES": "120",
    "STATE_TABLE": "state",
    "BEARERS_TABLE": "bearers",
    "KEY_ARN": "arn",
    "HASH_KEY_ARN": "arn",
    "SERVE_EXAMPLE": "true",
    "BROWSER_SIGN_IN": "true",
}


@dataclass
class Context:
    function_name: str = "unit"
    memory_limit_in_mb: int = 128
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:0:function:unit"
    aws_request_id: str = "unit"


def event(**changes: Any) -> dict[str, Any]:
    """Return an event as a REST API's proxy integration makes it, as far as it is used."""
    return {
        "resource": "/auth/password",
        "path": "/auth/password",
        "httpMethod": "POST",
        "headers": {"Content-Type": "application/json"},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "requestContext": {"requestId": "request-id", "identity": {"sourceIp": "192.0.2.1"}},
        "body": "{}",
        "isBase64Encoded": False,
    } | changes
