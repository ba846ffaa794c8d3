"""API Gateway's own responses, as an API's OpenAPI definition describes them.

MiniStack imports the rest of the definition, and supports these responses only with calls of their own. Without them,
no page could read a 401 of local AWS.
"""

# ruff: noqa: SLF001  MiniStack has no public function for the import of a definition, and its version is pinned.

from __future__ import annotations

from typing import Any

from ministack.services import apigateway_v1

_EXTENSION = "x-amazon-apigateway-gateway-responses"
_import_api = apigateway_v1._import_rest_api


def add() -> None:
    """Let MiniStack read these responses whenever it imports a definition."""
    apigateway_v1._import_rest_api = _import_with_responses


def _import_with_responses(spec: dict[str, Any], base_data: dict[str, Any] | None = None) -> str:
    api: str = _import_api(spec, base_data)
    for response_type, response in spec.get(_EXTENSION, {}).items():
        status, _, body = apigateway_v1._put_gateway_response(api, response_type, response)
        if status != 201:
            raise ValueError(f"MiniStack rejects {response_type}: {body!r}")
    return api
