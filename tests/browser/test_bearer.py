"""`login.fetch`: where the bearer goes and where not, and which requests are sent twice."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Page, Route

from tests.browser.conftest import Watch
from tests.site.fake_site import Account
from tests.support.client import Gateway, until
from tests.support.pages import Form, run


class Api:
    """A server of an origin of its own, which a page may read, and what it was sent."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str | None]] = []  # method, path, authorization
        self.redirects_to = ""
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                api.seen.append((self.command, self.path, self.headers["authorization"]))
                self.send_response({"/refused": 401, "/moved": 307}.get(self.path, 200))
                if self.path == "/moved":
                    self.send_header("location", api.redirects_to)
                self._shared()

            def do_OPTIONS(self) -> None:
                self.send_response(204)
                self._shared()

            def _shared(self) -> None:
                self.send_header("access-control-allow-origin", "*")
                self.send_header("access-control-allow-headers", "authorization, content-type, x-own")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Keep the terminal for what matters."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


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


@pytest.fixture
def user(form: Form, gateway: Gateway) -> Account:
    """Somebody who is signed in on the page."""
    signed_in = gateway.new_user(two_factor=False)
    form.sign_in(signed_in)
    return signed_in


def test_the_bearer_goes_to_the_site_and_the_named_origins_and_nowhere_else(
    page: Page, user: Account, watch: Watch, gateway: Gateway, api: Api, other_api: Api
) -> None:
    watch.bearers_may_go_to.add(api.origin)
    code = """
      login.addOrigin(values.named);
      await login.fetch(`${login.site}/api/v1/entity/projects`);
      await login.fetch(new Request(`${values.named}/a`, { headers: { "x-own": "kept" } }));
      await login.fetch(new URL(`${values.other}/b`));
      await login.fetch("/");
      return login.accessToken();
    """
    token = run(page, code, named=api.origin, other=other_api.origin)
    assert api.seen == [("GET", "/a", f"Bearer {token}")]
    assert other_api.seen == [("GET", "/b", None)]
    (own,) = watch.asked("/")
    assert "authorization" not in own.headers
    assert gateway.site.reads_by(user) == 2  # the page itself, and this


def test_a_redirect_to_another_origin_takes_no_bearer_along(
    page: Page, user: Account, watch: Watch, api: Api, other_api: Api
) -> None:
    watch.bearers_may_go_to.add(api.origin)
    api.redirects_to = f"{other_api.origin}/there"
    run(page, "login.addOrigin(values.named); await login.fetch(`${values.named}/moved`);", named=api.origin)
    assert [(path, authorization is None) for _, path, authorization in api.seen] == [("/moved", False)]
    assert other_api.seen == [("GET", "/there", None)]


@pytest.mark.parametrize(
    "origin", ["http://api.studio.com", "https://api.studio.com/", "https://api.studio.com/path", "api.studio.com", "*"]
)
def test_an_origin_that_is_none_is_refused(page: Page, user: Account, origin: str) -> None:
    assert run(page, "login.addOrigin(values.origin)", origin=origin) == "TypeError"


def test_an_api_that_refuses_a_good_token_is_asked_once(
    page: Page, user: Account, watch: Watch, gateway: Gateway, api: Api
) -> None:
    watch.bearers_may_go_to.add(api.origin)
    code = "login.addOrigin(values.named); return (await login.fetch(`${values.named}/refused`)).status;"
    assert run(page, code, named=api.origin) == 401
    assert len(api.seen) == 1
    assert gateway.site.requests_for(user, "refresh_token") == 0
    watch.expect_status(401, "/refused")


def test_a_refused_search_is_sent_again_with_its_body(
    page: Page, user: Account, watch: Watch, gateway: Gateway
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
    assert len(watch.asked("/api/v1/entity/shots/_search")) == 2
    watch.expect_status(401, "/_search")


@pytest.mark.parametrize(("method", "route", "sent"), [("GET", "shots", 2), ("POST", "shots/_search", 1)])
def test_what_had_no_answer_is_sent_again_only_if_it_only_reads(
    page: Page, user: Account, watch: Watch, gateway: Gateway, method: str, route: str, sent: int
) -> None:
    gateway.site.switch(user, data_fault="503")
    gateway.site.switch(cors_on_errors=False)
    try:
        code = "await login.fetch(`${login.site}/api/v1/entity/${values.route}`, { method: values.method });"
        assert run(page, code, method=method, route=route) == "TypeError"
    finally:
        gateway.site.switch(cors_on_errors=True)
    assert len(watch.asked(f"/api/v1/entity/{route}")) == sent
    watch.expect("blocked by CORS policy", "net::ERR_FAILED")


def test_what_the_page_aborts_asks_nobody_else(page: Page, user: Account, watch: Watch, gateway: Gateway) -> None:
    before = len(watch.asked("/auth/refresh"))
    gateway.site.switch(user, data_fault="hold")
    code = """
      const stop = new AbortController();
      const response = login.fetch(`${login.site}/api/v1/entity/shots`, { signal: stop.signal });
      await login.accessToken();
      setTimeout(() => stop.abort());
      await response;
    """
    assert run(page, code) == "AbortError"
    gateway.site.switch(user, data_fault="")
    gateway.site.release()
    assert len(watch.asked("/auth/refresh")) == before


def test_after_sign_out_nothing_is_sent(page: Page, user: Account, form: Form, gateway: Gateway) -> None:
    form.sign_out.click()
    form.username.wait_for()
    before = gateway.site.reads_by(user)
    assert run(page, f"await login.fetch('{gateway.site.url}/api/v1/entity/shots');") == "signed_out"
    assert run(page, "return login.accessToken();") == "signed_out"
    assert run(page, "return [login.user, login.site, login.state];") == [None, None, "signed_out"]
    assert gateway.site.reads_by(user) == before


def test_a_page_that_gives_up_is_not_kept_waiting(page: Page, user: Account, watch: Watch, gateway: Gateway) -> None:
    gateway.site.end_access_tokens(user)
    gateway.site.switch(user, fault="hold")
    code = """
      const stop = new AbortController();
      const response = login.fetch(`${login.site}/api/v1/entity/shots`, { signal: stop.signal });
      globalThis.stop = () => stop.abort();
      globalThis.outcome = response.catch((error) => error.name);
    """
    run(page, code)
    assert gateway.site.held.acquire(timeout=30)
    page.evaluate("stop()")
    try:
        assert page.evaluate("outcome") == "AbortError"
        watch.expect_status(401, "/entity/shots")
    finally:
        gateway.site.switch(user, fault="")
        gateway.site.release()


def test_nothing_of_one_person_is_sent_as_another(
    page: Page, user: Account, form: Form, watch: Watch, gateway: Gateway
) -> None:
    held: list[Route] = []
    page.route("**/entity/shots", lambda route: held.append(route))
    run(
        page,
        """globalThis.outcome = login.fetch(`${login.site}/api/v1/entity/shots`)
             .then((response) => response.status, (error) => error.code);""",
    )
    until(lambda: page.evaluate("1") and held)
    form.sign_out.click()
    other = gateway.new_user(two_factor=False)
    form.sign_in(other)
    gateway.site.end_sessions(user)
    held[0].continue_()  # with the bearer of the one who has signed out
    assert page.evaluate("outcome") == "session_ended"
    watch.expect_status(401, "/entity/shots")
    assert gateway.site.reads[other.login, "/api/v1/entity/shots"] == 0


def test_requests_without_an_answer_make_one_refresh(page: Page, user: Account, watch: Watch, gateway: Gateway) -> None:
    gateway.site.switch(user, data_fault="503")
    gateway.site.switch(cors_on_errors=False)
    try:
        for _ in range(4):
            assert run(page, "await login.fetch(`${login.site}/api/v1/entity/shots`);") == "TypeError"
    finally:
        gateway.site.switch(cors_on_errors=True)
    assert gateway.site.requests_for(user, "refresh_token") == 1
    watch.expect("blocked by CORS policy", "net::ERR_FAILED")
