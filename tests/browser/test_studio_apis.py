"""The documents' page that reads a studio API, with the example APIs, and a WebSocket of a page."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page
from websockets.sync.server import ServerConnection, serve

from shotgrid_login.bearers import bearer_id
from tests.site.fake_site import Account
from tests.support.authorizer_events import websocket_connect
from tests.support.browser import Monitor
from tests.support.client import Gateway
from tests.support.pages import Form, open_form, run, wait_for_text
from tests.support.studio_apis import StudioApi

PATHS = {"rest": "/own-api", "http": "/http/own-api"}

# The emulator's HTTP API sends its error responses without CORS headers, so a page cannot read them.
WITH_READABLE_ERRORS = pytest.mark.parametrize("api", ["rest"], indirect=True)


@pytest.fixture(params=PATHS)
def api(request: pytest.FixtureRequest, studio_apis: dict[str, StudioApi], monitor: Monitor) -> StudioApi:
    api = studio_apis[request.param]
    monitor.bearer_origins.add(f"http://{api.host}")
    return api


@pytest.fixture
def form(page: Page, gateway: Gateway, api: StudioApi, pages_port: int) -> Form:
    """Open the page that reads `api`. No user is signed in."""
    return open_form(page, gateway, f"http://pages.login.localhost:{pages_port}{PATHS[api.kind]}", "password")


def test_page_reads_the_api_as_the_signed_in_user(page: Page, form: Form, gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=True)
    form.sign_in(user)
    wait_for_text(page.locator("output"), f"The API knows {user.name}")
    form.sign_out()
    next_user = gateway.new_user(two_factor=False)
    form.sign_in(next_user)
    wait_for_text(page.locator("output"), f"The API knows {next_user.name}")


@WITH_READABLE_ERRORS
def test_page_can_read_the_401_for_an_expired_bearer_and_the_403_for_the_wrong_permission_group(
    page: Page, form: Form, monitor: Monitor, gateway: Gateway, api: StudioApi
) -> None:
    form.sign_in(gateway.new_user(two_factor=False))
    wait_for_text(page.locator("output"), "The API knows")
    api.cache_for(0)
    try:
        token = run(page, "return login.apiToken();")
        gateway.bearers.set(bearer_id(token), expires_at=1)
        code = "return (await login.fetch(values.url)).status;"
        assert run(page, code, url=f"http://{api.host}/shots/7") == 401
    finally:
        api.cache_for(60)
    assert len(monitor.requests_to("/shots/7")) == 1
    monitor.expect_status(401, "/shots/7")
    form.sign_out()

    requests = len(monitor.requests_to("/shots"))
    user = gateway.new_user(two_factor=False)
    user.permission_group = "Vendor"
    form.sign_in(user)
    wait_for_text(page.locator("output"), "Rejected: 403")
    assert len(monitor.requests_to("/shots")) == requests + 1
    monitor.expect_status(403, "/shots")


class WebSocketServer:
    """A server on loopback that chooses the subprotocol of the documents."""

    def __init__(self) -> None:
        self.requested_protocols: list[str] = []
        self.server = serve(self._greet, "127.0.0.1", 0, subprotocols=["shotgrid-login"])  # type: ignore[list-item]
        self.url = f"ws://127.0.0.1:{self.server.socket.getsockname()[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _greet(self, connection: ServerConnection) -> None:
        assert connection.request
        self.requested_protocols += connection.request.headers.get_all("Sec-WebSocket-Protocol")
        connection.send("welcome")


@pytest.fixture
def websocket_server() -> Iterator[WebSocketServer]:
    running = WebSocketServer()
    yield running
    running.server.shutdown()


@pytest.mark.usefixtures("signed_in_form")
def test_authorizer_accepts_what_a_browser_sends_with_a_websocket(
    page: Page, user: Account, gateway: Gateway, websocket_server: WebSocketServer
) -> None:
    code = """
      const socket = new WebSocket(values.url, ["shotgrid-login", `bearer.${await login.apiToken()}`]);
      const message = await new Promise((resolve, reject) => {
        socket.onmessage = ({ data }) => resolve(data);
        socket.onerror = () => reject(new Error("closed"));
      });
      return [message, socket.protocol];
    """
    assert run(page, code, url=websocket_server.url) == ["welcome", "shotgrid-login"]
    (protocols,) = websocket_server.requested_protocols
    event = websocket_connect(**{"Sec-WebSocket-Protocol": protocols})
    response = gateway.aws.client("lambda").invoke(
        FunctionName=gateway.outputs["AuthorizerArn"], Payload=json.dumps(event).encode()
    )
    result = json.loads(response["Payload"].read())
    assert result["context"]["login"] == user.login
