"""The role of each function, as the emulator enforces it: every other call is denied."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.client import Gateway
from tests.support.template import FUNCTIONS, INDEX, granted

OTHER = "other"  # a kind and a purpose that no role has


def granted_to_any(resource: str) -> set[str]:
    """Return the kinds of rows of the state, or the purposes of the key, that any role has."""
    return {kind for function in FUNCTIONS for found, _, kind in granted(function) if found == resource} - {INDEX}


@pytest.fixture(scope="module")
def sealed(gateway: Gateway) -> dict[str, bytes]:
    """Seal a value for each purpose, and one without a purpose."""
    return {
        purpose: gateway.aws.client("kms").encrypt(
            KeyId=gateway.outputs["KeyArn"], Plaintext=b"x", EncryptionContext=_context(purpose)
        )["CiphertextBlob"]
        for purpose in (*granted_to_any("key"), OTHER, "")
    }


def _context(purpose: str) -> dict[str, str]:
    return {"purpose": purpose} if purpose else {}


Calls = Iterator[tuple[Any, Callable[[], Any]]]


def _calls(client: Callable[[str], Any], gateway: Gateway, sealed: dict[str, bytes]) -> Calls:
    """Yield calls with the grants that allow them, and calls that no role allows."""
    state, bearers = gateway.outputs["StateTable"], gateway.outputs["BearersTable"]
    for kind in (*granted_to_any("state"), OTHER):
        for action, call in _row_calls(client("dynamodb"), state, f"{kind}#probe"):
            yield ("state", action, kind), call
    for action, call in _row_calls(client("dynamodb"), bearers, "probe"):
        yield ("bearers", action, ""), call
    for purpose, ciphertext in sealed.items():
        for action, call in _key_calls(client("kms"), gateway.outputs["KeyArn"], purpose, ciphertext):
            yield ("key", action, purpose), call
    hashed = {"KeyId": gateway.outputs["HashKeyArn"], "Message": b"x", "MacAlgorithm": "HMAC_SHA_256"}
    yield ("hash key", "GenerateMac", ""), lambda: client("kms").generate_mac(**hashed)
    yield ("state", "Query", INDEX), lambda: _query(client("dynamodb"), state, "HumanUser:0", IndexName=INDEX)
    yield from _calls_of_no_role(client, gateway)


def _row_calls(dynamodb: Any, table: str, row_id: str) -> Calls:
    key = {"id": {"S": row_id}}
    yield "GetItem", lambda: dynamodb.get_item(TableName=table, Key=key)
    yield "PutItem", lambda: dynamodb.put_item(TableName=table, Item=key)
    yield "UpdateItem", lambda: dynamodb.update_item(TableName=table, Key=key)
    yield "DeleteItem", lambda: dynamodb.delete_item(TableName=table, Key=key)


def _key_calls(kms: Any, key: str, purpose: str, ciphertext: bytes) -> Calls:
    context = {"EncryptionContext": _context(purpose)}
    yield "Encrypt", lambda: kms.encrypt(KeyId=key, Plaintext=b"x", **context)
    yield "Decrypt", lambda: kms.decrypt(KeyId=key, CiphertextBlob=ciphertext, **context)
    yield "GenerateDataKey", lambda: kms.generate_data_key(KeyId=key, KeySpec="AES_256", **context)


def _query(dynamodb: Any, table: str, value: str, **index: str) -> Any:
    name = "user_key" if index else "id"
    return dynamodb.query(
        TableName=table,
        KeyConditionExpression=f"{name} = :value",
        ExpressionAttributeValues={":value": {"S": value}},
        **index,
    )


def _calls_of_no_role(client: Callable[[str], Any], gateway: Gateway) -> Calls:
    dynamodb, state = client("dynamodb"), gateway.outputs["StateTable"]
    yield "query of another user type", lambda: _query(dynamodb, state, "ApiUser:0", IndexName=INDEX)
    yield "query of a row", lambda: _query(dynamodb, state, "session#probe")
    yield "scan", lambda: dynamodb.scan(TableName=state)
    yield "scan of the index", lambda: dynamodb.scan(TableName=state, IndexName=INDEX)
    yield "scan of bearers", lambda: dynamodb.scan(TableName=gateway.outputs["BearersTable"])
    yield "tables", dynamodb.list_tables
    yield "drop table", lambda: dynamodb.delete_table(TableName=state)
    yield "delete key", lambda: client("kms").schedule_key_deletion(KeyId=gateway.outputs["KeyArn"])
    yield "functions", lambda: client("lambda").list_functions()
    yield "buckets", lambda: client("s3").list_buckets()
    yield "log groups", lambda: client("logs").describe_log_groups()


@pytest.mark.parametrize("role", FUNCTIONS)
def test_role_allows_its_calls_and_no_other(gateway: Gateway, sealed: dict[str, bytes], role: str) -> None:
    calls = _calls(_as_role(gateway, role), gateway, sealed)
    allowed = {grant for grant, call in calls if _is_allowed(call)}
    dynamodb = gateway.aws.client("dynamodb")
    for kind in (*granted_to_any("state"), OTHER):
        dynamodb.delete_item(TableName=gateway.outputs["StateTable"], Key={"id": {"S": f"{kind}#probe"}})
    dynamodb.delete_item(TableName=gateway.outputs["BearersTable"], Key={"id": {"S": "probe"}})
    assert allowed == granted(role)


def _as_role(gateway: Gateway, role: str) -> Callable[[str], Any]:
    name = gateway.aws.resource(f"{role}Role")
    iam = gateway.aws.client("iam")
    described = iam.get_role(RoleName=name)["Role"]
    trust = described["AssumeRolePolicyDocument"]
    # Only Lambda can assume these roles. Let the root user of the account do it too, for the time of this call.
    root = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": "sts:AssumeRole"}
    iam.update_assume_role_policy(
        RoleName=name, PolicyDocument=json.dumps({**trust, "Statement": [*trust["Statement"], root]})
    )
    try:
        assumed = gateway.aws.client("sts").assume_role(RoleArn=described["Arn"], RoleSessionName="probe")
    finally:
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))
    credentials = {
        "aws_access_key_id": assumed["Credentials"]["AccessKeyId"],
        "aws_secret_access_key": assumed["Credentials"]["SecretAccessKey"],
        "aws_session_token": assumed["Credentials"]["SessionToken"],
    }
    return lambda service: gateway.aws.client(service, **credentials)


def _is_allowed(call: Callable[[], Any]) -> bool:
    try:
        call()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        assert code in ("AccessDeniedException", "AccessDenied"), code
        return False
    return True
