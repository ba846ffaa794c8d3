"""DynamoDB tables: rows by id, and conditional writes.

A row maps attribute names to text, whole numbers or bytes. Its key is the attribute `id`. Every read is consistent.
The attribute `expires_at` is the row's time to live, in epoch seconds. DynamoDB deletes expired rows late, sometimes
after days, so the reader of a row must check its `expires_at` too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from shotgrid_login.aws import error_code

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Value = str | int | bytes
Row = Mapping[str, Value]


class ConditionFailed(Exception):
    """The condition of a write was false, because another writer came first. `row` is the current row, if any."""

    def __init__(self, row: Row | None) -> None:
        super().__init__("condition failed")
        self.row = row


class Table:
    """One table. Conditions and updates are DynamoDB expressions; the key `now` in `values` is `:now` in them."""

    def __init__(self, dynamodb: DynamoDBClient, name: str) -> None:
        self._dynamodb = dynamodb
        self._name = name

    def get(self, row_id: str) -> Row | None:
        """Read a row with a consistent read."""
        response = self._dynamodb.get_item(TableName=self._name, Key=_key(row_id), ConsistentRead=True)
        return _row(response.get("Item"))

    def ids(self, index: str, attribute: str, value: str) -> list[str]:
        """Return the ids of the rows with this value, from an index with that key. It can be a second late."""
        request: dict[str, Any] = {
            "TableName": self._name,
            "IndexName": index,
            "KeyConditionExpression": f"{attribute} = :value",
            "ExpressionAttributeValues": {":value": _serialize(value)},
            "ProjectionExpression": "id",
        }
        ids = []
        while True:
            page = self._dynamodb.query(**request)
            ids += [str(row["id"]) for row in _rows([page])]
            if "LastEvaluatedKey" not in page:
                return ids
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def scan(self, prefix: str) -> Iterator[Row]:
        """Read all rows whose id begins with `prefix`. It reads the whole table, so no function does this."""
        pages = self._dynamodb.get_paginator("scan").paginate(
            TableName=self._name,
            ConsistentRead=True,
            FilterExpression="begins_with(id, :prefix)",
            ExpressionAttributeValues={":prefix": _serialize(prefix)},
        )
        return _rows(pages)

    def put(self, row: Row, condition: str = "", values: Row | None = None) -> None:
        """Write a whole row if the condition is true; raises `ConditionFailed`."""
        self._write("put_item", {"Item": {name: _serialize(value) for name, value in row.items()}}, condition, values)

    def update(self, row_id: str, change: str, condition: str, values: Row | None = None) -> Row:
        """Change a row if the condition is true and return the whole new row; raises `ConditionFailed`."""
        request = {"Key": _key(row_id), "UpdateExpression": change, "ReturnValues": "ALL_NEW"}
        return self._write("update_item", request, condition, values) or {}

    def delete(self, row_id: str, condition: str = "", values: Row | None = None) -> Row | None:
        """Delete a row if the condition is true and return the deleted row; raises `ConditionFailed`."""
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
            response = getattr(self._dynamodb, operation)(**request)
        except Exception as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            raise ConditionFailed(_row(error.response.get("Item"))) from None  # type: ignore[attr-defined]
        return _row(response.get("Attributes"))


def _key(row_id: str) -> dict[str, Any]:
    return {"id": _serialize(row_id)}


def _rows(pages: Any) -> Iterator[Row]:
    for page in pages:
        for attributes in page["Items"]:
            yield _row(attributes) or {}


def _row(attributes: Mapping[str, Any] | None) -> Row | None:
    return {name: _value(attribute) for name, attribute in attributes.items()} if attributes else None


def _serialize(value: Value) -> dict[str, Any]:
    """Return a value in DynamoDB's format: an object whose only name is the type."""
    match value:
        case str():
            return {"S": value}
        case int():
            return {"N": str(value)}
        case bytes():
            return {"B": value}


def _value(attribute: Mapping[str, Any]) -> Value:
    match attribute:
        case {"S": str(text)}:
            return text
        case {"N": str(digits)}:
            return int(digits)
        case {"B": bytes(octets)}:
            return octets
        case _:
            raise TypeError(f"no row has an attribute of type {', '.join(attribute)}")
