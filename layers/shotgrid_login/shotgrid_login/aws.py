"""The clients of DynamoDB and KMS. Each is created once per function instance.

botocore signs the requests and urllib3 sends them. botocore's own clients are not used: their import and their creation
took most of a cold start. The functions need eight operations, each of which is one request with JSON. Arguments,
results and the attributes of errors are those of botocore's clients, so these can be used in place of ours: the command
for operators and the tests do so.
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from urllib3 import PoolManager, Timeout, exceptions

from shotgrid_login import tls

if TYPE_CHECKING:
    from botocore.credentials import ReadOnlyCredentials
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kms import KMSClient

# DynamoDB and KMS respond within milliseconds. Fail and retry early: a function can have to wait for the site and then
# for two calls that hang, and API Gateway stops waiting after 29 s. Seconds: for a connection, for each part of a
# response, and the pause before the second try after an error of AWS.
CONNECT_SECONDS = 1.0
READ_SECONDS = 1.5
PAUSE_SECONDS = 0.1

# More calls at the same time than a request makes (`parallel.together`). Each has a connection, which is kept.
MOST_CONNECTIONS = 10

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


class Credentials(NamedTuple):
    """What the signature is made with. The class of botocore would import the ways to find credentials."""

    access_key: str
    secret_key: str
    token: str | None


class JsonClient:
    """Sends signed requests to one service. Threads can use it at the same time.

    A call is tried twice, as botocore does: after a broken connection, a server error, and too many calls. So a write
    may have been made before its second try.
    """

    service = ""
    target = ""  # the first part of the header that names the operation
    media_type = ""

    def __init__(
        self, url: str, region: str, environment: Mapping[str, str], pause: Callable[[float], None] = time.sleep
    ) -> None:
        """Take the root of the service. `environment` has the credentials and the name of the file with the roots."""
        self.url = url
        self._pause = pause
        # Lambda does not change them while a function instance lives.
        token = environment.get("AWS_SESSION_TOKEN")
        credentials = Credentials(environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"], token)
        self._signer = SigV4Auth(cast("ReadOnlyCredentials", credentials), self.service, region)
        self._http = PoolManager(
            maxsize=MOST_CONNECTIONS, retries=False, timeout=Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
        )
        if url.startswith("https:"):
            # Without a file with Amazon's roots, all public roots are trusted.
            self._http.connection_pool_kw["ssl_context"] = tls.context(environment.get("AWS_CA_BUNDLE") or None)

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the result of an operation; raises `AwsError`, `urllib3.exceptions.HTTPError`."""
        body = json.dumps(request, default=_base64).encode()
        try:
            return self._send(operation, body)
        except AwsError as error:
            if not error.is_temporary:
                raise
            self._pause(PAUSE_SECONDS)
        except exceptions.HTTPError:
            # Lambda may have frozen the function for longer than AWS keeps connections. So use a new one.
            self._http.clear()
        return self._send(operation, body)

    def _send(self, operation: str, body: bytes) -> dict[str, Any]:
        headers = {"Content-Type": self.media_type, "X-Amz-Target": f"{self.target}.{operation}"}
        url = f"{self.url}/"
        request = AWSRequest("POST", url, headers, body)
        self._signer.add_auth(request)
        signed = dict(request.headers.items())
        response = self._http.urlopen("POST", url, body=body, headers=signed, redirect=False)
        if response.status != 200:
            raise AwsError(operation, response.status, _error_body(response.data))
        result: dict[str, Any] = json.loads(response.data, object_hook=_with_bytes)
        return result


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
