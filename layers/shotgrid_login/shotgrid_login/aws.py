"""The clients of DynamoDB and KMS, with the standard library only. Each is created once per function instance.

The import of botocore took most of a cold start. The functions need eight operations, each of which is one signed
request with JSON. Arguments, results and the attributes of errors are those of botocore, so its clients can be used in
place of these: the command for operators and the tests do so.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import os
import ssl
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kms import KMSClient

# DynamoDB and KMS respond within milliseconds. Fail and retry early: a function can have to wait for the site and then
# for two calls that hang, and API Gateway stops waiting after 29 s. Seconds: for a connection, for each part of a
# response, and for the pause before the second try after an error of AWS.
CONNECT_SECONDS = 1.0
READ_SECONDS = 1.5
PAUSE_SECONDS = 0.2

# Errors of too many calls at the moment (AWS documentation: Error handling with DynamoDB; KMS: Throttling requests).
_THROTTLED = {
    "LimitExceededException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ThrottlingException",
}

# Members of requests and responses that are bytes. JSON has them as base64. `B` is the type of an attribute.
_BINARY = {"B", "CiphertextBlob", "Mac", "Plaintext"}


class AwsError(Exception):
    """AWS returned an error. The attributes are those of botocore's `ClientError`. The text has no part of a row."""

    def __init__(self, operation: str, status: int, body: Mapping[str, Any]) -> None:
        code = str(body.get("__type", "")).rpartition("#")[2]
        super().__init__(f"{operation} returned status {status}, {code}")
        self.operation_name = operation
        self.response = {**body, "Error": {"Code": code}}
        self.is_temporary = status >= 500 or code in _THROTTLED


def error_code(error: Exception) -> str:
    """Return the code of an error that AWS returned; "" for all other exceptions."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


class JsonClient:
    """Signs and sends requests to one service. Threads can use it at the same time.

    A call is tried twice, as botocore does: after a broken connection, a server error, and too many calls. So a write
    may have been made before its second try.
    """

    service = ""
    target = ""  # the first part of the header that names the operation
    media_type = ""

    def __init__(
        self,
        url: str,
        region: str,
        environment: Mapping[str, str],
        seconds: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take the root of the service. `environment` has the credentials and the name of the file with the roots."""
        self.url = url
        self._region = region
        self._key_id = environment["AWS_ACCESS_KEY_ID"]
        self._secret_key = environment["AWS_SECRET_ACCESS_KEY"]
        self._session_token = environment.get("AWS_SESSION_TOKEN")
        self._seconds = seconds
        self._pause = pause
        parts = urlsplit(url)
        self._host = parts.netloc
        self._tls = _tls_context(environment.get("AWS_CA_BUNDLE")) if parts.scheme == "https" else None
        self._idle: list[http.client.HTTPConnection] = []  # kept connections that no thread uses

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the result of an operation; raises `AwsError`, `OSError`, `HTTPException`."""
        body = json.dumps(request, default=_base64).encode()
        try:
            return self._send(operation, body)
        except AwsError as error:
            if not error.is_temporary:
                raise
            self._pause(PAUSE_SECONDS)
        except (OSError, http.client.HTTPException):
            # Lambda may have frozen the function for longer than AWS keeps connections. So use a new one.
            self.close()
        return self._send(operation, body)

    def close(self) -> None:
        """Close the kept connections that no thread uses."""
        with contextlib.suppress(IndexError):
            while True:
                self._idle.pop().close()

    def _send(self, operation: str, body: bytes) -> dict[str, Any]:
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        try:
            connection.request("POST", "/", body, self._headers(operation, body))
            response = connection.getresponse()
            content = response.read()
        except BaseException:
            connection.close()
            raise
        self._idle.append(connection)
        if response.status != 200:
            raise AwsError(operation, response.status, _error_body(content))
        result: dict[str, Any] = json.loads(content, object_hook=_with_bytes)
        return result

    def _connect(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection
        if self._tls is None:
            connection = http.client.HTTPConnection(self._host, timeout=CONNECT_SECONDS)
        else:
            connection = http.client.HTTPSConnection(self._host, timeout=CONNECT_SECONDS, context=self._tls)
        connection.connect()
        connection.sock.settimeout(READ_SECONDS)
        return connection

    def _headers(self, operation: str, body: bytes) -> dict[str, str]:
        """Return the headers with the signature (AWS documentation: Create a signed AWS API request)."""
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._seconds()))
        headers = {"Content-Type": self.media_type, "Host": self._host, "X-Amz-Date": now}
        if self._session_token:
            headers["X-Amz-Security-Token"] = self._session_token
        headers["X-Amz-Target"] = f"{self.target}.{operation}"  # the last one: the signature needs alphabetical order
        names = ";".join(headers).lower()
        lines = "".join(f"{name.lower()}:{value}\n" for name, value in headers.items())
        request = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
        scope = f"{now[:8]}/{self._region}/{self.service}/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        key = f"AWS4{self._secret_key}".encode()
        for part in (*scope.split("/"), text):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = f"Credential={self._key_id}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
        return headers | {"Authorization": f"AWS4-HMAC-SHA256 {signature}"}


class DynamoDb(JsonClient):
    """The operations of DynamoDB that the functions call."""

    service = "dynamodb"
    target = "DynamoDB_20120810"
    media_type = "application/x-amz-json-1.0"

    def get_item(self, **request: Any) -> dict[str, Any]:
        """Read a row."""
        return self.call("GetItem", request)

    def put_item(self, **request: Any) -> dict[str, Any]:
        """Write a row."""
        return self.call("PutItem", request)

    def update_item(self, **request: Any) -> dict[str, Any]:
        """Change a row."""
        return self.call("UpdateItem", request)

    def delete_item(self, **request: Any) -> dict[str, Any]:
        """Delete a row."""
        return self.call("DeleteItem", request)

    def query(self, **request: Any) -> dict[str, Any]:
        """Read rows of an index."""
        return self.call("Query", request)


class Kms(JsonClient):
    """The operations of KMS that the functions call."""

    service = "kms"
    target = "TrentService"
    media_type = "application/x-amz-json-1.1"

    def encrypt(self, **request: Any) -> dict[str, Any]:
        """Encrypt up to 4,096 bytes."""
        return self.call("Encrypt", request)

    def decrypt(self, **request: Any) -> dict[str, Any]:
        """Decrypt what `encrypt` returned."""
        return self.call("Decrypt", request)

    def generate_mac(self, **request: Any) -> dict[str, Any]:
        """Compute an HMAC."""
        return self.call("GenerateMac", request)


@cache
def dynamodb() -> DynamoDBClient:
    """Return the DynamoDB client."""
    return cast("DynamoDBClient", _client(DynamoDb))


@cache
def kms() -> KMSClient:
    """Return the KMS client."""
    return cast("KMSClient", _client(Kms))


def _client(kind: type[JsonClient]) -> JsonClient:
    """Return a client for the region of the function, or for local AWS."""
    region = os.environ["AWS_DEFAULT_REGION"]
    local = os.environ.get("AWS_ENDPOINT_URL")
    return kind(local or f"https://{kind.service}.{region}.{os.environ['URL_SUFFIX']}", region, os.environ)


@cache
def _tls_context(roots: str | None) -> ssl.SSLContext:
    """Return the TLS settings. Without a file with Amazon's roots, all public roots are trusted."""
    if not roots:
        import certifi

        roots = certifi.where()
    return ssl.create_default_context(cafile=roots)


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _with_bytes(values: dict[str, Any]) -> dict[str, Any]:
    """Decode the members that are bytes. An attribute with the name of one is an object, and not a text."""
    for name in values.keys() & _BINARY:
        if isinstance(values[name], str):
            values[name] = base64.b64decode(values[name])
    return values


def _error_body(content: bytes) -> dict[str, Any]:
    try:
        body = json.loads(content, object_hook=_with_bytes)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
