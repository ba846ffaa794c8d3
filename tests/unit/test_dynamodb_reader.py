"""The reader of the authorizer: its signature is that of botocore, and a failed read is tried once more."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import botocore.auth
import botocore.session
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from shotgrid_login import dynamodb_reader
from shotgrid_login.dynamodb_reader import DynamoDbReader, ReadFailed
from tests.local.tls import TlsProxy
from tests.support.replay import http, replaying
from tests.support.template import resources

ITEM = {"Item": {"id": {"S": "a"}, "expires_at": {"N": "1"}}}
FOUND = http(200, json.dumps(ITEM))
BUSY = http(400, '{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"}')
DENIED = http(400, '{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"a-secret"}')
BROKEN = http(500, "<html>")
# The example of AWS documentation.
KEY_ID, SECRET_KEY = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOW = datetime(2027, 1, 15, 8, 0, 0, tzinfo=UTC)
REQUEST = {"TableName": "bearers", "Key": {"id": {"S": "a"}}, "ConsistentRead": True}


def _reader(url: str, **environment: str) -> DynamoDbReader:
    credentials = {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    return DynamoDbReader(url, "eu-west-1", credentials | environment, seconds=NOW.timestamp)


@pytest.mark.parametrize("token", [None, "a-session-token=="])
def test_signature_is_that_of_botocore(token: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    with replaying(FOUND) as replay:
        assert _reader(replay.url, **{"AWS_SESSION_TOKEN": token} if token else {}).get_item(**REQUEST) == ITEM
    head, _, body = replay.requests[0].decode().partition("\r\n\r\n")
    sent = {name.lower(): value for name, value in (line.split(": ", 1) for line in head.split("\r\n")[1:])}
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: NOW)
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
        assert _reader(replay.url).get_item(**REQUEST) == ITEM
    with replaying(failure, failure, FOUND) as replay:
        with pytest.raises((ReadFailed, OSError, HTTPException)):
            _reader(replay.url).get_item(**REQUEST)
        assert len(replay.requests) == 2


def test_silent_dynamodb_ends_in_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamodb_reader, "_TIMEOUT", 0.1)
    with replaying(None, None) as replay, pytest.raises(TimeoutError):
        _reader(replay.url).get_item(**REQUEST)


def test_connection_that_dynamodb_has_closed_is_replaced() -> None:
    with replaying(FOUND, FOUND, FOUND) as replay:
        reader = _reader(replay.url)
        assert reader.get_item(**REQUEST) == reader.get_item(**REQUEST) == ITEM
    assert len(replay.requests) == 2


def test_error_has_the_code_for_the_log_and_no_text_of_the_response() -> None:
    with replaying(DENIED, FOUND) as replay, pytest.raises(ReadFailed) as caught:
        _reader(replay.url).get_item(**REQUEST)
    assert len(replay.requests) == 1
    assert (caught.value.operation_name, caught.value.response) == (
        "GetItem",
        {"Error": {"Code": "AccessDeniedException"}},
    )
    assert "a-secret" not in str(caught.value)


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Return the root of a DynamoDB with a certificate, and the file with its only valid root."""
    with replaying(FOUND) as replay, TlsProxy(urlsplit(replay.url).port or 0) as proxy:
        proxy.authority.cert_pem.write_to_path(tmp_path / "roots.pem")
        yield f"https://127.0.0.1:{proxy.port}", str(tmp_path / "roots.pem")


def test_certificate_must_come_from_one_of_the_roots(tls: tuple[str, str]) -> None:
    url, roots = tls
    with pytest.raises(ssl.SSLCertVerificationError):
        _reader(url).get_item(**REQUEST)  # public roots
    with pytest.raises(ssl.SSLCertVerificationError):
        _reader(url.replace("127.0.0.1", "127.1"), AWS_CA_BUNDLE=roots).get_item(**REQUEST)  # another host
    assert _reader(url, AWS_CA_BUNDLE=roots).get_item(**REQUEST) == ITEM


@pytest.mark.parametrize(("region", "suffix"), [("eu-west-1", "amazonaws.com"), ("cn-north-1", "amazonaws.com.cn")])
def test_address_is_that_of_botocore(region: str, suffix: str) -> None:
    client = botocore.session.get_session().create_client(
        "dynamodb", region, aws_access_key_id=KEY_ID, aws_secret_access_key=SECRET_KEY
    )
    variables = resources("AWS::Lambda::Function")["AuthorizerFunction"]["Environment"]["Variables"]
    url = variables["DYNAMODB_URL"]["Fn::Sub"].replace("${AWS::Region}", region)
    assert url.replace("${AWS::URLSuffix}", suffix) == client.meta.endpoint_url
