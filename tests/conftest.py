"""The stack that the suite runs against: the real template on local AWS, with the fake site as its site.

Each pytest process has its own, on free ports, so that the suite runs side by side with itself.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.local.stack import CERTIFICATE, DOMAIN, ROOT, LocalAws
from tests.site.fake_site import FakeSite
from tests.site.show import make_show
from tests.support.client import ORIGINS, Gateway
from tests.support.door import Door
from tests.support.studio_apis import KINDS, StudioApi, deploy_api, host_of

README = (ROOT / "README.md").read_text()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that look back at the others behind them, whatever the order of those."""
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


@pytest.fixture(scope="session")
def site() -> Iterator[FakeSite]:
    with FakeSite(show=make_show(datetime.now(UTC).date())) as running:
        yield running


@pytest.fixture(scope="session")
def aws() -> Iterator[LocalAws]:
    with LocalAws(record_calls=True) as running:
        yield running


@pytest.fixture(scope="session")
def pages_port(aws: LocalAws, site: FakeSite, door: Door) -> Iterator[int]:
    """Serve the README's pages by their titles, and a blank one, for whatever host under `localhost`.

    Under `/door/` they come to the gateway by the door, and under `/http/` the studio's API is the HTTP API.
    """
    pages = {"/": "<!doctype html><title>A hosted page</title>", "/favicon.ico": ""}
    for page in re.findall(r"```html\n(.*?)```", README, re.DOTALL):
        title = re.search("<title>(.*)</title>", page)
        assert title, page
        name = title[1].replace(" ", "-").lower()
        for folder, port, kind in (("", aws.port, "rest"), ("/door", door.port, "rest"), ("/http", aws.port, "http")):
            pages[f"{folder}/{name}"] = (
                page.replace("https://login.studio.com", f"http://{DOMAIN}:{port}")
                .replace("https://studio.shotgrid.autodesk.com", site.url)
                .replace("https://api.studio.com", f"http://{host_of(kind, aws)}")
            )
    # The page that moves by one URL is the one before it moved, with the README's changes.
    (change,) = re.findall(r"```diff\n(.*?)```", README, re.DOTALL)
    moved = pages["/before"]
    for old, new in re.findall(r"^-(.*)\n\+(.*)$", change, re.MULTILINE):
        assert moved.count(old) == 1, old
        moved = moved.replace(old, new)
    pages["/moved"] = moved.replace("https://login.studio.com", f"http://{DOMAIN}:{aws.port}")

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path in pages else 404)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(pages.get(self.path, "").encode())

        def log_message(self, *_: object) -> None:
            """Keep the terminal for what matters."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(scope="session")
def door(aws: LocalAws) -> Iterator[Door]:
    """The gateway by another port, where it can be down for one page and not for the rest of the suite."""
    way = Door(aws.port)
    yield way
    way.shut()


@pytest.fixture(scope="session")
def gateway(aws: LocalAws, site: FakeSite, pages_port: int, door: Door) -> Gateway:
    """The stack on its custom domain, as `make run` deploys it."""
    outputs = aws.deploy(
        {
            "ShotGridSiteUrl": site.url,
            "AllowedOrigins": ",".join(
                [
                    ORIGINS,
                    *(f"http://{DOMAIN}:{port}" for port in (aws.port, door.port)),
                    *(f"http://{host}:{pages_port}" for host in (f"pages.{DOMAIN}", "elsewhere.localhost")),
                ]
            ),
            "DomainName": DOMAIN,
            "CertificateArn": CERTIFICATE,
        }
    )
    return Gateway(aws, site, outputs, host=f"{DOMAIN}:{aws.port}")


@pytest.fixture(scope="session")
def studio_apis(aws: LocalAws, gateway: Gateway, pages_port: int) -> dict[str, StudioApi]:
    """The example APIs beside the gateway, which is then told of them and of their rules."""
    apis = {kind: deploy_api(aws, kind, f"http://pages.{DOMAIN}:{pages_port}") for kind in KINDS}
    aws.deploy(
        {
            "AuthorizerApis": ",".join(api.named for api in apis.values()),
            "AuthorizerRules": ",".join(api.rules for api in apis.values()) + ";",
        },
        gateway.stack,
    )
    return apis


@pytest.fixture(scope="session")
def other_gateway(aws: LocalAws, site: FakeSite) -> Gateway:
    """A second stack in the same account, without a domain, an example or reserved concurrency."""
    outputs = aws.deploy(
        {
            "ShotGridSiteUrl": site.url,
            "AllowedOrigins": ORIGINS,
            "ReservedConcurrency": "0",
            "ServeExample": "false",
        },
        "other-login",
    )
    api_id = outputs["Url"].removeprefix("https://").partition(".")[0]
    host = f"{api_id}.execute-api.localhost:{aws.port}"
    return Gateway(aws, site, outputs, host, base_path="/v1", stack="other-login")
