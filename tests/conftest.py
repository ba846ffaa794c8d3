"""The stack that the suite runs against: the real template on local AWS, with the stand-in as its site.

Each pytest process has its own, on free ports, so that the suite runs side by side with itself.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.client import ORIGINS, Gateway
from tests.local.stack import CERTIFICATE, DOMAIN, LocalAws
from tests.local.stand_in import StandIn


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests that look back at the others behind them, whatever the order of those."""
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


@pytest.fixture(scope="session")
def site() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


@pytest.fixture(scope="session")
def aws() -> Iterator[LocalAws]:
    with LocalAws(record_calls=True) as running:
        yield running


class _BlankPage(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>A hosted page</title>")

    def log_message(self, *_: object) -> None:
        """Keep the terminal for what matters."""


@pytest.fixture(scope="session")
def pages_port() -> Iterator[int]:
    """Serve a blank page for whatever host under `localhost`."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _BlankPage) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(scope="session")
def gateway(aws: LocalAws, site: StandIn, pages_port: int) -> Gateway:
    """The stack on its custom domain, as `make run` deploys it."""
    outputs = aws.deploy(
        {
            "ShotGridSiteUrl": site.url,
            "AllowedOrigins": f"{ORIGINS},http://pages.{DOMAIN}:{pages_port},http://elsewhere.localhost:{pages_port}",
            "DomainName": DOMAIN,
            "CertificateArn": CERTIFICATE,
        }
    )
    return Gateway(aws, site, outputs, host=f"{DOMAIN}:{aws.port}")


@pytest.fixture(scope="session")
def other_gateway(aws: LocalAws, site: StandIn) -> Gateway:
    """A second stack in the same account, without a domain and without reserved concurrency."""
    outputs = aws.deploy(
        {"ShotGridSiteUrl": site.url, "AllowedOrigins": ORIGINS, "ReservedConcurrency": "0"}, "other-login"
    )
    api_id = outputs["Url"].removeprefix("https://").partition(".")[0]
    return Gateway(aws, site, outputs, host=f"{api_id}.execute-api.localhost:{aws.port}", base_path="/v1")
