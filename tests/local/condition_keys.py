"""Two condition keys of IAM policies that MiniStack does not know, so that it enforces the conditions of our roles.

- `dynamodb:LeadingKeys`: the keys of the rows that a call names. A scan has none, so the condition key is absent.
- `kms:EncryptionContext:<name>`: the encryption context of a call of KMS.

Source: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html and
list_awskeymanagementservice.html
"""

from __future__ import annotations

import json
import re
from typing import Any

from ministack.core import iam_actions

_dynamodb_keys = iam_actions.dynamodb_service_context
_tag_keys = iam_actions.request_tag_context


def add() -> None:
    """Let MiniStack supply the two condition keys. It looks these two functions up in each request."""
    iam_actions.dynamodb_service_context = _keys_of_dynamodb
    iam_actions.request_tag_context = _keys_of_all_services


def _keys_of_dynamodb(body: bytes) -> dict[str, Any]:
    leading_keys = _leading_keys(json.loads(body))
    added = {"dynamodb:LeadingKeys": leading_keys} if leading_keys else {}
    return {**_dynamodb_keys(body), **added}


def _keys_of_all_services(service: str, iam_action: str, body: bytes, params: dict[str, Any]) -> dict[str, Any]:
    context = json.loads(body).get("EncryptionContext", {}) if service == "kms" else {}
    added = {f"kms:EncryptionContext:{name}": value for name, value in context.items()}
    return {**_tag_keys(service, iam_action, body, params), **added}


def _leading_keys(call: dict[str, Any]) -> list[str]:
    """Return the keys of a call for one row or of a query. The tables of our stack have the key `id`."""
    placeholders = re.findall(r"=\s*(:\w+)", call.get("KeyConditionExpression", ""))
    keys = [call["ExpressionAttributeValues"][placeholder] for placeholder in placeholders]
    keys += [row["id"] for row in (call.get("Key"), call.get("Item")) if row and "id" in row]
    return [value for key in keys for value in key.values()]
