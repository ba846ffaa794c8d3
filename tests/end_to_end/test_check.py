"""`shotgrid-login check` on a site and a deployed gateway, and at a terminal."""

from __future__ import annotations

import json
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from shotgrid_login import __version__
from shotgrid_login_ops.check import connection
from tests.site.fake_site import Account, FakeSite
from tests.support.check import (
    CODE,
    LOGIN,
    PASSWORD,
    SCRIPT,
    WAITING,
    Inputs,
    Typing,
    assert_has_next_step,
    check,
    check_at_terminal,
)
from tests.support.client import OTHER_PAGE, PAGE, Gateway
from tests.support.secrecy import known_secrets, secrets_in

SITE_LINES = [
    *("site.reachable", "site.tls", "site.version", "site.sign-in", "site.browser"),
    *("site.script", "site.user"),
]
MODULES = {"gateway.module", "gateway.element"}
# API Gateway makes these responses itself.
OWN = {f"gateway.{name}" for name in ("no-route", "no-route-bearer", "no-bearer", "invalid-bearer")}
CTRL_C = "\x03"
USER_LINES = ["user.cookie", "user.session", "user.refresh", "user.sign-out"]


@pytest.fixture
def studio() -> Iterator[FakeSite]:
    """A site for one test, with a script."""
    with FakeSite() as running:
        running.add_script(*SCRIPT.values())
        yield running


@pytest.fixture(autouse=True)
def long_time_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait longer for a response than the command does: local functions start slowly on a loaded machine."""
    for limit in ("READ_SECONDS", "RESPONSE_SECONDS", "TOTAL_SECONDS"):
        monkeypatch.setattr(connection, limit, 300)


def credentials(user: Account) -> Inputs:
    """Return what a user types at the terminal."""
    return [(LOGIN, user.login), (PASSWORD, user.password)]


# ---- at a terminal -----------------------------------------------------------------------------------------


def test_check_before_and_after_the_switch_shows_what_changes_and_no_secret(studio: FakeSite, tmp_path: Path) -> None:
    user = studio.add_user("a_username", "a-password-of-theirs")
    before, after = tmp_path / "before.json", tmp_path / "after.json"

    first = check_at_terminal(
        *(studio.url, "--user", "--json", f"--save={before}"),
        inputs=credentials(user),
        environment=SCRIPT,
    )
    assert first.code == 0, first
    assert list(first.lines) == SITE_LINES
    assert set(first.statuses().values()) == {"OK"}
    assert first.lines["site.sign-in"]["value"] == "default"
    assert first.lines["site.script"]["value"] == "works"
    assert first.lines["site.user"]["value"] == "signs in without a code"
    assert "pages that post to the site's token endpoint themselves break" in first.lines["site.user"]["meaning"]

    studio.switch(two_factor=True)
    backup_code = min(user.backup_codes)
    spaced_code = f" {backup_code[:4]} {backup_code[4:]} "
    second = check_at_terminal(
        *(studio.url, "--user", "--json", f"--save={after}", f"--compare={before}"),
        inputs=[*credentials(user), (CODE, spaced_code)],
        environment=SCRIPT,
    )
    assert second.code == 0, second
    assert second.statuses() == first.statuses() | {"site.user": "CHANGED"}
    assert second.lines["site.user"]["value"] == "requires a code"
    assert second.lines["site.user"]["was"] == "signs in without a code"
    assert studio.requests["a_username", "password"] == 3

    for result, file in ((first, before), (second, after)):
        saved = file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert json.loads(saved)["findings"].keys() == set(SITE_LINES)
        for secret in (*studio.secrets, spaced_code.strip()):
            assert secret not in result.out + result.terminal + saved
        for name in (user.login, *SCRIPT.values()):
            assert name not in result.out + saved


def test_sign_in_in_the_browser_at_a_terminal_shows_the_url_and_no_other_secret(studio: FakeSite) -> None:
    studio.switch(authentication_method="oxygen")
    user = studio.add_user("a_username", "an-autodesk-password", "autodesk")

    def approve() -> str:
        studio.approve(studio.approval_requests[0].id, user)
        return ""

    result = check_at_terminal(studio.url, "--user", "--json", inputs=[(LOGIN, ""), (WAITING, approve)])
    assert (result.code, result.lines["site.user"]["value"]) == (0, "signs in with the browser")
    url = studio.approval_requests[0].url
    assert "press Enter without a user name" in result.terminal
    assert f"\r\n  {url}\r\n" in result.terminal
    for secret in studio.secrets:
        assert secret not in result.out + result.terminal.replace(url, "")


def test_ctrl_c_while_waiting_for_the_approval_leaves_no_file(studio: FakeSite, tmp_path: Path) -> None:
    saved = tmp_path / "saved.json"
    studio.switch(authentication_method="saml2")
    result = check_at_terminal(studio.url, "--user", f"--save={saved}", inputs=[(WAITING, CTRL_C)])
    assert (result.code, result.out) == (130, "")
    assert "Interrupted; nothing was saved." in result.terminal
    assert "Traceback" not in result.terminal
    assert not saved.exists()


def test_ctrl_c_at_a_prompt_leaves_no_file(studio: FakeSite, tmp_path: Path) -> None:
    saved = tmp_path / "saved.json"
    result = check_at_terminal(
        *(studio.url, "--user", f"--save={saved}"), inputs=[(LOGIN, "a_username"), (PASSWORD, CTRL_C)]
    )
    assert (result.code, result.out) == (130, "")
    assert "Interrupted; nothing was saved." in result.terminal
    assert "Traceback" not in result.terminal
    assert not saved.exists()


# ---- a proxy in front of the gateway -----------------------------------------------------------------------


def url(gateway: Gateway) -> str:
    return f"http://{gateway.host}{gateway.base_path}"


Headers = dict[str, str]
Recorded = dict[tuple[str | bytes | None, ...], requests.Response]


@dataclass
class Proxy:
    """A proxy in front of a gateway.

    Attributes:
        change_response: changes the headers of each response.
        change_request: changes each request before it is sent.
        base_path: the path under which the proxy serves the gateway.
        maps_own_origin: pages on the proxy count as pages on the gateway's own site.
        recorded: responses to the requests of a check without a user, to reuse.
        signs_in: the check signs a user in. The responses to its other requests are reused, and none is added: a
            session changes the responses to the same requests.
    """

    gateway: Gateway
    change_response: Callable[[Headers], object] = lambda _: None
    change_request: Callable[[BaseHTTPRequestHandler], object] = lambda _: None
    base_path: str = ""
    maps_own_origin: bool = True
    recorded: Recorded = field(default_factory=dict)
    signs_in: bool = False

    def respond(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("content-length", 0)))
        self.change_request(request)
        response = self._forward(request, body)
        headers = {
            name.lower(): value
            for name, value in response.headers.items()
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server")
        }
        self.change_response(headers)
        request.send_response(response.status_code)
        for name, value in (headers | {"content-length": str(len(response.content))}).items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(response.content)

    def _forward(self, request: BaseHTTPRequestHandler, body: bytes) -> requests.Response:
        own_origin = f"http://{request.headers['host']}"
        headers = {**request.headers, "host": self.gateway.host}
        if self.maps_own_origin:
            headers = {name: url(self.gateway) if value == own_origin else value for name, value in headers.items()}
        path = request.path.removeprefix(self.base_path)
        key = (request.command, path, *map(request.headers.get, ("origin", "cookie", "authorization")), body)
        if key in self.recorded:
            return self.recorded[key]
        target = f"{self.gateway.aws.endpoint}{path}"
        response = requests.request(request.command, target, data=body, headers=headers, timeout=60)
        if not self.signs_in:
            self.recorded[key] = response
        return response


@contextmanager
def serving(proxy: Proxy) -> Iterator[str]:
    """Run a proxy on loopback, and yield its URL without the base path."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            proxy.respond(self)

        do_POST = do_OPTIONS = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Do not log requests to the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def recorded(gateway: Gateway) -> Recorded:
    """Return the responses that proxies of this module share, so that the same request reaches the gateway once."""
    responses: Recorded = {}
    with serving(Proxy(gateway, recorded=responses)) as proxy:
        check(gateway.site.url, "--gateway", proxy, "--origin", PAGE, "--origin", OTHER_PAGE)
    return responses


# ---- the gateway -------------------------------------------------------------------------------------------


def test_correct_gateway_has_no_problem_and_keeps_its_state(gateway: Gateway) -> None:
    rows, received = gateway.state.all(), dict(gateway.site.requests)
    result = check(gateway.site.url, "--json", "--gateway", url(gateway), "--origin", PAGE, "--origin", OTHER_PAGE)
    assert result.code == 0, result
    found = {name: line for name, line in result.lines.items() if name.startswith("gateway.")}
    # Local AWS passes the request on that API Gateway would reject.
    assert found.pop("gateway.bad-request")["status"] == "UNKNOWN"
    assert {line["status"] for line in found.values()} == {"OK"}
    assert found.keys() == {
        *(f"gateway.{name}" for name in ("no-route", "no-route-bearer", "no-bearer", "invalid-bearer", "origin-case")),
        *("gateway.compression", "gateway.version"),
        *(f"gateway.{name}" for name in ("reachable", "tls", "password", "otp", "refresh", "logout", "session")),
        *(f"gateway.{name}" for name in ("browser", "approval", "methods")),
        *(f"gateway.{name}" for name in ("token-endpoint", "headers", "cookies", "module", "element")),
        *(f"gateway.origin {origin}" for origin in (PAGE, OTHER_PAGE)),
        *(f"gateway.{name}" for name in ("strangers", "site")),
    }
    assert found["gateway.site"]["value"] == gateway.site.url
    assert found["gateway.version"]["value"] == __version__
    assert gateway.state.all() == rows
    assert dict(gateway.site.requests) == received


def test_origin_that_is_not_allowed_is_a_problem(gateway: Gateway, recorded: Recorded) -> None:
    origin = "https://pages.studio.example"
    with serving(Proxy(gateway, recorded=recorded)) as proxy:
        result = check(gateway.site.url, "--json", "--gateway", proxy, "--origin", origin)
    line = result.lines[f"gateway.origin {origin}"]
    assert (result.code, line["status"], line["value"]) == (1, "PROBLEM", "rejected")
    assert "AllowedOrigins" in line["next_step"]


def drop(name: str) -> Callable[[Headers], object]:
    return lambda headers: headers.pop(name, None)


def add(name: str, value: str) -> Callable[[Headers], object]:
    return lambda headers: headers.update({name: value})


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        (drop("x-content-type-options"), {"gateway.headers", *OWN, *MODULES}),
        (drop("strict-transport-security"), {"gateway.headers", *OWN}),
        (drop("referrer-policy"), {"gateway.headers", *OWN}),
        (drop("content-security-policy"), {"gateway.headers", *OWN}),
        (add("cache-control", "max-age=60"), {"gateway.headers", *OWN}),
        (drop("x-request-id"), {"gateway.headers", *OWN}),
        (add("content-encoding", "identity"), {"gateway.compression"}),
        (add("set-cookie", "AWSALB=x; Path=/"), {"gateway.cookies"}),
        (add("access-control-allow-origin", "*"), {f"gateway.origin {PAGE}", *OWN}),
        (
            add("access-control-allow-origin", "https://not-allowed.invalid"),
            {f"gateway.origin {PAGE}", *MODULES},
        ),
        (drop("access-control-allow-credentials"), {f"gateway.origin {PAGE}", *OWN}),
        (drop("access-control-allow-methods"), {f"gateway.origin {PAGE}"}),
        (add("content-type", "application/octet-stream"), MODULES),
        (drop("cross-origin-resource-policy"), MODULES),
    ],
)
def test_changed_response_header_is_a_problem(
    gateway: Gateway, recorded: Recorded, change: Callable[[Headers], object], broken: set[str]
) -> None:
    with serving(Proxy(gateway, change, recorded=recorded)) as proxy:
        result = check(gateway.site.url, "--json", "--gateway", proxy, "--origin", PAGE)
    problems = {name for name, status in result.statuses().items() if status == "PROBLEM"}
    assert result.code == 1
    assert problems == broken
    for name in problems:
        assert_has_next_step(result.lines[name])


def test_responses_that_pages_of_any_origin_can_read_are_a_problem(gateway: Gateway, recorded: Recorded) -> None:
    def allow_unlisted_origin(headers: Headers) -> None:
        headers |= {
            "access-control-allow-origin": "https://not-allowed.invalid",
            "access-control-allow-credentials": "true",
        }

    with serving(Proxy(gateway, allow_unlisted_origin, recorded=recorded)) as proxy:
        result = check(gateway.site.url, "--json", "--gateway", proxy)
    assert (result.code, result.statuses()["gateway.strangers"]) == (1, "PROBLEM")


def test_gateway_that_does_not_receive_the_origin_is_a_problem(gateway: Gateway, recorded: Recorded) -> None:
    def drop_origin(request: BaseHTTPRequestHandler) -> None:
        del request.headers["origin"]

    with serving(Proxy(gateway, change_request=drop_origin, recorded=recorded)) as proxy:
        result = check(gateway.site.url, "--json", "--gateway", proxy)
    assert (result.code, result.lines["gateway.strangers"]["value"]) == (1, "400 invalid_request")


@pytest.mark.parametrize(
    "path",
    [
        *("/auth/otp", "/auth/session", "/auth/methods", "/auth/browser", "/auth/approval"),
        *("/shotgrid-login.js", "/shotgrid-login-browser.js", "/api/v1/auth/access_token"),
    ],
)
def test_missing_route_is_a_problem_that_names_it(gateway: Gateway, recorded: Recorded, path: str) -> None:
    def miss(request: BaseHTTPRequestHandler) -> None:
        request.path = "/nothing-here" if request.path == path else request.path

    with serving(Proxy(gateway, change_request=miss, recorded=recorded)) as proxy:
        result = check(gateway.site.url, "--json", "--gateway", proxy)
    broken = [line for line in result.lines.values() if line["status"] == "PROBLEM"]
    assert result.code == 1
    assert {path in line["meaning"] for line in broken} == {True}
    # Three lines are about the route that API Gateway itself rejects.
    assert len(broken) == (3 if path == "/auth/session" else 1)
    assert "Deploy the stack" in broken[0]["next_step"]


# ---- browser sign-in through the gateway ------------------------------------------------------------


@dataclass
class Approver:
    """A user at the approval pages: the first request is that of the check itself, the second that of the gateway."""

    site: FakeSite
    user: Account
    at_the_gateway: Callable[[str], object] | None = None  # instead of the approval of the second request
    urls: list[str] = field(default_factory=list)

    def __call__(self, url: str) -> None:
        self.urls.append(url)
        if len(self.urls) == 2 and self.at_the_gateway:
            self.at_the_gateway(url)
        else:
            self.site.approve(url, self.user)


@pytest.mark.parametrize("origins", [[PAGE], [OTHER_PAGE, PAGE], []])
def test_user_signs_in_in_the_browser_through_a_gateway_and_out(
    gateway: Gateway, recorded: Recorded, tmp_path: Path, origins: list[str]
) -> None:
    user, sessions, saved = gateway.new_user(), len(gateway.bearers.all()), tmp_path / "saved.json"
    approver = Approver(gateway.site, user)
    typing = Typing("", "", in_browser=approver)
    options = [f"--origin={origin}" for origin in origins]
    with serving(Proxy(gateway, recorded=recorded, signs_in=True)) as proxy:
        result = check(*(gateway.site.url, "--json", f"--save={saved}", "--gateway", proxy, *options), user=typing)
    assert result.code == 0, result
    lines = result.lines
    assert lines["site.user"]["value"] == "signs in with the browser"
    assert lines["user.sign-in"]["value"] == "in the browser"
    names = ("user.sign-in", "gateway.site", "user.session", "user.refresh", "user.sign-out")
    assert [lines[name]["status"] for name in names] == ["OK"] * 5
    assert "user.cookie" not in lines  # the check uses the token transport
    assert typing.pauses == [2, 5]
    direct, through_gateway = (gateway.site.approval_request(approved) for approved in approver.urls)
    page = (origins or [url(gateway)])[0]
    assert direct.app_name == "shotgrid-login check"
    assert through_gateway.app_name.endswith(f" at {page.partition('://')[2]}")
    assert (direct.hand_outs, through_gateway.hand_outs) == (1, 1)
    assert len(gateway.bearers.all()) == sessions  # signed out
    shown = typing.shown
    for approved in approver.urls:
        shown = shown.replace(approved, "")
    text = result.out + result.terminal + saved.read_text() + shown
    assert secrets_in(text, known_secrets(gateway)) == []
    assert "__Host" not in text
    assert user.login not in result.out + saved.read_text()


@pytest.mark.parametrize(
    ("decision", "status", "value"), [("decline", "PROBLEM", "410 challenge_ended"), ("nothing", "UNKNOWN", None)]
)
def test_sign_in_through_a_gateway_that_is_not_approved_ends_without_a_session(
    gateway: Gateway, recorded: Recorded, decision: str, status: str, value: str | None
) -> None:
    sessions = len(gateway.bearers.all())
    decide = gateway.site.decline if decision == "decline" else lambda _: None
    approver = Approver(gateway.site, gateway.new_user(), decide)
    typing = Typing("", "", in_browser=approver, seconds_per_pause=120)
    with serving(Proxy(gateway, recorded=recorded, signs_in=True)) as proxy:
        result = check(gateway.site.url, "--json", "--gateway", proxy, f"--origin={PAGE}", user=typing)
    line = result.lines["user.sign-in"]
    assert (result.code, line["status"], line["value"]) == (int(status == "PROBLEM"), status, value)
    assert_has_next_step(line)
    assert not result.lines.keys() & set(USER_LINES)
    assert len(gateway.bearers.all()) == sessions


def test_launcher_that_is_switched_off_before_the_gateway_starts_is_a_problem(
    gateway: Gateway, recorded: Recorded
) -> None:
    user = gateway.new_user()

    def approve_and_switch_off(approval_url: str) -> None:
        gateway.site.approve(approval_url, user)
        gateway.site.switch(launcher="said_on_but_off")

    try:
        typing = Typing("", "", in_browser=approve_and_switch_off)
        with serving(Proxy(gateway, recorded=recorded, signs_in=True)) as proxy:
            result = check(gateway.site.url, "--json", "--gateway", proxy, f"--origin={PAGE}", user=typing)
    finally:
        gateway.site.switch(launcher="on")
    assert (result.code, result.lines["user.sign-in"]["value"]) == (1, "403 browser_sign_in_disabled")
    assert "App Session Launcher" in result.lines["user.sign-in"]["meaning"]
    assert_has_next_step(result.lines["user.sign-in"])


def test_sign_in_in_the_browser_from_an_origin_that_is_not_allowed_is_a_problem(
    gateway: Gateway, recorded: Recorded
) -> None:
    typing = Typing("", "", in_browser=Approver(gateway.site, gateway.new_user()))
    origin = "--origin=https://pages.studio.example"
    with serving(Proxy(gateway, recorded=recorded, signs_in=True)) as proxy:
        result = check(gateway.site.url, "--json", "--gateway", proxy, origin, user=typing)
    assert (result.code, result.lines["user.sign-in"]["value"]) == (1, "403 origin_not_allowed")
    assert "--origin" in result.lines["user.sign-in"]["next_step"]


# ---- a user's session through the gateway ------------------------------------------------------------------


@pytest.mark.parametrize("two_factor", [False, True])
def test_user_signs_in_and_out_through_a_gateway_with_at_most_one_code(
    gateway: Gateway, recorded: Recorded, tmp_path: Path, *, two_factor: bool
) -> None:
    user, sessions, saved = gateway.new_user(two_factor=two_factor), len(gateway.bearers.all()), tmp_path / "saved.json"
    codes: list[str] = []

    def code() -> str:
        codes.append(gateway.site.code(user.login))
        return codes[-1]

    typing = Typing(user.login, user.password, code)
    with serving(Proxy(gateway, recorded=recorded, signs_in=True)) as proxy:
        result = check(gateway.site.url, "--json", f"--save={saved}", "--gateway", proxy, user=typing)
    assert result.code == 0, result
    lines = result.lines
    assert lines["site.user"]["value"] == ("requires a code" if two_factor else "signs in without a code")
    assert lines["user.sign-in"]["value"] == ("with a code" if two_factor else "without a code")
    assert [lines[name]["status"] for name in ("user.sign-in", "gateway.site", *USER_LINES)] == ["OK"] * 6
    assert len(codes) == int(two_factor)
    assert len(gateway.bearers.all()) == sessions  # signed out
    text = result.out + result.terminal + saved.read_text()
    assert secrets_in(text, known_secrets(gateway)) == []
    for hidden in (user.login, "__Host"):
        assert hidden not in text


def test_gateway_whose_own_origin_is_not_allowed_is_checked_with_the_token_transport(
    gateway: Gateway, recorded: Recorded
) -> None:
    user, sessions = gateway.new_user(), len(gateway.bearers.all())
    own = Proxy(gateway, base_path="/v1", maps_own_origin=False, recorded=recorded, signs_in=True)
    with serving(own) as proxy:
        result = check(gateway.site.url, "--json", "--gateway", f"{proxy}/v1", user=Typing(user.login, user.password))
    assert result.code == 0, result
    assert "user.cookie" not in result.lines
    assert [result.lines[f"user.{name}"]["status"] for name in ("sign-in", "session", "refresh", "sign-out")] == [
        "OK"
    ] * 4
    assert len(gateway.bearers.all()) == sessions  # signed out


def test_cookie_without_protection_is_a_problem_and_the_user_is_signed_out(
    gateway: Gateway, recorded: Recorded
) -> None:
    def weaken(headers: Headers) -> None:
        if "set-cookie" in headers:
            headers["set-cookie"] = headers["set-cookie"].replace("; HttpOnly", "; Domain=studio.com")

    user, sessions = gateway.new_user(), len(gateway.bearers.all())
    with serving(Proxy(gateway, weaken, recorded=recorded, signs_in=True)) as proxy:
        result = check(gateway.site.url, "--json", "--gateway", proxy, user=Typing(user.login, user.password))
    assert (result.code, result.statuses()["user.cookie"]) == (1, "PROBLEM")
    assert "httponly is missing, it has a domain" in result.lines["user.cookie"]["meaning"]
    assert result.statuses()["user.sign-out"] == "OK"
    assert len(gateway.bearers.all()) == sessions


def test_code_that_the_gateway_rejects_is_a_problem(gateway: Gateway, recorded: Recorded) -> None:
    user = gateway.new_user(two_factor=True)
    typing = Typing(user.login, user.password, "not-a-code")
    with serving(Proxy(gateway, recorded=recorded)) as proxy:
        result = check(gateway.site.url, "--json", "--gateway", proxy, user=typing)
    assert (result.code, result.lines["user.sign-in"]["value"]) == (1, "401 invalid_otp")
    assert_has_next_step(result.lines["user.sign-in"])
    assert not result.lines.keys() & set(USER_LINES)


def test_password_that_the_site_rejects_is_not_sent_to_the_gateway(gateway: Gateway, recorded: Recorded) -> None:
    user, rows = gateway.new_user(), gateway.state.all()
    typing = Typing(user.login, "not-the-password")
    with serving(Proxy(gateway, recorded=recorded)) as proxy:
        result = check(gateway.site.url, "--json", "--gateway", proxy, user=typing)
    assert (result.code, result.statuses()["user.sign-in"]) == (1, "UNKNOWN")
    assert gateway.site.requests_for(user, "password") == 1
    assert gateway.state.all() == rows


def test_gateway_of_another_site_gets_no_password(gateway: Gateway, recorded: Recorded, studio: FakeSite) -> None:
    user = studio.add_user("a_username_elsewhere", "a-password-of-theirs")
    with serving(Proxy(gateway, recorded=recorded)) as proxy:
        result = check(studio.url, "--json", "--gateway", proxy, user=Typing(user.login, user.password))
    assert result.code == 1
    assert result.lines["gateway.site"]["status"] == "PROBLEM"
    assert result.lines["gateway.site"]["value"] == gateway.site.url
    assert result.statuses()["user.sign-in"] == "UNKNOWN"
    assert gateway.site.requests["a_username_elsewhere", "password"] == 0
