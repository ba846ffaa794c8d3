"""Every command of README.md and docs/*.md, pasted into a shell, against one `make run`."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import venv
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests
from botocore.exceptions import ClientError

from shotgrid_login import __version__
from tests.local.__main__ import description
from tests.local.stack import FAST_SAM, ROOT, STACK, LocalAws, free_port, sam
from tests.support.client import until
from tests.support.docs import blocks
from tests.support.documented_pages import SITE
from tests.support.template import parsed

HTTP_GUIDE = ROOT / "docs" / "http.md"


def block(document: str, start: str) -> str:
    """Return the `sh` block of a document that starts with this text."""
    (text,) = (found.text for found in blocks("sh") if found.document == document and found.text.startswith(start))
    return text


RUN = block("README.md", "make run")
DEPLOY = block("README.md", "sam build")
CHECK = block("README.md", "pip install .")
DEPLOY_API = block("README.md", "sam deploy")
CURL, CURL_BROWSER = (found.text for found in blocks("sh") if found.document == "docs/http.md")
SWITCH = block("docs/two-factor.md", "curl -sS -X PUT")

# The account of the documents. MiniStack reads the account from the access key, so that the stacks of the documents
# are separate from the stack of `make run`.
ACCOUNT = "123456789012"

# What `pip install` and `sam` read.
CHECKOUT = (
    ".gitignore",
    "pyproject.toml",
    "samconfig.toml",
    "template.yaml",
    "docs/examples",
    "functions",
    "layers",
    "ops",
)

# The longest time for a start or a block, on a loaded machine. Seconds.
START_SECONDS = 180
BLOCK_SECONDS = 300

# Settings of the caller that would change what `make run` does.
SETTINGS = ("SITE", "SHOTGRID_SITE_URL", "ALLOWED_ORIGINS", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")

# Prints the hash of a folder, by which `sam build` knows whether the layer in its cache is the one of these sources.
SOURCE_HASH = """
import hashlib, sys
from samcli.lib.utils.hash import dir_checksum
print(dir_checksum(sys.argv[1], ignore_list=[".aws-sam"], hash_generator=hashlib.sha256()))
"""

# Prints how `sam` reads the values of the option --parameter-overrides before and after the argument --.
READ_OVERRIDES = """
import json, sys
from samcli.cli.types import CfnParameterOverridesType
middle = sys.argv.index("--")
values = sys.argv[1:middle], sys.argv[middle + 1:]
print(json.dumps([CfnParameterOverridesType().convert(tuple(value), None, None) for value in values]))
"""


class MakeRun:
    """A running `make run`, with what it has printed."""

    def __init__(self, log: Path) -> None:
        self.port = free_port(in_a_row=4)
        self.gateway = f"http://login.localhost:{self.port}"
        self.gateway_over_tls = f"https://login.localhost:{self.port + 3}"
        self.site = f"http://127.0.0.1:{self.port + 1}"
        self.log = log
        environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [*RUN.split(), f"PYTHON={sys.executable}"],
                cwd=ROOT,
                env=environment | {"PORT": str(self.port)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def lines(self) -> list[str]:
        return self.log.read_text().splitlines()

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def wait_until_ready(self) -> None:
        ready = f"Gateway ready at {self.gateway}"
        until(lambda: ready in self.lines or not self.is_running, seconds=START_SECONDS)
        assert self.is_running, self.log.read_text()

    def interrupt(self) -> None:
        """Do what Ctrl-C does: interrupt all processes of the terminal's foreground."""
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(60)

    def paste(self, block: str, directory: Path) -> str:
        """Run a block with the addresses of this `make run`, and return what it prints."""
        block = block.replace(":8000", f":{self.port}").replace(":8001", f":{self.port + 1}").replace(SITE, self.site)
        return paste(block, directory, os.environ | {"NO_PROXY": "*"})


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeRun]:
    started = MakeRun(tmp_path_factory.mktemp("run") / "log")
    try:
        started.wait_until_ready()
        yield started
    finally:
        if started.is_running:
            started.interrupt()


@pytest.fixture(scope="module")
def aws(running: MakeRun) -> Iterator[LocalAws]:
    """The local AWS of `make run`."""
    found = LocalAws(running.port)
    with ExitStack() as stack:
        stack.push(found)  # closes its clients at the end; it has started no process
        yield found


@pytest.fixture(scope="module")
def checkout(running: MakeRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of its own, because `sam build` and `pip install` write into the checkout."""
    assert running.is_running  # so the build below is complete
    folder = tmp_path_factory.mktemp("checkout")
    for name in CHECKOUT:
        copy, original = folder / name, ROOT / name
        copy.parent.mkdir(exist_ok=True)
        if original.is_dir():
            shutil.copytree(original, copy, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(original, copy)
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    subprocess.run(["git", "add", "--all"], cwd=folder, check=True)
    # With the cache of the last build, `sam build` does not download the packages of the layer again. The hashes of
    # that build include the bytecode that Python has stored in the checkout.
    built, copied = ROOT / ".aws-sam", folder / ".aws-sam"
    shutil.copytree(built / "cache", copied / "cache")
    record = (built / "build.toml").read_text().replace(str(ROOT), str(folder))
    record = re.sub('codeuri = "(.*)"(?s:.*?)source_hash = "(.*)"', _with_source_hash, record)
    (copied / "build.toml").write_text(record)
    return folder


def _with_source_hash(layer: re.Match[str]) -> str:
    command = [str(Path(sam()).with_name("python")), "-c", SOURCE_HASH, layer[1]]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return layer[0].replace(layer[2], done.stdout.strip())


def test_every_command_of_the_documents_is_run_by_a_test_of_this_file() -> None:
    assert {found.text for found in blocks("sh")} == {RUN, DEPLOY, CHECK, DEPLOY_API, CURL, CURL_BROWSER, SWITCH}


def test_make_run_prints_how_to_sign_in_and_ends_with_the_gateway(running: MakeRun) -> None:
    assert running.lines[-1] == f"Gateway ready at {running.gateway}"
    described = list(description(running.site, "passwords"))
    assert running.lines[: len(described)] == described


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_make_run_serves_the_gateway_over_tls(running: MakeRun) -> None:
    """Its own pages can sign users in. Safari needs it."""
    url, host = f"https://127.0.0.1:{running.port + 3}", f"login.localhost:{running.port + 3}"
    headers = {"host": host, "origin": running.gateway_over_tls, "sec-fetch-site": "same-origin"}
    page = requests.get(f"{url}/", headers=headers, verify=False, timeout=60)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    credentials = {"username": "a_username", "password": "a_password"}
    response = requests.post(f"{url}/auth/password", json=credentials, headers=headers, verify=False, timeout=60)
    assert response.headers["access-control-allow-origin"] == running.gateway_over_tls


def documented_statuses() -> list[list[str]]:
    """Return the statuses that the two blocks of the HTTP contract print."""
    return [re.findall(r"\d{3}", text) for text in re.findall("It prints the statuses (.*)\\.", HTTP_GUIDE.read_text())]


def printed_statuses(printed: str) -> list[str]:
    return re.findall(r"^(\d{3})$", printed, re.MULTILINE)


def test_curl_commands_sign_in_in_the_browser(running: MakeRun, tmp_path: Path) -> None:
    printed = running.paste(CURL_BROWSER, tmp_path)
    assert printed_statuses(printed) == documented_statuses()[1]
    assert '"method": "default", "password": "yes", "browser": "yes"' in printed
    assert '"login": "artist@studio.example"' in printed
    assert list(tmp_path.iterdir()) == []


def test_curl_commands_print_the_documented_statuses(running: MakeRun, tmp_path: Path) -> None:
    printed = running.paste(CURL, tmp_path)
    assert printed_statuses(printed) == documented_statuses()[0]
    assert '"status": "otp_required"' in printed
    assert printed.count('"login": "a_username"') == 4  # sign-in, the site's record, /auth/session, refresh
    assert '"code": "session_ended"' in printed
    assert list(tmp_path.iterdir()) == []


def test_two_factor_authentication_can_be_switched_while_make_run_runs(running: MakeRun, tmp_path: Path) -> None:
    def sign_in() -> int:
        url, headers = f"http://127.0.0.1:{running.port}/auth/password", {"host": f"login.localhost:{running.port}"}
        credentials = {"username": "a_username", "password": "a_password"}
        return requests.post(url, json=credentials, headers=headers, timeout=60).status_code

    assert '"two_factor": false' in running.paste(SWITCH.replace("true", "false"), tmp_path)
    assert sign_in() == 200
    assert '"two_factor": true' in running.paste(SWITCH, tmp_path)
    assert sign_in() == 202


def test_check_commands_install_the_command_and_save_the_result(
    running: MakeRun, checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = tmp_path / "environment"
    venv.create(environment, symlinks=True, with_pip=False)
    # Installing pip into the environment takes longer than the block. The pip of `sam` installs into it as well.
    monkeypatch.setenv("PIP_PYTHON", str(environment))
    monkeypatch.setenv("PATH", os.pathsep.join([str(environment / "bin"), str(Path(sam()).parent), os.environ["PATH"]]))
    monkeypatch.delenv("PYTHONPATH", raising=False)

    printed = running.paste(CHECK, checkout)
    assert re.search(r"^OK +site\.sign-in +default\b", printed, re.MULTILINE)
    assert "Nothing that was checked would break." in printed
    (installed,) = environment.rglob("shotgrid_login_gateway-*.dist-info")
    assert installed.name == f"shotgrid_login_gateway-{__version__}.dist-info"
    assert json.loads((checkout / "before.json").read_text())["site"] == running.site
    changes = ["git", "ls-files", "--others", "--modified", "--exclude-standard"]
    done = subprocess.run(changes, cwd=checkout, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["before.json"]


def test_deployment_commands_create_the_stacks_and_update_the_gateway(aws: LocalAws, checkout: Path) -> None:
    environment = aws.environment() | FAST_SAM | {"AWS_ACCESS_KEY_ID": ACCOUNT}
    environment["PATH"] = f"{Path(sam()).parent}{os.pathsep}{environment['PATH']}"
    paste(DEPLOY + DEPLOY_API, checkout, environment)

    cloudformation = aws.client("cloudformation", aws_access_key_id=ACCOUNT)
    stacks = {row["StackName"]: row for row in cloudformation.describe_stacks()["Stacks"]}
    parameters = {row["ParameterKey"]: row["ParameterValue"] for row in stacks[STACK]["Parameters"]}
    assert parameters["ShotGridSiteUrl"] == SITE
    assert parameters["AllowedOrigins"] == "https://pages.studio.com"
    assert parameters["AuthorizerApis"] == "123456789012:abcdef1234"
    assert parameters["AuthorizerRules"] == "abcdef1234/reports=Manager|Admin;"
    (api,) = (row for row in stacks["studio-api"]["Outputs"] if row["OutputKey"] == "AuthorizerApi")
    assert re.fullmatch(f"{ACCOUNT}:[a-z0-9]+", api["OutputValue"])


def test_invalid_site_url_is_rejected_and_named(aws: LocalAws) -> None:
    with pytest.raises(ClientError, match="'ShotGridSiteUrl' must be https://HOST"):
        aws.update({"ShotGridSiteUrl": "ftp://site.example"})


def test_sam_cuts_a_rule_at_a_space_and_the_template_rejects_the_rest() -> None:
    (documented,) = re.findall(
        "sam deploy --parameter-overrides ('AuthorizerRules.*)", "".join(block.text for block in blocks("text"))
    )
    pattern = parsed(ROOT / "template.yaml")["Parameters"]["AuthorizerRules"]["AllowedPattern"]

    python, unquoted = Path(sam()).with_name("python"), documented.replace("'", "")
    read = json.loads(paste(f"{python} -c '{READ_OVERRIDES}' {documented} -- {unquoted}", ROOT, os.environ))
    assert re.fullmatch(pattern, read[0]["AuthorizerRules"])
    assert read[0]["AuthorizerRules"] == "abcdef1234=Lead Artist;"
    assert not re.fullmatch(pattern, read[1]["AuthorizerRules"])


@pytest.mark.last  # it stops what the other tests of this file use
def test_ctrl_c_stops_every_process_of_make_run(running: MakeRun) -> None:
    started = _processes_below(running.process.pid)
    assert started
    running.interrupt()
    until(lambda: not any(_is_alive(process) for process in started))
    for port in (running.port, running.port + 1, running.port + 3):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))


def paste(block: str, directory: Path, environment: Mapping[str, str]) -> str:
    """Run a block in a shell that stops at the first command that fails, and return what it prints."""
    done = subprocess.run(
        ["bash", "-e"],
        input=block,
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=BLOCK_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _processes_below(process: int) -> list[int]:
    """Return the ids of all processes that a process has started, directly or not, in any process group."""
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
