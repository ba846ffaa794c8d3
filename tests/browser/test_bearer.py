"""`login.fetch`: which origins receive which token, and which requests are sent twice."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Page

from tests.site.fake_site import Account
from tests.support.browser import Monitor
from tests.support.client import Gateway, expire_access_token
from tests.support.pages import Form, hold, run

pytestmark = pytest.mark.usefixtures("signed_in_form")

INVALID_ORIGINS = ("http://a.example", "https://a.example/", "https://a.example/path", "a.example", "*")

# Starts a request for shots. `stop()` aborts it, and `outcome` becomes its status, or the code or name of its error.
START_REQUEST = """
  const stop = new AbortController();
  globalThis.stop = () => stop.abort();
  globalThis.outcome = login.fetch(`${login.site}/api/v1/entity/shots`, { signal: stop.signal })
    .then((response) => response.status, (error) => (error.name === "LoginError" ? error.code : error.name));
"""


class Api:
    """A server with its own origin. It allows every page, and records the requests."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, str | None]] = []  # method, path, authorization
        self.redirects_to = ""
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                api.requests.append((self.command, self.path, self.headers["authorization"]))
                self.send_response({"/rejected": 401, "/moved": 307}.get(self.path, 200))
                if self.path == "/moved":
                    self.send_header("location", api.redirects_to)
                self._end_headers_for_all_origins()

            def do_OPTIONS(self) -> None:
                self.send_response(204)
                self._end_headers_for_all_origins()

            def _end_headers_for_all_origins(self) -> None:
                self.send_header("access-control-allow-origin", "*")
                self.send_header("access-control-allow-headers", "authorization, content-type, x-own")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Do not log requests to the terminal."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        serve = self.server.serve_forever
        threading.Thread(target=serve, kwargs={"poll_interval": 0.02}, daemon=True).start()


@pytest.fixture
def api() -> Iterator[Api]:
    yield from _serve()


@pytest.fixture
def other_api() -> Iterator[Api]:
    yield from _serve()


def _serve() -> Iterator[Api]:
    running = Api()
    yield running
    running.server.shutdown()
    running.server.server_close()


def test_site_receives_its_token_and_added_origins_receive_the_api_token(
    page: Page, user: Account, monitor: Monitor, gateway: Gateway, api: Api, other_api: Api
) -> None:
    monitor.bearer_origins.add(api.origin)
    code = """
      login.addOrigin(values.added);
      await login.fetch(`${login.site}/api/v1/entity/shots`);
      await login.fetch(new Request(`${values.added}/a`, { headers: { "x-own": "kept" } }));
      await login.fetch(new URL(`${values.other}/b`));
      await login.fetch("/");
      return [await login.accessToken(), await login.apiToken()];
    """
    access_token, api_token = run(page, code, added=api.origin, other=other_api.origin)
    assert access_token in gateway.site.secrets
    assert api_token not in gateway.site.secrets
    (shots,) = monitor.requests_to("/api/v1/entity/shots")
    assert shots.headers["authorization"] == f"Bearer {access_token}"
    assert api.requests == [("GET", "/a", f"Bearer {api_token}")]
    assert other_api.requests == [("GET", "/b", None)]
    (own,) = monitor.requests_to("/")
    assert "authorization" not in own.headers
    assert gateway.site.reads_by(user) == 2  # one by the page itself
    for origin in INVALID_ORIGINS:
        assert run(page, "login.addOrigin(values.origin)", origin=origin) == "TypeError", origin


def test_redirect_of_a_request_with_a_token_is_not_followed(
    page: Page, monitor: Monitor, api: Api, other_api: Api
) -> None:
    api.redirects_to = f"{other_api.origin}/there"
    assert run(page, "return (await login.fetch(values.url)).status;", url=f"{api.origin}/moved") == 200
    assert other_api.requests == [("GET", "/there", None)]  # without a token

    monitor.bearer_origins.add(api.origin)
    fetch = "login.addOrigin(values.added); return (await login.fetch(`${values.added}/moved`, values.init)).type;"
    for init in ({}, {"redirect": "follow"}):
        assert run(page, fetch, added=api.origin, init=init) == "TypeError"
    assert run(page, fetch, added=api.origin, init={"redirect": "manual"}) == "opaqueredirect"
    assert len(api.requests) == 1 + 3
    assert len(other_api.requests) == 1
    monitor.expect("net::ERR_FAILED")


def test_request_that_an_api_rejects_is_repeated_only_with_a_new_api_token(
    page: Page, user: Account, monitor: Monitor, gateway: Gateway, api: Api
) -> None:
    monitor.bearer_origins.add(api.origin)
    code = "login.addOrigin(values.added); return (await login.fetch(`${values.added}/rejected`)).status;"
    assert run(page, code, added=api.origin) == 401
    assert len(api.requests) == 1
    assert gateway.site.requests_for(user, "refresh_token") == 0

    token = run(page, "return login.apiToken();")
    (cookie,) = page.context.cookies()
    expire_access_token(gateway, cookie["value"])  # the API knows that before the page does
    assert run(page, code, added=api.origin) == 401
    new_token = run(page, "return login.apiToken();")
    assert [authorization for *_, authorization in api.requests[1:]] == [f"Bearer {token}", f"Bearer {new_token}"]
    assert new_token != token
    monitor.expect_status(401, "/rejected")


def test_search_with_an_ended_token_is_repeated_with_its_body(
    page: Page, user: Account, monitor: Monitor, gateway: Gateway
) -> None:
    gateway.site.end_access_tokens(user)
    code = """
      const response = await login.fetch(`${login.site}/api/v1/entity/shots/_search`, {
        method: "POST",
        headers: { "content-type": "application/vnd+shotgun.api3_array+json" },
        body: JSON.stringify({ filters: [["code", "is", values.shot]], fields: ["code"] }),
      });
      return [response.status, JSON.stringify((await response.json()).data.map((shot) => shot.attributes.code))];
    """
    shot = gateway.site.show.shots[0].code
    status, codes = run(page, code, shot=shot)
    assert (status, json.loads(codes)) == (200, [shot])
    assert len(monitor.requests_to("/api/v1/entity/shots/_search")) == 2
    monitor.expect_status(401, "/_search")


def test_get_without_a_response_is_repeated_after_a_refresh_and_later_ones_cause_no_other(
    page: Page, user: Account, monitor: Monitor, gateway: Gateway
) -> None:
    refreshes = len(monitor.requests_to("/auth/refresh"))
    gateway.site.switch(user, data_fault="503")
    gateway.site.switch(cors_on_errors=False)
    try:
        for times_sent in (2, 3, 4):
            assert run(page, "await login.fetch(`${login.site}/api/v1/entity/shots`);") == "TypeError"
            assert len(monitor.requests_to("/api/v1/entity/shots")) == times_sent
    finally:
        gateway.site.switch(cors_on_errors=True)
    assert len(monitor.requests_to("/auth/refresh")) == refreshes + 1
    assert gateway.site.requests_for(user, "refresh_token") == 1
    monitor.expect("blocked by CORS policy", "net::ERR_FAILED")


def test_post_without_a_response_is_not_repeated(page: Page, user: Account, monitor: Monitor, gateway: Gateway) -> None:
    gateway.site.switch(user, data_fault="503")
    gateway.site.switch(cors_on_errors=False)
    try:
        code = "await login.fetch(`${login.site}/api/v1/entity/shots/_search`, { method: 'POST' });"
        assert run(page, code) == "TypeError"
    finally:
        gateway.site.switch(cors_on_errors=True)
    assert len(monitor.requests_to("/api/v1/entity/shots/_search")) == 1
    monitor.expect("blocked by CORS policy", "net::ERR_FAILED")


def abort_while_held(page: Page, user: Account, gateway: Gateway, fault: str) -> None:
    """Start a request, abort it while the site holds a request to the routes of `fault`, and expect its end."""
    gateway.site.switch(user, **{fault: "hold"})
    run(page, START_REQUEST)
    assert gateway.site.held.acquire(timeout=30)
    try:
        page.evaluate("stop()")
        assert page.evaluate("outcome") == "AbortError"
    finally:
        gateway.site.switch(user, **{fault: ""})
        gateway.site.release()


def test_aborted_request_causes_no_refresh_and_rejects_at_once_during_one(
    page: Page, user: Account, monitor: Monitor, gateway: Gateway
) -> None:
    refreshes = len(monitor.requests_to("/auth/refresh"))
    abort_while_held(page, user, gateway, "data_fault")
    assert len(monitor.requests_to("/auth/refresh")) == refreshes
    gateway.site.end_access_tokens(user)
    abort_while_held(page, user, gateway, "fault")
    monitor.expect_status(401, "/entity/shots")


def test_request_after_sign_out_is_not_sent_and_one_before_it_is_not_repeated_for_the_next_user(
    page: Page, user: Account, signed_in_form: Form, monitor: Monitor, gateway: Gateway
) -> None:
    held_request = hold(page, "**/entity/shots", times=1)
    run(page, START_REQUEST)
    request = held_request()
    signed_in_form.sign_out()
    reads = gateway.site.reads_by(user)
    assert run(page, f"await login.fetch('{gateway.site.url}/api/v1/entity/shots');") == "signed_out"
    assert run(page, "return login.accessToken();") == "signed_out"
    assert run(page, "return login.apiToken();") == "signed_out"
    assert run(page, "return [login.user, login.site, login.state];") == [None, None, "signed_out"]
    assert gateway.site.reads_by(user) == reads

    next_user = gateway.new_user(two_factor=False)
    signed_in_form.sign_in(next_user)
    gateway.site.end_sessions(user)
    request.continue_()  # with the bearer of the user who has signed out
    assert page.evaluate("outcome") == "session_ended"
    monitor.expect_status(401, "/entity/shots")
    assert gateway.site.reads[next_user.login, "/api/v1/entity/shots"] == 0
