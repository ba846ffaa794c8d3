"""Reads rows of DynamoDB with the standard library only, for the authorizer.

Every request to a studio API may wait for the authorizer to start, and the import of botocore took most of that time.
The authorizer needs one operation: it reads a row. Reading changes nothing, so a failed read is always tried again.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import os
import ssl
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_OPERATION = "GetItem"
_TARGET = f"DynamoDB_20120810.{_OPERATION}"
_MEDIA_TYPE = "application/x-amz-json-1.0"

# Two tries, each with a limit for the connection and for each part of the response, as for all other calls of AWS.
# Seconds.
_TRIES = 2
_TIMEOUT = 1.5


class ReadFailed(Exception):
    """DynamoDB returned an error. The attributes are those of botocore's `ClientError`, which `log` recognizes."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(f"{_OPERATION} returned status {status}, {code}")
        self.operation_name = _OPERATION
        self.response = {"Error": {"Code": code}}
        # A server error, or too many requests at this moment (AWS documentation: Error handling with DynamoDB).
        self.is_temporary = status >= 500 or code in ("ProvisionedThroughputExceededException", "ThrottlingException")


class DynamoDbReader:
    """Has one method of a DynamoDB client. Its connection is kept, so one thread at a time can use it."""

    def __init__(
        self, url: str, region: str, environment: Mapping[str, str], seconds: Callable[[], float] = time.time
    ) -> None:
        """Take the root of DynamoDB. `environment` has the credentials and the name of the file with the TLS roots."""
        self._region = region
        self._key_id = environment["AWS_ACCESS_KEY_ID"]
        self._secret_key = environment["AWS_SECRET_ACCESS_KEY"]
        self._session_token = environment.get("AWS_SESSION_TOKEN")
        self._seconds = seconds
        parts = urlsplit(url)
        self._host = parts.netloc
        self._connection: http.client.HTTPConnection
        if parts.scheme == "https":
            roots = environment.get("AWS_CA_BUNDLE") or _public_roots()
            context = ssl.create_default_context(cafile=roots)
            self._connection = http.client.HTTPSConnection(self._host, timeout=_TIMEOUT, context=context)
        else:
            self._connection = http.client.HTTPConnection(self._host, timeout=_TIMEOUT)

    def get_item(self, **request: Any) -> dict[str, Any]:
        """Read a row, as the method of a DynamoDB client does; raises `ReadFailed`, `OSError`, `HTTPException`.

        Values of type binary stay encoded.
        """
        body = json.dumps(request).encode()
        for is_last in (False, True):
            try:
                return self._send(body)
            except (ReadFailed, OSError, http.client.HTTPException) as error:
                if is_last or (isinstance(error, ReadFailed) and not error.is_temporary):
                    raise
        raise AssertionError("the last try returns or raises")

    def _send(self, body: bytes) -> dict[str, Any]:
        try:
            self._connection.request("POST", "/", body, self._headers(body))
            response = self._connection.getresponse()
            content = response.read()
        except BaseException:
            self._connection.close()  # the next try uses a new one
            raise
        if response.status != 200:
            raise ReadFailed(response.status, _error_code(content))
        found: dict[str, Any] = json.loads(content)
        return found

    def _headers(self, body: bytes) -> dict[str, str]:
        """Return the headers with the signature (AWS documentation: Create a signed AWS API request)."""
        now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._seconds()))
        headers = {"Content-Type": _MEDIA_TYPE, "Host": self._host, "X-Amz-Date": now}
        if self._session_token:
            headers["X-Amz-Security-Token"] = self._session_token
        headers["X-Amz-Target"] = _TARGET  # the last one: the signature needs them in alphabetical order
        names = ";".join(headers).lower()
        lines = "".join(f"{name.lower()}:{value}\n" for name, value in headers.items())
        request = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
        scope = f"{now[:8]}/{self._region}/dynamodb/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
        key = f"AWS4{self._secret_key}".encode()
        for part in (*scope.split("/"), text):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = f"Credential={self._key_id}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
        return headers | {"Authorization": f"AWS4-HMAC-SHA256 {signature}"}


def client() -> DynamoDBClient:
    """Return a reader for the region of the function, or for local AWS. Of a client, it only has `get_item`."""
    url = os.environ.get("AWS_ENDPOINT_URL") or os.environ["DYNAMODB_URL"]
    return cast("DynamoDBClient", DynamoDbReader(url, os.environ["AWS_DEFAULT_REGION"], os.environ))


def _error_code(content: bytes) -> str:
    """Return the name of DynamoDB's error; "" if the response has none."""
    try:
        return str(json.loads(content)["__type"]).rpartition("#")[2]
    except (ValueError, KeyError, TypeError):
        return ""


def _public_roots() -> str:
    import certifi  # only in partitions without AWS_CA_BUNDLE

    return certifi.where()
