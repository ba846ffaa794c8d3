"""DynamoDB as the rest of the package sees it: rows by id, and writes that hold or fail as one.

A row is a mapping of attribute name to text, whole number or bytes; its key is the attribute `id`. Every read
is consistent. Time to live is the attribute `expires_at`, in epoch seconds; DynamoDB deletes late (days, at
worst), so whoever reads a row checks its time as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Value = str | int | bytes
Row = Mapping[str, Value]

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


class ConditionFailed(Exception):
    """Another writer came first. `row` is what stands there now, None when nothing does."""

    def __init__(self, row: Row | None) -> None:
        super().__init__("condition failed")
        self.row = row


class Table:
    """One table. Conditions and updates are DynamoDB expressions; in `values`, `now` stands for `:now`."""

    def __init__(self, dynamodb: DynamoDBClient, name: str) -> None:
        self._dynamodb = dynamodb
        self._name = name

    def get(self, row_id: str) -> Row | None:
        """Read one row, consistently."""
        answer = self._dynamodb.get_item(TableName=self._name, Key=_key(row_id), ConsistentRead=True)
        return _row(answer.get("Item"))

    def put(self, row: Row, condition: str = "", values: Row | None = None) -> None:
        """Write a whole row if the condition holds; raises `ConditionFailed`."""
        self._write("put_item", {"Item": {name: _serialize(value) for name, value in row.items()}}, condition, values)

    def update(self, row_id: str, change: str, condition: str, values: Row | None = None) -> Row:
        """Change a row if the condition holds and return all of it; raises `ConditionFailed`."""
        request = {"Key": _key(row_id), "UpdateExpression": change, "ReturnValues": "ALL_NEW"}
        return self._write("update_item", request, condition, values) or {}

    def delete(self, row_id: str, condition: str = "", values: Row | None = None) -> Row | None:
        """Delete a row if the condition holds and return what it was; raises `ConditionFailed`."""
        request = {"Key": _key(row_id), "ReturnValues": "ALL_OLD"}
        return self._write("delete_item", request, condition, values)

    def _write(self, operation: str, request: dict[str, Any], condition: str, values: Row | None) -> Row | None:
        request["TableName"] = self._name
        if condition:
            request["ConditionExpression"] = condition
            request["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
        if values:
            request["ExpressionAttributeValues"] = {f":{name}": _serialize(value) for name, value in values.items()}
        try:
            answer = getattr(self._dynamodb, operation)(**request)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "ConditionalCheckFailedException":
                raise ConditionFailed(_row(error.response.get("Item"))) from None  # type: ignore[arg-type]
            raise
        return _row(answer.get("Attributes"))


def _key(row_id: str) -> dict[str, Any]:
    return {"id": _serialize(row_id)}


def _row(attributes: Mapping[str, Any] | None) -> Row | None:
    return {name: _value(attribute) for name, attribute in attributes.items()} if attributes else None


def _value(attribute: Any) -> Value:
    value = _deserialize(attribute)
    if isinstance(value, str):
        return value
    return bytes(value) if "B" in attribute else int(value)
