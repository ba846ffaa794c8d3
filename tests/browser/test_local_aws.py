"""A web page attacks the local AWS of a developer who has opened the page.

tests/integration/test_local_aws.py sends such requests without a browser, with one header at a time.
"""

from __future__ import annotations

import base64
import io
import json
import zipfile
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.exceptions import ClientError
from playwright.sync_api import BrowserContext

from tests.support.client import Gateway
from tests.support.signatures import in_header, in_query

# Returns what the page can read of a response, or the name of the error.
FETCH = "([url, options]) => fetch(url, options).then((response) => response.text(), (error) => error.name)"
LOAD_IMAGE = """
(url) => new Promise((resolve) => {
  const image = new Image();
  image.onload = image.onerror = resolve;
  image.src = url;
})
"""


@pytest.mark.parametrize("host", ["evil.localhost", "pages.login.localhost"])
def test_page_can_neither_read_nor_change_local_aws(
    context: BrowserContext, gateway: Gateway, pages_port: int, host: str
) -> None:
    aws = gateway.aws
    page = context.pages[0]
    page.goto(f"http://{host}:{pages_port}/")
    sealed = aws.client("kms").encrypt(KeyId=gateway.outputs["KeyArn"], Plaintext=b"token")["CiphertextBlob"]
    for service, target, call in (
        ("dynamodb", "DynamoDB_20120810.ListTables", {}),
        ("dynamodb", "DynamoDB_20120810.Scan", {"TableName": gateway.outputs["StateTable"]}),
        ("kms", "TrentService.Decrypt", {"CiphertextBlob": base64.b64encode(sealed).decode()}),
    ):
        headers = in_header(service) | {"x-amz-target": target, "content-type": "application/x-amz-json-1.1"}
        options = {"method": "POST", "headers": headers, "body": json.dumps(call)}
        assert page.evaluate(FETCH, [aws.endpoint, options]) == "TypeError", target

    # Requests without a preflight
    functions = f"{aws.endpoint}/2015-03-31/functions"
    for mode in ("cors", "no-cors"):
        options = {"method": "POST", "mode": mode, "body": json.dumps(_function(gateway))}
        assert page.evaluate(FETCH, [f"{functions}?{urlencode(in_query('lambda'))}", options]) in ("TypeError", "")
    assert page.evaluate(FETCH, [f"{functions}?{urlencode(in_query('lambda'))}", {}]) == "TypeError"
    user = {"Action": "CreateUser", "Version": "2010-05-08", "UserName": "planted"}
    page.evaluate(LOAD_IMAGE, f"{aws.endpoint}/?{urlencode(user | in_query('iam'))}")
    for path in ("/_ministack/reset", "/_ministack/config"):
        page.evaluate(FETCH, [f"http://{gateway.host}{path}", {"method": "POST", "mode": "no-cors", "body": "{}"}])

    with pytest.raises(ClientError, match="ResourceNotFound"):
        aws.client("lambda").get_function(FunctionName="planted")
    with pytest.raises(ClientError, match="NoSuchEntity"):
        aws.client("iam").get_user(UserName="planted")
    assert gateway.outputs["StateTable"] in aws.client("dynamodb").list_tables()["TableNames"]


def _function(gateway: Gateway) -> dict[str, Any]:
    """Return the call that creates a function with code of the page's owner."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("app.py", "def handler(event, context): return 1")
    name = gateway.aws.resource("PagesRole")
    return {
        "FunctionName": "planted",
        "Runtime": "python3.13",
        "Handler": "app.handler",
        "Role": gateway.aws.client("iam").get_role(RoleName=name)["Role"]["Arn"],
        "Code": {"ZipFile": base64.b64encode(archive.getvalue()).decode()},
    }
