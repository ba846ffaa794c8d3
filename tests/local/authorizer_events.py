"""The field `version` in events of payload format 1.0, which MiniStack leaves out.

The authorizer detects HTTP APIs by this field.

Source: AWS documentation, "Control access to HTTP APIs with AWS Lambda authorizers".
"""

from __future__ import annotations

from typing import Any

from ministack.services import apigateway

_invoke = apigateway._invoke_request_authorizer_lambda  # noqa: SLF001


def complete() -> None:
    """Let MiniStack send complete events."""
    apigateway._invoke_request_authorizer_lambda = _invoke_with_version  # noqa: SLF001


async def _invoke_with_version(authorizer: dict[str, Any], event: dict[str, Any], account_id: str, region: str) -> Any:
    # Authorizers of WebSocket APIs have no format.
    if authorizer.get("authorizerPayloadFormatVersion") == "1.0":
        event = {"version": "1.0", **event}
    return await _invoke(authorizer, event, account_id, region)
