"""The README's page that reads a studio's own API, against the example APIs, and a WebSocket of a page."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from websockets.sync.server import ServerConnection, serve

from shotgrid_login.bearers import bearer_id
from tests.browser.conftest import Watch
from tests.support.authorizer_events import websocket_connect
from tests.support.client import Gateway
from tests.support.pages import Form, run
from tests.support.studio_apis import StudioApi

pytestmark = pytest.mark.xdist_group("studio_apis")

PAGES = {"rest": "/own-api", "http": "/http/own-api"}

# The emulator's HTTP API leaves out the CORS headers of refusals, so that no page could read one.
READABLE_REFUSALS = pytest.mark.parametrize("api", ["rest"], indirect=True)


@pytest.fixture(params=PAGES)
def api(request: pytest.FixtureRequest, studio_apis: dict[str, StudioApi], watch: Watch) -> StudioApi:
    api = studio_apis[request.param]
    watch.bearers_may_go_to.add(f"http://{api.host}")
    return api


@pytest.fixture
def form(page: Page, gateway: Gateway, api: StudioApi, pages_port: int) -> Form:
    page.goto(f"http://pages.login.localhost:{pages_port}{PAGES[api.kind]}")
    shown = Form(page, gateway)
    expect(shown.username).to_be_visible()
    return shown


def test_the_page_reads_the_api_as_who_is_signed_in(page: Page, form: Form, gateway: Gateway, api: StudioApi) -> None:
    user = gateway.new_user(two_factor=True)
    form.sign_in(user)
    expect(page.locator("output")).to_have_text(f"The API knows {user.name}")
    form.sign_out.click()
    expect(form.username).to_be_visible()
    other = gateway.new_user(two_factor=False)
    form.sign_in(other)
    expect(page.locator("output")).to_have_text(f"The API knows {other.name}")


@READABLE_REFUSALS
def test_a_page_can_read_that_the_group_is_the_wrong_one(
    page: Page, form: Form, watch: Watch, gateway: Gateway, api: StudioApi
) -> None:
    user = gateway.new_user(two_factor=False)
    user.permission_group = "Vendor"
    form.sign_in(user)
    expect(page.locator("output")).to_have_text("Rejected: 403")
    assert len(watch.asked("/shots")) == 1
    watch.expect_status(403, "/shots")


@READABLE_REFUSALS
def test_a_bearer_that_has_ended_is_not_sent_forever(
    page: Page, form: Form, watch: Watch, gateway: Gateway, api: StudioApi
) -> None:
    form.sign_in(gateway.new_user(two_factor=False))
    expect(page.locator("output")).to_contain_text("The API knows")
    api.cache_for(0)
    try:
        token = run(page, "return login.accessToken();")
        (bearer,) = [row for row in gateway.bearers.all() if row["id"]["S"] == bearer_id(token)]
        gateway.bearers.set(bearer["id"]["S"], expires_at=1)
        code = "return (await login.fetch(values.address)).status;"
        assert run(page, code, address=f"http://{api.host}/shots/7") == 401
    finally:
        api.cache_for(60)
    assert len(watch.asked("/shots/7")) == 1
    watch.expect_status(401, "/shots/7")


class Live:
    """A WebSocket server on loopback that chooses the subprotocol that the README names."""

    def __init__(self) -> None:
        self.asked_with: list[str] = []
        self.server = serve(self._greet, "127.0.0.1", 0, subprotocols=["shotgrid-login"])  # type: ignore[list-item]
        self.url = f"ws://127.0.0.1:{self.server.socket.getsockname()[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _greet(self, connection: ServerConnection) -> None:
        assert connection.request
        self.asked_with += connection.request.headers.get_all("Sec-WebSocket-Protocol")
        connection.send("welcome")


@pytest.fixture
def live() -> Iterator[Live]:
    running = Live()
    yield running
    running.server.shutdown()


def test_what_a_browser_sends_with_a_websocket_is_what_the_authorizer_takes(
    page: Page, gateway: Gateway, live: Live, pages_port: int
) -> None:
    page.goto(f"http://pages.login.localhost:{pages_port}/projects")
    user = gateway.new_user(two_factor=False)
    Form(page, gateway).sign_in(user)
    code = """
      const socket = new WebSocket(values.url, ["shotgrid-login", `bearer.${await login.accessToken()}`]);
      const said = await new Promise((resolve, reject) => {
        socket.onmessage = ({ data }) => resolve(data);
        socket.onerror = () => reject(new Error("hung up"));
      });
      return [said, socket.protocol];
    """
    assert run(page, code, url=live.url) == ["welcome", "shotgrid-login"]
    (protocols,) = live.asked_with
    event = websocket_connect(**{"Sec-WebSocket-Protocol": protocols})
    response = gateway.aws.client("lambda").invoke(
        FunctionName=gateway.outputs["AuthorizerArn"], Payload=json.dumps(event).encode()
    )
    told = json.loads(response["Payload"].read())
    assert told["context"]["login"] == user.login
