"""The stack that the tests call: the real template on local AWS, with the fake site as its site.

Each pytest process has a stack of its own, on free ports. So several processes can run at the same time.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import pytest
from hypothesis import settings
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.local import garbage
from tests.local.stack import CERTIFICATE, DOMAIN, LocalAws, free_port
from tests.local.tls import TlsProxy
from tests.site.fake_site import FakeSite
from tests.site.show import make_show
from tests.support.client import ORIGINS, Gateway
from tests.support.documented_pages import GATEWAY, SITE, STUDIO_API, documented_pages
from tests.support.every_parameter import every_parameter
from tests.support.proxy import Proxy
from tests.support.secrecy import known_secrets, secrets_in, secrets_in_logs, secrets_in_tables
from tests.support.studio_apis import StudioApi, deploy_studio_apis, host_of

# Each run of the suite tries the same examples, whichever tests ran before; `make soak` tries random ones. Hypothesis
# would also draw the constants of the modules that other tests have imported.
settings.register_profile("suite", derandomize=True, database=None, deadline=None)
settings.load_profile("suite")
providers._get_local_constants = Constants  # noqa: SLF001

garbage.collect_less()

# Files whose tests share an expensive fixture. One worker runs all tests of a group, so the fixture is set up once.
GROUPS = {
    "browser/test_browser_sign_in.py": "Identity site",
    "browser/test_studio_apis.py": "studio APIs",
    "end_to_end/test_check.py": "check",
    "end_to_end/test_docs.py": "make run",
    "end_to_end/test_live_api.py": "studio APIs",
    "end_to_end/test_openapi.py": "generated requests",
    "end_to_end/test_parameters.py": "second stack",
    "end_to_end/test_rehearsal.py": "rehearsal",
    "end_to_end/test_studio_apis.py": "studio APIs",
    "end_to_end/test_webhook_next_door.py": "webhook",
    "engines/test_main_flows.py": "engines",
    "integration/test_vendor_clients.py": "vendor clients",
    "unit/test_imports.py": "imports",
    # The translated template, which each process keeps.
    **dict.fromkeys(
        [
            "integration/test_calls.py",
            "integration/test_roles.py",
            "unit/test_authorizer_rules.py",
            "unit/test_aws.py",
            "unit/test_check_aws.py",
            "unit/test_check_gateway_responses.py",
            "unit/test_concurrency.py",
            "unit/test_configuration.py",
            "unit/test_costs.py",
            "unit/test_docs.py",
            "unit/test_environment.py",
            "unit/test_examples.py",
            "unit/test_layers.py",
            "unit/test_openapi.py",
            "unit/test_template.py",
            "unit/test_template_aliases.py",
            "unit/test_template_isolation.py",
            "unit/test_template_managed_accounts.py",
            "unit/test_time_limits.py",
            "unit/test_warm_up.py",
            "unit/test_watching.py",
        ],
        "template",
    ),
}


# Each worker needs a gigabyte of memory, and starts a browser and local AWS. One worker more than processors, because a
# test often waits.
MOST_WORKERS = 6


def pytest_xdist_auto_num_workers() -> int:
    return min((os.cpu_count() or 1) + 1, MOST_WORKERS)


class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives each worker whole groups, and otherwise single tests.

    xdist's own `--dist loadgroup` has no effect: xdist 3.8 sets an attribute that pytest 9.2 no longer reads.
    """

    def _split_scope(self, nodeid: str) -> str:
        return _group(nodeid) or nodeid


def _group(nodeid: str) -> str:
    """Return the group of a test; "" if it has none."""
    return GROUPS.get(nodeid.partition("::")[0].removeprefix("tests/"), "")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> GroupScheduling:
    return GroupScheduling(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run groups first: they take long, and at the end one worker would have to run a group while the others wait.

    The tests with the marker `last` run after all others: they check what the others have left behind.
    """
    garbage.collect_less()  # the collected tests stay, too
    items.sort(key=lambda item: (item.get_closest_marker("last") is not None, not _group(item.nodeid)))


@pytest.fixture(scope="session")
def site() -> Iterator[FakeSite]:
    with FakeSite(show=make_show(datetime.now(UTC).date())) as running:
        yield running


@pytest.fixture(scope="session")
def aws() -> Iterator[LocalAws]:
    with LocalAws() as running:
        yield running


@pytest.fixture(scope="session")
def pages_port(aws: LocalAws, site: FakeSite, proxy: Proxy) -> Iterator[int]:
    """Serve the pages of the documents, and an empty page at `/`. Any host under `localhost` reaches them.

    Under `/proxy/` a page calls the gateway through the proxy. Under `/http/` its studio API is the HTTP API.
    """
    pages = {"/": "<!doctype html><title>A hosted page</title>", "/favicon.ico": ""}
    for name, page in documented_pages().items():
        for folder, port, kind in (("", aws.port, "rest"), ("/proxy", proxy.port, "rest"), ("/http", aws.port, "http")):
            pages[f"{folder}/{name}"] = (
                page.replace(GATEWAY, f"http://{DOMAIN}:{port}")
                .replace(SITE, site.url)
                .replace(STUDIO_API, f"http://{host_of(kind, aws)}")
            )

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path in pages else 404)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(pages.get(self.path, "").encode())

        def log_message(self, *_: object) -> None:
            """Do not log requests to the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(scope="session")
def tls_pages_port() -> int:
    """Choose the port of the pages over TLS, which only the tests in Firefox and WebKitGTK start."""
    return free_port()


@pytest.fixture(scope="session")
def proxy(aws: LocalAws) -> Iterator[Proxy]:
    """Provide a second address of the gateway. Tests can stop it without stopping the gateway for other tests."""
    forwarding = Proxy(aws.port)
    yield forwarding
    forwarding.stop()


@pytest.fixture(scope="session")
def gateway(aws: LocalAws, site: FakeSite, pages_port: int, tls_pages_port: int, proxy: Proxy) -> Iterator[Gateway]:
    """Create the stack on its custom domain, as `make run` does. At the end, look for secrets where none must be."""
    outputs = aws.create(
        {
            "ShotGridSiteUrl": site.url,
            "AllowedOrigins": ",".join(
                [
                    ORIGINS,
                    *(f"http://{DOMAIN}:{port}" for port in (aws.port, proxy.port)),
                    *(f"http://{host}:{pages_port}" for host in (f"pages.{DOMAIN}", "elsewhere.localhost")),
                    *(f"https://{host}:{tls_pages_port}" for host in (DOMAIN, "elsewhere.localhost")),
                ]
            ),
            "DomainName": DOMAIN,
            "CertificateArn": CERTIFICATE,
            "DisableExecuteApiEndpoint": "true",  # has no effect on local AWS
        }
    )
    deployed = Gateway(aws, site, outputs, host=f"{DOMAIN}:{aws.port}")
    yield deployed
    assert secrets_in_logs(deployed) == []
    assert secrets_in_tables(deployed) == []
    assert secrets_in("\n".join(site.seen_addresses), known_secrets(deployed)) == []


@pytest.fixture(scope="session")
def studio_apis(aws: LocalAws, gateway: Gateway, pages_port: int) -> dict[str, StudioApi]:
    """Deploy the example APIs, then add them and their rules to the parameters of the gateway."""
    assert gateway.outputs["AuthorizerArn"]  # the examples import it
    return deploy_studio_apis(aws, f"http://pages.{DOMAIN}:{pages_port}")


@pytest.fixture(scope="session")
def other_gateway(aws: LocalAws, site: FakeSite) -> Iterator[Gateway]:
    """Create a second stack in the account, without a domain. All its other parameters differ from their defaults."""
    with TlsProxy(urlsplit(site.url).port or 0) as site_over_tls:
        outputs = aws.create(every_parameter(aws, site_over_tls), "other-login")
        api_id = outputs["Url"].removeprefix("https://").partition(".")[0]
        host = f"{api_id}.execute-api.localhost:{aws.port}"
        yield Gateway(aws, site, outputs, host, base_path="/v1", stack="other-login")
