"""The README's commands, pasted: each block does what the page says, against what `make run` starts."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.local.stack import ROOT, LocalAws, free_port, sam
from tests.support.client import until

BLOCKS = [
    textwrap.dedent(block)
    for block in re.findall(r"^ *```sh\n(.*?)^ *```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
]
RUN = "make run\n"
TEST = "make test\n"  # what runs this
DEPLOY = next(block for block in BLOCKS if block.startswith("sam build"))
DEPLOY_API = next(block for block in BLOCKS if block.startswith("sam deploy"))
CHECK = next(block for block in BLOCKS if block.startswith("make check "))
PASTED = [block for block in BLOCKS if block not in (RUN, TEST, DEPLOY, DEPLOY_API, CHECK)]


class Running:
    """A `make run` of its own, and what it has printed."""

    def __init__(self, log: Path) -> None:
        self.port = free_port(in_a_row=3)
        self.log = log
        environment = os.environ | {"PORT": str(self.port)}
        for name in ("SHOTGRID_SITE_URL", "ALLOWED_ORIGINS", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
            environment.pop(name, None)
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                ["make", "run", f"PYTHON={sys.executable}"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def ready_line(self) -> str:
        return f"Gateway ready at http://login.localhost:{self.port}"

    def wait_until_ready(self) -> None:
        until(lambda: self.ready_line in self.log.read_text() or self.process.poll() is not None, seconds=180)
        assert self.process.poll() is None, self.log.read_text()

    def stop(self) -> None:
        """Do what Ctrl-C does: interrupt the whole foreground group."""
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(30)

    def on_its_ports(self, block: str) -> str:
        return block.replace(":8000", f":{self.port}").replace(":8001", f":{self.port + 1}")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    started = Running(tmp_path_factory.mktemp("run") / "log")
    try:
        started.wait_until_ready()
        yield started
    finally:
        if started.process.poll() is None:
            started.stop()


def test_every_block_is_run_by_this_suite() -> None:
    assert RUN in BLOCKS
    assert TEST in BLOCKS
    assert len(PASTED) == 2


def test_make_run_ends_with_the_ready_line(running: Running) -> None:
    lines = running.log.read_text().splitlines()
    assert lines[-1] == running.ready_line
    assert any("user a_username, password a_password" in line for line in lines)


def test_the_sign_in_by_curl_does_what_it_says(running: Running, tmp_path: Path) -> None:
    printed = _paste(running.on_its_ports(PASTED[0]), tmp_path)
    statuses = re.findall(r"^(\d{3})$", printed, re.MULTILINE)
    assert statuses == ["202", "200", "200", "204", "401", "401"]
    assert '"status": "otp_required"' in printed
    assert printed.count('"login": "a_username"') == 4  # signed in, read from the site, session, refreshed
    assert '"code": "session_ended"' in printed
    assert list(tmp_path.iterdir()) == []


def test_the_switch_can_be_turned_while_it_runs(running: Running, tmp_path: Path) -> None:
    off = running.on_its_ports(PASTED[1]).replace("true", "false")
    assert '"two_factor": false' in _paste(off, tmp_path)
    assert '"two_factor": true' in _paste(running.on_its_ports(PASTED[1]), tmp_path)


def test_the_check_says_what_the_site_is_and_keeps_it(running: Running, tmp_path: Path) -> None:
    site = f"http://127.0.0.1:{running.port + 1}"
    saved = tmp_path / "before.json"
    block = CHECK.replace("https://studio.shotgrid.autodesk.com", site).replace("before.json", str(saved))
    printed = _paste(f"PYTHON={sys.executable} {block}", ROOT)
    assert re.search(r"^OK +site.sign-in +default", printed, re.MULTILINE)
    assert "Nothing that was checked would break." in printed
    assert json.loads(saved.read_text())["site"] == site


def test_the_sites_switch_needs_no_redeployment(running: Running) -> None:
    site, gateway = f"http://127.0.0.1:{running.port + 1}", f"http://127.0.0.1:{running.port}"

    def switch(two_factor: bool) -> None:
        requests.put(f"{site}/stand-in/switches", json={"two_factor": two_factor}, timeout=10).raise_for_status()

    def post(route: str, **body: str) -> requests.Response:
        host = {"host": f"login.localhost:{running.port}"}
        return requests.post(f"{gateway}/auth/{route}", json=body, headers=host, timeout=60)

    credentials = {"username": "a_username", "password": "a_password"}
    switch(two_factor=False)
    before = post("password", **credentials)
    assert before.status_code == 200
    switch(two_factor=True)
    tokens = before.json()
    over = post("refresh", refresh_token=tokens["refresh_token"], refused_access_token=tokens["access_token"])
    assert (over.status_code, over.json()["code"]) == (401, "session_ended")
    challenge = post("password", **credentials)
    assert challenge.status_code == 202
    code = requests.get(f"{site}/stand-in/code/a_username", timeout=10).text
    assert post("otp", challenge=challenge.json()["challenge"], code=code).status_code == 200


def test_ctrl_c_stops_all_that_was_started(tmp_path: Path) -> None:
    started = Running(tmp_path / "log")
    try:
        started.wait_until_ready()
        assert _processes_below(started.process.pid)
    finally:
        left = _processes_below(started.process.pid)
        started.stop()
    until(lambda: not any(_is_alive(process) for process in left))
    for port in (started.port, started.port + 1):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))


def test_a_port_in_use_is_said_to_be() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port} is in use" in _refusal(PORT=str(port), SHOTGRID_SITE_URL="https://site.example")


def test_a_setting_that_is_none_is_named() -> None:
    said = _refusal(PORT=str(free_port(in_a_row=3)), SHOTGRID_SITE_URL="ftp://site.example")
    assert "ShotGridSiteUrl" in said
    assert "must be https://HOST" in said


@pytest.mark.parametrize("port", ["x", "80", "99999", ""])
def test_a_port_that_is_none_is_named(port: str) -> None:
    assert "PORT must be" in _refusal(PORT=port)


def test_the_deployment_is_two_commands_and_an_api_beside_it_two_more(tmp_path: Path) -> None:
    # A checkout of its own: another test's `sam build` empties the folder that `sam deploy` reads.
    for name in ("template.yaml", "samconfig.toml", "functions", "layers", "docs/examples"):
        copy, original = tmp_path / name, ROOT / name
        copy.parent.mkdir(exist_ok=True)
        (shutil.copytree if original.is_dir() else shutil.copy)(original, copy)
    with LocalAws() as aws:
        # The second of the two for an API is also an update: the stack keeps its other values.
        done = _deploy(aws, tmp_path, DEPLOY + DEPLOY_API)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "123456789012:abcdef1234" in DEPLOY_API
        stack = aws.client("cloudformation").describe_stacks(StackName="shotgrid-login")["Stacks"][0]
        given = {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in stack["Parameters"]}
        assert given["ShotGridSiteUrl"] == "https://studio.shotgrid.autodesk.com"
        assert given["AllowedOrigins"] == "https://pages.studio.com"
        assert given["AuthorizerApis"] == "123456789012:abcdef1234"
        assert given["AuthorizerRules"] == "abcdef1234/reports=Manager|Admin;"
        # A rule that cannot be read stops the deployment, and says which parameter it is. One is that `sam` has cut.
        update = DEPLOY_API.splitlines()[-1]
        for wrong in (update.replace("Manager|", "Manager|,"), update.replace("Manager", "Lead Artist")):
            refused = _deploy(aws, tmp_path, wrong)
            assert refused.returncode != 0
            assert "AuthorizerRules" in refused.stderr
        rules = re.search('AuthorizerRules="[^"]*"', update)
        assert rules
        whole = _deploy(aws, tmp_path, update.replace(rules[0], f"'{rules[0].replace('Manager', 'Lead Artist')}'"))
        assert whole.returncode == 0, whole.stderr
        stack = aws.client("cloudformation").describe_stacks(StackName="shotgrid-login")["Stacks"][0]
        given = {parameter["ParameterKey"]: parameter["ParameterValue"] for parameter in stack["Parameters"]}
        assert given["AuthorizerRules"] == "abcdef1234/reports=Lead Artist|Admin;"


def _deploy(aws: LocalAws, checkout: Path, commands: str) -> subprocess.CompletedProcess[str]:
    environment = aws.environment()
    environment["PATH"] = f"{Path(sam()).parent}{os.pathsep}{environment['PATH']}"
    return subprocess.run(
        ["bash", "-e"], input=commands, cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )


def _refusal(**settings: str) -> str:
    """Return what `make run` says instead of starting."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.local"],
        cwd=ROOT,
        env=os.environ | settings,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    return done.stderr


def _paste(block: str, directory: Path) -> str:
    environment = os.environ | {"NO_PROXY": "*"}
    done = subprocess.run(
        ["bash", "-e"],
        input=block,
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _processes_below(process: int) -> list[int]:
    """Return all processes below one, whatever groups they made for themselves."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    below = {process}
    while more := {child for child, parent in parents.items() if parent in below} - below:
        below |= more
    return sorted(below - {process})


def _is_alive(process: int) -> bool:
    try:
        return "Z" not in (Path("/proc") / str(process) / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
