"""The role of each function, as the emulator enforces it: every other call is denied.

The emulator does not enforce kinds of rows and encryption contexts: `tests/unit/test_template.py` asserts them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local.stack import STACK
from tests.support.client import Gateway
from tests.support.template import FUNCTIONS

# The calls that a role allows. All other calls of `_calls` must be denied.
ALLOWED = {
    "Password": {"state put", "bearers put", "encrypt", "hash"},
    "Otp": {"state put", "bearers put", "encrypt", "decrypt", "hash"},
    "Refresh": {"state read", "state put", "bearers put", "bearers delete", "encrypt", "decrypt"},
    "AccessToken": {"state read", "state put", "bearers put", "bearers delete", "encrypt", "decrypt", "hash"},
    "Logout": {"state read", "bearers delete"},
    "Session": {"state read"},
    "Methods": set[str](),
    "Browser": {"state put", "encrypt", "hash"},
    "Approval": {"state read", "state put", "bearers put", "encrypt", "decrypt", "hash"},
    "Pages": set[str](),
    "Authorizer": {"bearers read"},
}

PROBE = {"id": {"S": "session#probe"}}


def _calls(client: Callable[[str], Any], gateway: Gateway, ciphertext: bytes) -> dict[str, Callable[[], Any]]:
    dynamodb, kms = client("dynamodb"), client("kms")
    state, bearers = gateway.outputs["StateTable"], gateway.outputs["BearersTable"]
    key = gateway.outputs["KeyArn"]
    return {
        "state read": lambda: dynamodb.get_item(TableName=state, Key=PROBE),
        "state put": lambda: dynamodb.put_item(TableName=state, Item=PROBE),
        "state scan": lambda: dynamodb.scan(TableName=state),
        "bearers read": lambda: dynamodb.get_item(TableName=bearers, Key=PROBE),
        "bearers put": lambda: dynamodb.put_item(TableName=bearers, Item=PROBE),
        "bearers delete": lambda: dynamodb.delete_item(TableName=bearers, Key=PROBE),
        "bearers scan": lambda: dynamodb.scan(TableName=bearers),
        "encrypt": lambda: kms.encrypt(KeyId=key, Plaintext=b"x", EncryptionContext={"purpose": "session"}),
        "decrypt": lambda: kms.decrypt(KeyId=key, CiphertextBlob=ciphertext, EncryptionContext={"purpose": "probe"}),
        "hash": lambda: kms.generate_mac(
            KeyId=gateway.outputs["HashKeyArn"], Message=b"x", MacAlgorithm="HMAC_SHA_256"
        ),
        "data key": lambda: kms.generate_data_key(KeyId=key, KeySpec="AES_256"),
        "delete key": lambda: kms.schedule_key_deletion(KeyId=key),
        "other tables": lambda: dynamodb.list_tables(),
        "drop table": lambda: dynamodb.delete_table(TableName=state),
        "other functions": lambda: client("lambda").list_functions(),
        "buckets": lambda: client("s3").list_buckets(),
        "log groups": lambda: client("logs").describe_log_groups(),
    }


@pytest.mark.parametrize("role", FUNCTIONS)
def test_role_allows_its_calls_and_no_other(gateway: Gateway, role: str) -> None:
    ciphertext = gateway.aws.client("kms").encrypt(
        KeyId=gateway.outputs["KeyArn"], Plaintext=b"x", EncryptionContext={"purpose": "probe"}
    )["CiphertextBlob"]
    calls = _calls(_as_role(gateway, role), gateway, ciphertext)
    allowed = {name for name, call in calls.items() if _is_allowed(call)}
    for table in ("StateTable", "BearersTable"):
        gateway.aws.client("dynamodb").delete_item(TableName=gateway.outputs[table], Key=PROBE)
    assert allowed == ALLOWED[role]


def _as_role(gateway: Gateway, role: str) -> Callable[[str], Any]:
    name = gateway.aws.client("cloudformation").describe_stack_resource(
        StackName=STACK, LogicalResourceId=f"{role}Role"
    )["StackResourceDetail"]["PhysicalResourceId"]
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
