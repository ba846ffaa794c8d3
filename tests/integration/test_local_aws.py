"""Local AWS is closed to web pages and to other machines, and the deployed APIs are open to pages."""

from __future__ import annotations

import contextlib
import re
import socket
from pathlib import Path

import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.local.stack import DOMAIN, LocalAws
from tests.support.client import PAGE, Gateway
from tests.support.signatures import in_header, in_query

LISTEN = "0A"  # the state of a listening socket in /proc/net/tcp
LOOPBACK = {"0100007F", "00000000000000000000000001000000"}  # 127.0.0.1 and ::1 in /proc/net/tcp and /proc/net/tcp6

UNKNOWN_ROUTE = "Missing Authentication Token"  # the emulator's response of an API that does not have the route


def list_tables(aws: LocalAws, **headers: str) -> requests.Response:
    sent = in_header("dynamodb") | {
        "host": f"127.0.0.1:{aws.port}",
        "x-amz-target": "DynamoDB_20120810.ListTables",
        "content-type": "application/x-amz-json-1.0",
    }
    sent |= {name.replace("_", "-"): value.replace("PORT", str(aws.port)) for name, value in headers.items()}
    return requests.post(aws.endpoint, "{}", headers={name: value for name, value in sent.items() if value}, timeout=60)


def assert_rejected(response: requests.Response) -> None:
    assert response.status_code == 403
    assert response.text.startswith("This is local AWS.")
    assert not [name for name in response.headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize("host", ["127.0.0.1:PORT", "localhost:PORT"])
def test_signed_call_of_a_tool_is_accepted(aws: LocalAws, host: str) -> None:
    assert "TableNames" in list_tables(aws, host=host).json()


@pytest.mark.parametrize("header", ["origin", "sec_fetch_site", "sec_fetch_mode", "sec_fetch_dest", "sec_ch_ua"])
def test_call_with_a_header_of_browsers_is_rejected(aws: LocalAws, header: str) -> None:
    assert_rejected(list_tables(aws, **{header: "null"}))


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:PORT",
        "evil.localhost:PORT",
        "localhost.evil.example:PORT",
        "127.0.0.1",
        "localhost",
        "127.0.0.1:80",
        "127.0.0.2:PORT",
        "127.1:PORT",
        "0.0.0.0:PORT",
        "[::1]:PORT",
        "dynamodb.us-east-1.localhost:PORT",
        "bucket.s3.localhost:PORT",
        f"{'a' * 32}.lambda-url.us-east-1.localhost:PORT",
        "x.cloudfront.localhost:PORT",
        "LOCALHOST.:PORT",
    ],
)
def test_call_at_another_host_is_rejected(aws: LocalAws, host: str) -> None:
    assert_rejected(list_tables(aws, host=host))


@pytest.mark.parametrize("authorization", ["", "Basic dGVzdDp0ZXN0", "Bearer AWS4-HMAC-SHA256 Credential=test"])
def test_call_without_a_signature_in_the_header_is_rejected(aws: LocalAws, authorization: str) -> None:
    """An image of a page needs no header of its own, and old browsers send none with it. `user:secret@` is `Basic`."""
    assert_rejected(list_tables(aws, authorization=authorization))
    user = {"Action": "CreateUser", "Version": "2010-05-08", "UserName": "planted"}
    assert_rejected(requests.get(aws.endpoint, user | in_query("iam"), timeout=60))


def test_preflight_of_a_call_is_rejected(aws: LocalAws) -> None:
    headers = {
        "origin": PAGE,
        "access-control-request-method": "POST",
        "access-control-request-headers": "x-amz-target",
    }
    assert_rejected(requests.options(aws.endpoint, headers=headers, timeout=60))


@pytest.mark.parametrize(
    "path",
    [
        "/_ministack/health",
        "/_ministack/reset",
        "/_ministack/config",
        "/_ministack/lambda-code/x",
        "/_ministack/rds/iam-auth",
        "/_localstack/health",
        "/_aws/ses/messages",
        "/_aws/execute-api/API/v1/auth/methods",
        "/restapis/API/v1/_user_request_/auth/methods",
        "/iceberg/v1/config",
        "/v2/email/identities",
        "/v2/_catalog",
        "/oauth2/authorize",
        "/Execute",
    ],
)
def test_emulator_serves_nothing_of_its_own_on_the_hosts_of_an_api(gateway: Gateway, path: str) -> None:
    """The request reaches the gateway's API, which has no such route, or it is rejected."""
    api = api_of(gateway)
    path = path.replace("API", api)
    for method in ("GET", "POST"):
        for host, base in ((gateway.host, ""), (f"{api}.execute-api.localhost", "/v1")):
            headers = in_header("iam") | {"host": host, "origin": PAGE}
            response = requests.request(method, f"{gateway.aws.endpoint}{base}{path}", headers=headers, timeout=60)
            assert response.status_code in (403, 404), response.text
            assert re.search(f'"code": "not_found"|"{UNKNOWN_ROUTE}"|^This is local AWS', response.text), response.text


def test_page_reaches_the_gateway_by_its_domain_and_by_the_id_of_its_api(gateway: Gateway) -> None:
    for host, base in ((f"{DOMAIN}:1", ""), (f"{api_of(gateway)}.execute-api.localhost:2", "/v1")):
        headers = {"host": host, "origin": PAGE, "sec-fetch-site": "same-site", "sec-fetch-mode": "cors"}
        response = requests.get(f"{gateway.aws.endpoint}{base}/auth/methods", headers=headers, timeout=60)
        assert response.status_code == 200
        assert response.headers["access-control-allow-origin"] == PAGE


def test_management_of_websockets_is_not_open_to_pages(gateway: Gateway) -> None:
    sent = {"host": f"{api_of(gateway)}.execute-api.localhost", "origin": PAGE} | in_header("execute-api")
    assert_rejected(requests.post(f"{gateway.aws.endpoint}/v1/@connections/x", "x", headers=sent, timeout=60))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", DOMAIN, "data.iot.us-east-1.localhost", "x.appsync-realtime-api.localhost"]
)
def test_websocket_of_a_service_is_rejected(aws: LocalAws, host: str) -> None:
    with (
        pytest.raises(InvalidStatus, match="403"),
        connect(
            f"ws://{host}:{aws.port}/_aws/execute-api/00000000/v1",
            sock=socket.create_connection(("127.0.0.1", aws.port)),
            proxy=None,
            subprotocols=["mqtt"],  # type: ignore[list-item]
        ),
    ):
        pass


def test_local_aws_and_its_functions_listen_only_on_loopback(gateway: Gateway) -> None:
    assert gateway.caller().methods().status == 200  # a function has a process
    listening = {
        line.split()[9]: line.split()[1].partition(":")[0]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if line.split()[3] == LISTEN
    }
    processes = [Path("/proc") / str(process) for process in gateway.aws.processes()]
    assert len(processes) > 1
    inodes = set[str]()
    for process in processes:
        with contextlib.suppress(FileNotFoundError):  # the process has ended in the meantime
            for link in (process / "fd").iterdir():
                with contextlib.suppress(FileNotFoundError):  # or has closed a file
                    inodes.add(link.readlink().name.removeprefix("socket:[").removesuffix("]"))
    found = {address for inode, address in listening.items() if inode in inodes}
    assert found
    assert found <= LOOPBACK


def test_functions_share_one_copy_of_each_layer(gateway: Gateway) -> None:
    assert gateway.caller().methods().status == 200
    gateway.caller().refresh("invalid")
    folders = gateway.aws.log.parent.glob(f"ministack-lambda-{gateway.stack}-*/layer_*")
    links = [link for link in folders if link.suffix != ".zip"]
    assert len(links) >= 4
    assert all(link.is_symlink() for link in links)
    assert len({link.resolve() for link in links}) == 2


def api_of(gateway: Gateway) -> str:
    """Return the id of the gateway's API."""
    return gateway.aws.resource("Api", gateway.stack)
