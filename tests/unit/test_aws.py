"""The clients of AWS: their requests are those of botocore, and a call that fails is tried once more."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import botocore.auth
import botocore.session
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from urllib3 import exceptions

from shotgrid_login import aws
from shotgrid_login.aws import AwsError, DynamoDb, JsonClient, Kms
from shotgrid_login.parallel import together
from shotgrid_login.table import ConditionFailed, Table
from tests.local.tls import TlsProxy
from tests.support.replay import http, replaying
from tests.support.template import FUNCTIONS, resources, statements

ITEM = {"Item": {"id": {"S": "a"}, "expires_at": {"N": "1"}}}
FOUND = http(200, json.dumps(ITEM))
BUSY = http(400, '{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"}')
DENIED = http(400, '{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"a-secret"}')
BROKEN = http(500, "<html>")
# The example of AWS documentation.
KEY_ID, SECRET_KEY = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOW = datetime(2027, 1, 15, 8, 0, 0, tzinfo=UTC)
REQUEST = {"TableName": "bearers", "Key": {"id": {"S": "a"}}, "ConsistentRead": True}


def _dynamodb(url: str, **environment: str) -> DynamoDb:
    credentials = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    return DynamoDb(url, "eu-west-1", credentials | environment, pause=lambda _: None)


@pytest.mark.parametrize("token", [None, "a-session-token=="])
def test_signature_covers_what_is_sent(token: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: NOW)
    with replaying(FOUND) as replay:
        assert _dynamodb(replay.url, **{"AWS_SESSION_TOKEN": token} if token else {}).get_item(**REQUEST) == ITEM
    head, _, body = replay.requests[0].decode().partition("\r\n\r\n")
    sent = {name.lower(): value for name, value in (line.split(": ", 1) for line in head.split("\r\n")[1:])}
    signed = {name: sent[name] for name in ("content-type", "host", "x-amz-target")}
    request = AWSRequest("POST", replay.url, signed, body)
    botocore.auth.SigV4Auth(Credentials(KEY_ID, SECRET_KEY, token), "dynamodb", "eu-west-1").add_auth(request)
    assert sent["authorization"] == request.headers["Authorization"]
    assert sent["x-amz-date"] == request.headers["X-Amz-Date"]
    assert sent.get("x-amz-security-token") == token
    assert json.loads(body) == REQUEST


@pytest.mark.parametrize("failure", [BUSY, BROKEN, b"", b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{"])
def test_failed_read_is_tried_once_more(failure: bytes) -> None:
    with replaying(failure, FOUND) as replay:
        assert _dynamodb(replay.url).get_item(**REQUEST) == ITEM
    with replaying(failure, failure, FOUND) as replay:
        with pytest.raises((AwsError, exceptions.HTTPError)):
            _dynamodb(replay.url).get_item(**REQUEST)
        assert len(replay.requests) == 2


def test_silent_dynamodb_ends_in_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "READ_SECONDS", 0.1)
    with replaying(None, None) as replay, pytest.raises(exceptions.ReadTimeoutError):
        _dynamodb(replay.url).get_item(**REQUEST)


def test_connection_that_dynamodb_has_closed_is_replaced() -> None:
    with replaying(FOUND, FOUND, FOUND) as replay:
        client = _dynamodb(replay.url)
        assert client.get_item(**REQUEST) == client.get_item(**REQUEST) == ITEM
    assert len(replay.requests) == 2


def test_error_has_the_code_for_the_log_and_no_text_of_the_response() -> None:
    with replaying(DENIED, FOUND) as replay, pytest.raises(AwsError) as caught:
        _dynamodb(replay.url).get_item(**REQUEST)
    assert len(replay.requests) == 1
    assert (caught.value.operation_name, aws.error_code(caught.value)) == ("GetItem", "AccessDeniedException")
    assert "a-secret" not in str(caught.value)


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Return the root of a DynamoDB with a certificate, and the file with its only valid root."""
    with replaying(FOUND) as replay, TlsProxy(urlsplit(replay.url).port or 0) as proxy:
        proxy.authority.cert_pem.write_to_path(tmp_path / "roots.pem")
        yield f"https://127.0.0.1:{proxy.port}", str(tmp_path / "roots.pem")


def test_certificate_must_come_from_one_of_the_roots(tls: tuple[str, str]) -> None:
    url, roots = tls
    with pytest.raises(exceptions.SSLError):
        _dynamodb(url).get_item(**REQUEST)  # public roots
    with pytest.raises(exceptions.SSLError):
        _dynamodb(url.replace("127.0.0.1", "127.1"), AWS_CA_BUNDLE=roots).get_item(**REQUEST)  # another host
    assert _dynamodb(url, AWS_CA_BUNDLE=roots).get_item(**REQUEST) == ITEM


# Every operation, with bytes wherever it has them, and its response.
ROW = {"id": {"S": "a"}, "sealed": {"B": b"\x00\xff"}, "B": {"S": "text"}}
OPERATIONS: dict[str, tuple[dict[str, Any], str]] = {
    "get_item": (REQUEST, '{"Item":{"id":{"S":"a"},"sealed":{"B":"AP8="},"B":{"S":"text"}}}'),
    "put_item": (
        {"TableName": "t", "Item": ROW, "ExpressionAttributeValues": {":now": {"N": "1"}, ":old": {"B": b"\x01"}}},
        "{}",
    ),
    "update_item": (
        {"TableName": "t", "Key": {"id": {"S": "a"}}, "UpdateExpression": "SET sealed = :s", "ReturnValues": "ALL_NEW"},
        '{"Attributes":{"sealed":{"B":"AP8="},"expires_at":{"N":"12"}}}',
    ),
    "delete_item": ({"TableName": "t", "Key": {"id": {"S": "a"}}}, '{"Attributes":{"id":{"S":"a"}}}'),
    "query": (
        {"TableName": "t", "IndexName": "sessions", "KeyConditionExpression": "user_key = :value"},
        '{"Items":[{"id":{"S":"a"}}],"Count":1,"LastEvaluatedKey":{"id":{"S":"a"}}}',
    ),
    "encrypt": (
        {"KeyId": "k", "Plaintext": b"\x00secret", "EncryptionContext": {"purpose": "session"}},
        '{"CiphertextBlob":"AP8=","KeyId":"k"}',
    ),
    "decrypt": ({"KeyId": "k", "CiphertextBlob": b"\x00\xff"}, '{"Plaintext":"AP8=","KeyId":"k"}'),
    "generate_mac": (
        {"KeyId": "k", "Message": b"message", "MacAlgorithm": "HMAC_SHA_256"},
        '{"Mac":"AP8=","KeyId":"k"}',
    ),
}
KINDS = {name: kind for kind in (DynamoDb, Kms) for name in OPERATIONS if hasattr(kind, name)}


@pytest.fixture(scope="module")
def session() -> botocore.session.Session:
    return botocore.session.get_session()


@pytest.mark.parametrize("name", OPERATIONS)
def test_request_and_result_are_those_of_botocore(name: str, session: botocore.session.Session) -> None:
    request, response = OPERATIONS[name]
    kind = KINDS[name]
    credentials: dict[str, Any] = {"aws_access_key_id": KEY_ID, "aws_secret_access_key": SECRET_KEY}
    with replaying(http(200, response), http(200, response)) as replay:
        client = session.create_client(kind.service, "eu-west-1", endpoint_url=replay.url, **credentials)
        theirs = getattr(client, name)(**request)
        client.close()
        ours = getattr(_client(kind, replay.url), name)(**request)
    del theirs["ResponseMetadata"]
    assert ours == theirs
    (their_head, their_body), (our_head, our_body) = map(_parts, replay.requests)
    assert our_body == their_body
    for header in ("x-amz-target", "content-type"):
        assert our_head[header] == their_head[header]


def test_clients_have_the_operations_that_the_roles_allow() -> None:
    actions = {action for function in FUNCTIONS for row in statements(function) for action in row["Action"]}
    allowed = {action for action in actions if action.startswith(("dynamodb:", "kms:"))}
    camel_case = {name: "".join(part.title() for part in name.split("_")) for name in OPERATIONS}
    assert {f"{KINDS[name].service}:{camel_case[name]}" for name in OPERATIONS} == allowed


@pytest.mark.parametrize("kind", [DynamoDb, Kms])
@pytest.mark.parametrize(
    ("region", "suffix"),
    [("eu-west-1", "amazonaws.com"), ("cn-north-1", "amazonaws.com.cn"), ("us-gov-west-1", "amazonaws.com")],
)
def test_address_is_that_of_botocore(
    kind: type[JsonClient],
    region: str,
    suffix: str,
    session: botocore.session.Session,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    credentials: dict[str, Any] = {"aws_access_key_id": KEY_ID, "aws_secret_access_key": SECRET_KEY}
    variables = {name.upper(): value for name, value in credentials.items()}
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name, value in (variables | {"AWS_DEFAULT_REGION": region, "URL_SUFFIX": suffix}).items():
        monkeypatch.setenv(name, value)
    expected = session.create_client(kind.service, region, **credentials).meta.endpoint_url
    made: Any = aws.dynamodb.__wrapped__() if kind is DynamoDb else aws.kms.__wrapped__()
    assert made.url == expected
    for function in resources("AWS::Lambda::Function").values():
        assert function["Environment"]["Variables"]["URL_SUFFIX"] == {"Ref": "AWS::URLSuffix"}


def test_failed_condition_has_the_current_row() -> None:
    code = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"
    response = http(400, json.dumps({"__type": code, "message": "m", "Item": {"sealed": {"B": "AP8="}}}))
    with replaying(response) as replay, pytest.raises(ConditionFailed) as caught:
        Table(cast("Any", _client(DynamoDb, replay.url)), "t").put({"id": "a"}, "attribute_not_exists(id)")
    assert caught.value.row == {"sealed": b"\x00\xff"}


def test_calls_at_the_same_time_have_a_connection_each_and_later_calls_use_these() -> None:
    connections = []
    both = threading.Barrier(2)

    class Server(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        waits = True

        def setup(self) -> None:
            super().setup()
            connections.append(self)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            if self.waits:
                both.wait(10)
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Do not log requests to the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        client = _dynamodb(f"http://127.0.0.1:{server.server_port}")
        assert together(lambda: client.get_item(**REQUEST), lambda: client.get_item(**REQUEST)) == ({}, {})
        Server.waits = False
        for _ in range(3):
            client.get_item(**REQUEST)
        assert len(connections) == 2
        server.shutdown()


def _client(kind: type[JsonClient], url: str) -> JsonClient:
    credentials = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    return kind(url, "eu-west-1", credentials, pause=lambda _: None)


def _parts(request: bytes) -> tuple[dict[str, str], Any]:
    """Return the headers of a request, by their names in lower case, and its JSON."""
    head, _, body = request.decode().partition("\r\n\r\n")
    lines = (line.split(": ", 1) for line in head.split("\r\n")[1:])
    return {name.lower(): value for name, value in lines}, json.loads(body)
