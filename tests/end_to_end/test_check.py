"""`python -m shotgrid_login check`, run as ops people run it: as a process, and at a terminal where it asks."""

from __future__ import annotations

import json
import os
import pty
import select
import ssl
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.local.stack import ROOT, free_port, sam
from tests.site.fake_site import Account, FakeSite
from tests.support.client import OTHER_PAGE, PAGE, Gateway
from tests.support.replay import http, replaying

SCRIPT = {"SHOTGRID_SCRIPT_NAME": "a_webhook", "SHOTGRID_SCRIPT_KEY": "the-key-of-a-webhook"}
NO_SCRIPT: Mapping[str, str] = {}
SITE_LINES = ["site.reachable", "site.tls", "site.version", "site.sign-in", "site.script", "site.user"]
USER_LINES = ["user.cookie", "user.session", "user.refresh", "user.sign-out"]
# How the command names what it asks for.
LOGIN, PASSWORD, CODE = "User name: ", "Password: ", "wants a code"

# Makes standard input the terminal that belongs to the process, as a shell does, so that Ctrl-C and hidden typing work.
AT_TERMINAL = """
import fcntl, os, signal, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
signal.signal(signal.SIGINT, signal.SIG_DFL)  # what runs in the background of a script would hand on to ignore it
os.execv(sys.argv[1], sys.argv[1:])
"""

Answers = Sequence[tuple[str, str | Callable[[], str]]]


@dataclass
class Done:
    """A run that has ended. `terminal` is what a terminal has shown, other than standard output."""

    code: int
    out: str
    terminal: str

    @property
    def lines(self) -> dict[str, dict[str, Any]]:
        return {line["name"]: line for line in json.loads(self.out)["findings"]}

    def statuses(self) -> dict[str, str]:
        return {name: line["status"] for name, line in self.lines.items()}


def environment(more: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", *SCRIPT)}
    return {
        **kept,
        "PYTHONPATH": str(ROOT / "layers" / "shotgrid_login"),
        "TERM": "xterm",
        "COLUMNS": "100",
        **more,
    }


def command(arguments: tuple[str, ...]) -> list[str]:
    return [sys.executable, "-m", "shotgrid_login", "check", *arguments]


def check(*arguments: str, **more: str) -> Done:
    """Run it where nobody sits at a terminal."""
    done = subprocess.run(
        command(arguments), env=environment(more), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
    )
    return Done(done.returncode, done.stdout, done.stderr)


def check_at_terminal(
    *arguments: str,
    answers: Answers = (),
    sees_output: bool = False,
    script: Mapping[str, str] = NO_SCRIPT,
    **more: str,
) -> Done:
    """Run it at a terminal, and type an answer after each question. Its output goes there too only if asked for."""
    ours, its = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", AT_TERMINAL, *command(arguments)],
        env=environment({**script, **more}),
        stdin=its,
        stderr=its,
        stdout=its if sees_output else subprocess.PIPE,
        start_new_session=True,
    ) as process:
        os.close(its)
        try:
            terminal = _typed(ours, list(answers))
            out = process.stdout.read().decode() if process.stdout else ""
            code = process.wait(60)
        except BaseException:
            process.kill()
            raise
        finally:
            os.close(ours)
    return Done(code, out, terminal)


def _typed(terminal: int, answers: list[tuple[str, str | Callable[[], str]]]) -> str:
    seen, asked = "", 0
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            part = os.read(terminal, 4096)
        except OSError:  # how Linux says that nobody has the other side any more
            part = b""
        if not part:
            assert not answers, f"never asked: {answers[0][0]}\n{seen}"
            return seen
        seen += part.decode(errors="replace")
        if answers and answers[0][0] in seen[asked:]:
            answer = answers.pop(0)[1]
            asked = len(seen)
            os.write(terminal, f"{answer if isinstance(answer, str) else answer()}\n".encode())
    raise AssertionError(f"still runs:\n{seen}")


@pytest.fixture
def studio() -> Iterator[FakeSite]:
    """A site of one test, with a script."""
    with FakeSite() as running:
        running.scripts[SCRIPT["SHOTGRID_SCRIPT_NAME"]] = SCRIPT["SHOTGRID_SCRIPT_KEY"]
        yield running


def sign_in(site: FakeSite, user: Account, *, code: bool) -> Answers:
    typed: list[tuple[str, str | Callable[[], str]]] = [(LOGIN, user.login), (PASSWORD, user.password)]
    return [*typed, (CODE, lambda: site.code(user.login))] if code else typed


def assert_says_what_to_do(line: Mapping[str, Any]) -> None:
    assert line["meaning"].endswith(".")
    assert line["next_step"].endswith("."), line


# ---- before the switch and after it ------------------------------------------------------------------------


def test_before_and_after_the_switch(studio: FakeSite, tmp_path: Path) -> None:
    user = studio.add_user("a_username", "a-password-of-theirs")
    before, after = tmp_path / "before.json", tmp_path / "after.json"

    first = check_at_terminal(
        studio.url, "--user", "--json", f"--save={before}", answers=sign_in(studio, user, code=False), script=SCRIPT
    )
    assert first.code == 0, first
    assert list(first.lines) == SITE_LINES
    assert set(first.statuses().values()) == {"OK"}
    assert first.lines["site.sign-in"]["value"] == "default"
    assert first.lines["site.script"]["value"] == "works"
    assert first.lines["site.user"]["value"] == "signs in without a code"
    assert "pages that post to the token endpoint themselves break" in first.lines["site.user"]["meaning"]

    studio.switch(two_factor=True)
    second = check_at_terminal(
        studio.url,
        "--user",
        "--json",
        f"--save={after}",
        f"--compare={before}",
        answers=sign_in(studio, user, code=True),
        script=SCRIPT,
    )
    assert second.code == 0, second
    assert second.statuses() == first.statuses() | {"site.user": "CHANGED"}
    assert second.lines["site.user"]["value"] == "asks for a code"
    assert second.lines["site.user"]["was"] == "signs in without a code"
    assert studio.requests["a_username", "password"] == 3

    for done, file in ((first, before), (second, after)):
        saved = file.read_text()
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert json.loads(saved)["findings"].keys() == set(SITE_LINES)
        for secret in studio.secrets:
            assert secret not in done.out + done.terminal + saved
        for name in (user.login, *SCRIPT.values()):
            assert name not in done.out + saved
        assert SCRIPT["SHOTGRID_SCRIPT_KEY"] not in done.terminal


def test_the_table_of_a_terminal_says_in_words_what_its_colours_say(studio: FakeSite, tmp_path: Path) -> None:
    before = tmp_path / "before.json"
    assert check(studio.url, f"--save={before}").code == 0
    saved = json.loads(before.read_text())
    saved["findings"]["site.version"]["value"] = "v8.88.0.1"
    before.write_text(json.dumps(saved))
    studio.switch(authentication_method="saml2")

    coloured = check_at_terminal(studio.url, f"--compare={before}", sees_output=True).terminal
    plain = check_at_terminal(studio.url, f"--compare={before}", sees_output=True, NO_COLOR="1").terminal
    assert "\033[" in coloured
    assert "\033" not in plain
    assert "\033" not in check(studio.url).out
    rows = [line.split() for line in plain.splitlines() if line[:1].isupper()]
    assert [
        next(row[0] for row in rows if row[1] == name)
        for name in ("site.reachable", "site.version", "site.sign-in", "site.script")
    ] == ["OK", "CHANGED", "PROBLEM", "UNKNOWN"]
    assert "(was: v8.88.0.1)" in plain
    assert "Would break, or does: site.sign-in." in plain
    assert "Changed: site.version, site.sign-in." in plain
    assert max(map(len, plain.splitlines())) <= 110


def test_a_wrong_password_is_said_once_and_not_tried_again(studio: FakeSite) -> None:
    user = studio.add_user("a_username", "a-password-of-theirs")
    done = check_at_terminal(
        studio.url, "--user", "--json", answers=[(LOGIN, user.login), (PASSWORD, "not-the-password")]
    )
    assert done.code == 1
    assert done.lines["site.user"]["value"] == "refused"
    assert_says_what_to_do(done.lines["site.user"])
    assert studio.requests_for(user, "password") == 1
    assert "not-the-password" not in done.out + done.terminal


@pytest.mark.parametrize("wrong_code", [102, 106])
def test_a_wrong_code_is_said_to_be_one(studio: FakeSite, wrong_code: int) -> None:
    studio.switch(two_factor=True, wrong_code=wrong_code)
    user = studio.add_user("a_username", "a-password-of-theirs")
    answers: Answers = [(LOGIN, user.login), (PASSWORD, user.password), (CODE, "never-a-code")]
    done = check_at_terminal(studio.url, "--user", "--json", answers=answers)
    assert (done.code, done.lines["site.user"]["value"]) == (1, "code refused")
    assert "never-a-code" not in done.out + done.terminal


def test_who_types_no_code_learns_that_one_is_asked_for(studio: FakeSite) -> None:
    studio.switch(two_factor=True)
    user = studio.add_user("a_username", "a-password-of-theirs")
    answers: Answers = [(LOGIN, user.login), (PASSWORD, user.password), (CODE, "")]
    done = check_at_terminal(studio.url, "--user", "--json", answers=answers)
    assert (done.code, done.statuses()["site.user"]) == (0, "UNKNOWN")
    assert done.lines["site.user"]["value"] == "asks for a code"


def test_a_backup_code_may_be_typed_with_spaces(studio: FakeSite) -> None:
    studio.switch(two_factor=True)
    user = studio.add_user("a_username", "a-password-of-theirs")
    code = next(iter(user.backup_codes))
    answers: Answers = [(LOGIN, user.login), (PASSWORD, user.password), (CODE, f" {code[:4]} {code[4:]} ")]
    done = check_at_terminal(studio.url, "--user", "--json", answers=answers)
    assert (done.code, done.lines["site.user"]["value"]) == (0, "asks for a code")


@pytest.mark.parametrize("fault", ["503", "html", "drop_response", "redirect"])
def test_a_sign_in_that_the_site_does_not_answer_as_known_is_a_problem(studio: FakeSite, fault: str) -> None:
    user = studio.add_user("a_username", "a-password-of-theirs", fault=fault)
    done = check_at_terminal(studio.url, "--user", "--json", answers=sign_in(studio, user, code=False))
    assert (done.code, done.statuses()["site.user"]) == (1, "PROBLEM")
    assert_says_what_to_do(done.lines["site.user"])
    assert user.password not in done.out + done.terminal


def test_an_interrupted_check_leaves_nothing(studio: FakeSite, tmp_path: Path) -> None:
    saved = tmp_path / "saved.json"
    ctrl_c = "\x03"
    done = check_at_terminal(
        studio.url, "--user", f"--save={saved}", answers=[(LOGIN, "a_username"), (PASSWORD, ctrl_c)]
    )
    assert (done.code, done.out) == (130, "")
    assert "Interrupted; nothing was saved." in done.terminal
    assert "Traceback" not in done.terminal
    assert not saved.exists()


# ---- script keys -----------------------------------------------------------------------------------------


def test_a_script_key_that_the_site_refuses_is_a_problem_and_not_shown(studio: FakeSite) -> None:
    key = "not-the-key-of-a-webhook"
    done = check(studio.url, "--json", **SCRIPT | {"SHOTGRID_SCRIPT_KEY": key})
    assert (done.code, done.lines["site.script"]["value"]) == (1, "refused")
    assert_says_what_to_do(done.lines["site.script"])
    assert key not in done.out + done.terminal


def test_half_a_script_key_is_not_sent(studio: FakeSite) -> None:
    done = check(studio.url, SHOTGRID_SCRIPT_KEY="the-key-of-a-webhook")
    assert (done.code, done.out) == (2, "")
    assert "SHOTGRID_SCRIPT_NAME" in done.terminal
    assert "the-key-of-a-webhook" not in done.terminal
    assert not studio.requests


# ---- sites where people sign in otherwise ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "status", "code", "said"),
    [
        ("default", "OK", 0, "the site's own user names and passwords"),
        ("ldap", "OK", 0, "LDAP"),
        ("saml", "PROBLEM", 1, "single sign-on"),
        ("saml2", "PROBLEM", 1, "single sign-on"),
        ("oxygen", "PROBLEM", 1, "Autodesk account"),
        ("pigeon", "UNKNOWN", 0, "does not know"),
        ("x\033[2J" + "y" * 200, "UNKNOWN", 0, "does not know"),
    ],
)
def test_how_people_sign_in_is_said_with_what_it_means(
    studio: FakeSite, method: str, status: str, code: int, said: str
) -> None:
    studio.switch(authentication_method=method)
    done = check(studio.url, "--json", **SCRIPT)
    line = done.lines["site.sign-in"]
    assert (done.code, line["status"]) == (code, status)
    assert said in line["meaning"]
    assert line["value"].startswith(method[:1])
    assert len(line["value"]) <= 80
    assert "\033" not in check(studio.url).out
    if status != "OK":
        assert_says_what_to_do(line)
    # Scripts do not care.
    assert done.lines["site.script"]["value"] == "works"


def test_nobody_is_asked_for_a_password_that_the_site_does_not_take(studio: FakeSite) -> None:
    studio.switch(authentication_method="saml2")
    done = check_at_terminal(studio.url, "--user", "--json")
    assert (done.code, done.statuses()["site.user"], done.terminal) == (1, "UNKNOWN", "")


def test_a_password_that_autodesk_identity_refuses_is_said_to_be_none(studio: FakeSite) -> None:
    studio.switch(authentication_method="oxygen")
    user = studio.add_user("a_username", "a-password-of-theirs")
    done = check_at_terminal(studio.url, "--user", "--json", answers=sign_in(studio, user, code=False))
    assert (done.code, done.lines["site.user"]["value"]) == (1, "no passwords")


# ---- hosts that are no site ------------------------------------------------------------------------------


HTML = ["content-type: text/html; charset=utf-8"]


@pytest.mark.parametrize(
    ("answer", "value", "said"),
    [
        (http(200, "<html>welcome</html>", HTML), "a web page", "Compare the address"),
        (http(404, "<html>nothing</html>", HTML), "a web page", "Compare the address"),
        (http(404, "{}"), "status 404", "Compare the address"),
        (http(403, "{}"), "status 403", "network that the site allows"),
        (http(503, "<html>maintenance</html>", HTML), "status 503", "in a few minutes"),
        (http(302, "", ["location: https://me:secret@elsewhere.example/x?token=secret"]), "status 302", "elsewhere."),
        (http(200, '{"hello": "world"}'), "not a site", "Compare the address"),
        (http(200, '{"data": {}}'), "not a site", "Compare the address"),
        (http(200, "[" * 9999), "not a site", "Compare the address"),
        (http(200, " " * 600_000), "not a site", "Compare the address"),
        (b"", "connection broke", "run the check again"),
        (b"nonsense\r\n\r\n", "connection broke", "run the check again"),
    ],
)
def test_a_host_that_is_no_site_is_told_from_one(answer: bytes, value: str, said: str) -> None:
    with replaying(answer) as replay:
        done = check(replay.url, "--json", **SCRIPT)
    line = done.lines["site.reachable"]
    assert (done.code, line["status"], line["value"]) == (1, "PROBLEM", value)
    assert said.lower() in f"{line['meaning']} {line['next_step']}".lower()
    assert_says_what_to_do(line)
    assert "secret" not in done.out + done.terminal
    assert len(replay.requests) == 1  # no script key goes to what is no site


def test_a_site_that_hangs_costs_one_timeout() -> None:
    with replaying(None, None) as replay:
        started = time.monotonic()
        done = check(replay.url, "--json", **SCRIPT)
        seconds = time.monotonic() - started
    assert (done.code, done.lines["site.reachable"]["value"]) == (1, "no answer in time")
    assert_says_what_to_do(done.lines["site.reachable"])
    assert list(done.lines) == ["site.reachable"]
    assert len(replay.requests) == 1
    assert seconds >= 10


def test_a_port_that_nobody_serves() -> None:
    done = check(f"http://127.0.0.1:{free_port()}", "--json")
    assert (done.code, done.lines["site.reachable"]["value"]) == (1, "connection refused")
    assert_says_what_to_do(done.lines["site.reachable"])


def test_a_host_that_does_not_resolve() -> None:
    done = check("https://studio.shotgrid.invalid", "--json")
    assert (done.code, done.lines["site.reachable"]["value"]) == (1, "no such host")
    assert_says_what_to_do(done.lines["site.reachable"])


SELF_SIGNED = """
import datetime, ipaddress, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.timezone.utc)
times = now - datetime.timedelta(days=1), now + datetime.timedelta(days=1)
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
certificate = (
    x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), *times)
    .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
    .sign(key, hashes.SHA256())
)
pem = serialization.Encoding.PEM
with open(sys.argv[1], "wb") as file:
    file.write(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    file.write(certificate.public_bytes(pem))
"""


def test_a_certificate_that_nobody_trusts(tmp_path: Path) -> None:
    pem = tmp_path / "self-signed.pem"
    # The SAM CLI's environment has `cryptography`, pinned.
    subprocess.run([Path(sam()).with_name("python"), "-c", SELF_SIGNED, pem], check=True, timeout=60)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    reached: list[str] = []

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reached.append(self.path)

        def log_message(self, *_: object) -> None:
            """Keep the terminal for what matters."""

    with _Quiet(("127.0.0.1", 0), Site) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = check(f"https://127.0.0.1:{server.server_port}", "--json", **SCRIPT)
        server.shutdown()
    line = done.lines["site.tls"]
    assert (done.code, line["status"], line["value"]) == (1, "PROBLEM", "bad certificate")
    assert "is self-signed" in line["meaning"]
    assert_says_what_to_do(line)
    assert list(done.lines) == ["site.tls"]
    assert reached == []


def test_a_port_that_does_not_speak_tls() -> None:
    with replaying(b"HTTP/1.1 400 Bad Request\r\n\r\n") as replay:
        done = check(replay.url.replace("http:", "https:"), "--json")
    assert (done.code, done.lines["site.tls"]["value"]) == (1, "TLS failed")
    assert_says_what_to_do(done.lines["site.tls"])


# ---- what is typed on the command line -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("studio.shotgrid.autodesk.com", "Use https://studio.shotgrid.autodesk.com"),
        ("studio.shotgrid.autodesk.com/page/1", "Use https://studio.shotgrid.autodesk.com"),
        ("https://studio.shotgrid.autodesk.com/page/1", "Use https://studio.shotgrid.autodesk.com"),
        ("http://studio.shotgrid.autodesk.com", "Use https://studio.shotgrid.autodesk.com"),
        ("http://site.localhost:8001", "localhost and 127.0.0.1 only"),
        ("https://me:hunter2@studio.shotgrid.autodesk.com", "before the @"),
        ("me:hunter2@studio.shotgrid.autodesk.com", "before the @"),
        ("https://studio.shotgrid.autodesk.com?password=hunter2", "? or #"),
        ("me:hunter2", "Use one like https://"),
        ("https://", "Use one like https://"),
        ("https://studio.shotgrid.autodesk.com:99999", "Use one like https://"),
        ("ftp://studio.shotgrid.autodesk.com", "Use one like https://"),
        ("my studio", "Use one like https://"),
        ("", "Use one like https://"),
    ],
)
def test_an_address_that_is_none_says_what_would_be_one(address: str, said: str) -> None:
    done = check(address)
    assert (done.code, done.out) == (2, "")
    assert said in done.terminal
    assert "hunter2" not in done.terminal
    assert "Traceback" not in done.terminal


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--password", "hunter2"], "asked for, never given here"),
        (["--password=hunter2"], "asked for, never given here"),
        (["--user=hunter2"], "asked for, never given here"),
        (["--user", "hunter2"], "asked for, never given here"),
        (["--save"], "--save: expected one argument"),
        (["--origin", "https://pages.studio.com"], "--gateway"),
        (["--gateway", "https://login.studio.com", "--origin", "https://pages.studio.com/x"], "without its path"),
        (["--gateway", "http://login.studio.com"], "https://login.studio.com"),
        (["--user"], "on a terminal"),
    ],
)
def test_what_cannot_be_run_is_said_and_not_repeated(studio: FakeSite, arguments: list[str], said: str) -> None:
    done = check(studio.url, *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.terminal
    assert "hunter2" not in done.terminal
    assert not studio.requests


# ---- files -----------------------------------------------------------------------------------------------


def test_what_was_saved_is_not_written_over(studio: FakeSite, tmp_path: Path) -> None:
    before = tmp_path / "before.json"
    before.write_text("something of theirs")
    done = check(studio.url, f"--save={before}")
    assert (done.code, done.out) == (2, "")
    assert "exists already" in done.terminal
    assert before.read_text() == "something of theirs"


def test_a_place_that_cannot_be_written_is_said_before_anybody_is_asked(studio: FakeSite, tmp_path: Path) -> None:
    done = check_at_terminal(studio.url, "--user", f"--save={tmp_path / 'nowhere' / 'before.json'}")
    assert done.code == 2
    assert "cannot be written" in done.terminal
    assert LOGIN not in done.terminal


OF_ANOTHER_SITE = """{
 "format": "shotgrid_login check", "version": 1, "site": "https://other.example", "saved_at": "", "findings": {}
}"""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        ("", "no file that --save has written"),
        ("not JSON", "no file that --save has written"),
        ("[" * 9999, "no file that --save has written"),
        ('{"findings": {}}', "no file that --save has written"),
        ('{"format": "shotgrid_login check", "version": 1}', "no file that --save has written"),
        ('{"format": "shotgrid_login check", "version": 2}', "another version"),
        (OF_ANOTHER_SITE, "Compare the same site"),
    ],
)
def test_a_file_that_is_not_ours_is_said_to_be_none(
    studio: FakeSite, tmp_path: Path, text: str | None, said: str
) -> None:
    file, kept = tmp_path / "before.json", tmp_path / "after.json"
    if text is not None:
        file.write_text(text)
    done = check(studio.url, f"--compare={file}", f"--save={kept}")
    assert (done.code, done.out) == (2, "")
    assert said in done.terminal
    assert not kept.exists()


def test_a_line_that_one_of_two_checks_did_not_look_at_is_no_change(studio: FakeSite, tmp_path: Path) -> None:
    before = tmp_path / "before.json"
    assert check(studio.url, f"--save={before}", **SCRIPT).code == 0
    done = check(studio.url, f"--compare={before}", "--json")
    assert "CHANGED" not in done.statuses().values()
    assert {line["was"] for line in done.lines.values()} == {None}
    assert json.loads(done.out)["only_then"] == ["site.script"]
    assert "Looked at then and not now: site.script." in check(studio.url, f"--compare={before}").out


# ---- the gateway -----------------------------------------------------------------------------------------


@dataclass
class Tampered:
    """A proxy in front of a gateway that changes answers as it likes. Its own origin is the gateway's own behind it."""

    gateway: Gateway
    change: Callable[[str, dict[str, str]], object] = lambda *_: None

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("content-length", 0)))
        answer = requests.request(
            request.command,
            f"{self.gateway.aws.endpoint}{request.path}",
            data=body,
            headers={
                name: url(self.gateway) if value == f"http://{request.headers['host']}" else value
                for name, value in {**request.headers, "host": self.gateway.host}.items()
            },
            timeout=60,
        )
        kept = {
            name.lower(): value
            for name, value in answer.headers.items()
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server")
        }
        self.change(request.path, kept)
        request.send_response(answer.status_code)
        for name, value in (kept | {"content-length": str(len(answer.content))}).items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(answer.content)


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that turns away is what some tests are about."""


@contextmanager
def serving(proxy: Tampered) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            proxy.answer(self)

        def do_POST(self) -> None:
            proxy.answer(self)

        def do_OPTIONS(self) -> None:
            proxy.answer(self)

        def log_message(self, *_: object) -> None:
            """Keep the terminal for what matters."""

    with _Quiet(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def url(gateway: Gateway) -> str:
    return f"http://{gateway.host}{gateway.base_path}"


def test_a_gateway_is_walked_and_nothing_is_left_behind(gateway: Gateway) -> None:
    rows, asked = gateway.state.all(), dict(gateway.site.requests)
    done = check(gateway.site.url, "--json", "--gateway", url(gateway), "--origin", PAGE, "--origin", OTHER_PAGE)
    assert done.code == 0, done
    found = {name: line for name, line in done.lines.items() if name.startswith("gateway.")}
    assert {line["status"] for line in found.values()} == {"OK"}
    assert found.keys() == {
        *(f"gateway.{name}" for name in ("reachable", "tls", "password", "otp", "refresh", "logout", "session")),
        *(f"gateway.{name}" for name in ("token-endpoint", "headers", "cookies", "module", "element")),
        *(f"gateway.origin {origin}" for origin in (PAGE, OTHER_PAGE)),
        *(f"gateway.{name}" for name in ("strangers", "site")),
    }
    assert found["gateway.site"]["value"] == gateway.site.url
    assert gateway.state.all() == rows
    assert dict(gateway.site.requests) == asked


@pytest.mark.parametrize("two_factor", [False, True])
def test_a_person_goes_the_whole_way_through_a_gateway(gateway: Gateway, tmp_path: Path, *, two_factor: bool) -> None:
    user = gateway.new_user(two_factor=two_factor)
    sessions = len(gateway.bearers.all())
    saved = tmp_path / "saved.json"
    done = check_at_terminal(
        gateway.site.url,
        *("--user", "--json", f"--save={saved}", "--gateway", url(gateway)),
        answers=sign_in(gateway.site, user, code=two_factor),
    )
    assert done.code == 0, done
    lines = done.lines
    assert lines["site.user"]["value"] == ("asks for a code" if two_factor else "signs in without a code")
    assert lines["user.sign-in"]["value"] == ("with a code" if two_factor else "without a code")
    assert [lines[name]["status"] for name in ("user.sign-in", "gateway.site", *USER_LINES)] == ["OK"] * 6
    assert len(gateway.bearers.all()) == sessions  # signed out
    text = done.out + saved.read_text()
    for secret in (*gateway.site.secrets, user.login):
        assert secret not in text
    assert user.password not in done.terminal
    assert "__Host" not in text


def test_a_gateway_whose_own_pages_may_not_call_is_gone_through_with_the_token(other_gateway: Gateway) -> None:
    user = other_gateway.new_user(two_factor=True)
    done = check_at_terminal(
        other_gateway.site.url,
        *("--user", "--json", "--gateway", url(other_gateway)),
        answers=sign_in(other_gateway.site, user, code=True),
    )
    lines = done.lines
    assert "user.cookie" not in lines
    assert [lines[f"user.{name}"]["status"] for name in ("sign-in", "session", "refresh", "sign-out")] == ["OK"] * 4


def test_a_code_that_the_gateway_refuses(gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=True)
    answers: Answers = [(LOGIN, user.login), (PASSWORD, user.password), (CODE, "never-a-code")]
    done = check_at_terminal(gateway.site.url, "--user", "--json", "--gateway", url(gateway), answers=answers)
    assert (done.code, done.lines["user.sign-in"]["value"]) == (1, "401 invalid_otp")
    assert_says_what_to_do(done.lines["user.sign-in"])
    assert not done.lines.keys() & set(USER_LINES)


def test_a_password_that_the_site_refuses_is_not_tried_at_the_gateway(gateway: Gateway) -> None:
    user, rows = gateway.new_user(), gateway.state.all()
    answers: Answers = [(LOGIN, user.login), (PASSWORD, "not-the-password")]
    done = check_at_terminal(gateway.site.url, "--user", "--json", "--gateway", url(gateway), answers=answers)
    assert (done.code, done.statuses()["user.sign-in"]) == (1, "UNKNOWN")
    assert gateway.site.requests_for(user, "password") == 1
    assert gateway.state.all() == rows


def test_a_gateway_of_another_site_gets_no_password(gateway: Gateway, studio: FakeSite) -> None:
    user = studio.add_user("a_username_elsewhere", "a-password-of-theirs")
    done = check_at_terminal(
        studio.url, "--user", "--json", "--gateway", url(gateway), answers=sign_in(studio, user, code=False)
    )
    assert done.code == 1
    assert done.lines["gateway.site"]["status"] == "PROBLEM"
    assert done.lines["gateway.site"]["value"] == gateway.site.url
    assert done.statuses()["user.sign-in"] == "UNKNOWN"
    assert gateway.site.requests["a_username_elsewhere", "password"] == 0


def test_pages_that_a_deployment_does_not_name_are_a_problem(gateway: Gateway) -> None:
    origin = "https://pages.studio.example"
    done = check(gateway.site.url, "--json", "--gateway", url(gateway), "--origin", origin)
    line = done.lines[f"gateway.origin {origin}"]
    assert (done.code, line["status"], line["value"]) == (1, "PROBLEM", "refused")
    assert "AllowedOrigins" in line["next_step"]


def drop(name: str) -> Callable[[str, dict[str, str]], object]:
    return lambda _, headers: headers.pop(name, None)


def add(name: str, value: str) -> Callable[[str, dict[str, str]], object]:
    return lambda _, headers: headers.update({name: value})


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        (drop("x-content-type-options"), {"gateway.headers", "gateway.module", "gateway.element"}),
        (add("cache-control", "max-age=60"), {"gateway.headers"}),
        (drop("x-request-id"), {"gateway.headers"}),
        (add("set-cookie", "AWSALB=x; Path=/"), {"gateway.cookies"}),
        (add("access-control-allow-origin", "*"), {f"gateway.origin {PAGE}"}),
        (
            add("access-control-allow-origin", "https://not-allowed.invalid"),
            {f"gateway.origin {PAGE}", "gateway.module", "gateway.element"},
        ),
        (drop("access-control-allow-credentials"), {f"gateway.origin {PAGE}"}),
        (drop("access-control-allow-methods"), {f"gateway.origin {PAGE}"}),
        (add("content-type", "application/octet-stream"), {"gateway.module", "gateway.element"}),
        (drop("cross-origin-resource-policy"), {"gateway.module", "gateway.element"}),
    ],
)
def test_what_something_in_between_changes_is_seen(
    gateway: Gateway, change: Callable[[str, dict[str, str]], object], broken: set[str]
) -> None:
    with serving(Tampered(gateway, change)) as proxy:
        done = check(gateway.site.url, "--json", "--gateway", proxy, "--origin", PAGE)
    problems = {name for name, status in done.statuses().items() if status == "PROBLEM"}
    assert done.code == 1
    assert problems == broken
    for name in problems:
        assert_says_what_to_do(done.lines[name])


def test_pages_that_anybody_could_have_made_reading_answers_is_a_problem(gateway: Gateway) -> None:
    def let_everybody_in(_: str, headers: dict[str, str]) -> None:
        headers |= {
            "access-control-allow-origin": "https://not-allowed.invalid",
            "access-control-allow-credentials": "true",
        }

    with serving(Tampered(gateway, let_everybody_in)) as proxy:
        done = check(gateway.site.url, "--json", "--gateway", proxy)
    assert (done.code, done.statuses()["gateway.strangers"]) == (1, "PROBLEM")


def test_a_gateway_that_does_not_see_origins_is_a_problem(gateway: Gateway) -> None:
    class Blind(Tampered):
        def answer(self, request: BaseHTTPRequestHandler) -> None:
            del request.headers["origin"]
            super().answer(request)

    with serving(Blind(gateway)) as proxy:
        done = check(gateway.site.url, "--json", "--gateway", proxy)
    assert (done.code, done.lines["gateway.strangers"]["value"]) == (1, "400 invalid_request")


def test_a_cookie_that_lost_its_protection_is_a_problem_and_the_person_is_signed_out(gateway: Gateway) -> None:
    def weaken(_: str, headers: dict[str, str]) -> None:
        if "set-cookie" in headers:
            headers["set-cookie"] = headers["set-cookie"].replace("; HttpOnly", "; Domain=studio.com")

    user, sessions = gateway.new_user(), len(gateway.bearers.all())
    with serving(Tampered(gateway, weaken)) as proxy:
        done = check_at_terminal(
            gateway.site.url, "--user", "--json", "--gateway", proxy, answers=sign_in(gateway.site, user, code=False)
        )
    assert (done.code, done.statuses()["user.cookie"]) == (1, "PROBLEM")
    assert "httponly is missing, it has a domain" in done.lines["user.cookie"]["meaning"]
    assert done.statuses()["user.sign-out"] == "OK"
    assert len(gateway.bearers.all()) == sessions


@pytest.mark.parametrize("path", ["/auth/otp", "/auth/session", "/shotgrid-login.js", "/api/v1/auth/access_token"])
def test_a_route_that_is_not_there_is_named(gateway: Gateway, path: str) -> None:
    class Older(Tampered):
        def answer(self, request: BaseHTTPRequestHandler) -> None:
            if request.path == path:
                request.path = "/nothing-here"
            super().answer(request)

    with serving(Older(gateway)) as proxy:
        done = check(gateway.site.url, "--json", "--gateway", proxy)
    broken = [line for line in done.lines.values() if line["status"] == "PROBLEM"]
    assert done.code == 1
    assert [path in line["meaning"] for line in broken] == [True]
    assert "Deploy the stack" in broken[0]["next_step"]


def test_a_host_that_is_no_gateway_is_asked_once(studio: FakeSite) -> None:
    with replaying(http(404, '{"message": "Not Found"}')) as replay:
        done = check(studio.url, "--json", "--gateway", replay.url)
    assert (done.code, done.lines["gateway.reachable"]["status"]) == (1, "PROBLEM")
    assert "Url" in done.lines["gateway.reachable"]["next_step"]
    assert len(replay.requests) == 1


def test_a_gateway_that_is_not_there_does_not_hide_the_site(studio: FakeSite) -> None:
    done = check(studio.url, "--json", "--gateway", f"http://login.localhost:{free_port()}")
    assert (done.code, done.lines["gateway.reachable"]["value"]) == (1, "connection refused")
    assert done.statuses()["site.reachable"] == "OK"
