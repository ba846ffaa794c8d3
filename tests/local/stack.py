"""The real template on local AWS: MiniStack with IAM enforced, deployed by the real `sam`."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3

ROOT = Path(__file__).resolve().parents[2]
DOMAIN = "login.localhost"
REGION = "us-east-1"
CERTIFICATE = f"arn:aws:acm:{REGION}:000000000000:certificate/local"
STACK = "shotgrid-login"

# What samconfig.toml says for our own template, which `sam` looks for beside the one that it is given.
_WITHOUT_SAMCONFIG = ("--capabilities", "CAPABILITY_IAM", "--resolve-s3")

# Where `free_port` looks: below what systems take for outgoing connections, one of which could come before the server.
PORTS = range(20_000, 32_000)

# How long a start may take on a loaded machine. Seconds.
START_SECONDS = 120


class SetupFailed(Exception):
    """A tool that the stack needs has failed; the message has what it said."""


class LocalAws:
    """One MiniStack process and its functions' processes, on loopback."""

    def __init__(self, port: int = 0, *, record_calls: bool = False) -> None:
        """Take any free port, unless one is given. Recorded calls can be looked up in CloudTrail."""
        self.port = port or free_port()
        self._record_calls = record_calls
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._directory = tempfile.TemporaryDirectory(prefix="shotgrid-login-", ignore_cleanup_errors=True)
        self.log = Path(self._directory.name) / "ministack.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> LocalAws:
        if not _is_free(self.port):
            self._directory.cleanup()
            raise SetupFailed(f"port {self.port} is in use; choose another one with PORT=…")
        environment = self.environment() | {
            "AUTH": "true",
            "BIND_HOST": "127.0.0.1",
            "CLOUDTRAIL_RECORDING": str(int(self._record_calls)),
            "GATEWAY_PORT": str(self.port),
            "LOG_LEVEL": "WARNING",
        }
        # The functions run in processes of their own: a group of its own lets all of them be ended together.
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "ministack"],
                env=environment,
                cwd=self._directory.name,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self._wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._directory.cleanup()

    def environment(self) -> dict[str, str]:
        """Return the environment for tools that talk to this AWS and to no other, as its root user."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
        return kept | {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": "*",
            "SAM_CLI_POLL_DELAY": "0.2",  # seconds; by itself it waits for 5 between two looks
            "SAM_CLI_TELEMETRY": "0",
            "TMPDIR": self._directory.name,  # what the tools leave behind goes when this AWS does
        }

    def client(self, service: str, **credentials: str) -> Any:
        """Return a boto3 client, as root unless other credentials are given."""
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"} | credentials
        return boto3.client(service, endpoint_url=self.endpoint, region_name=REGION, **keys)  # type: ignore[call-overload]

    def deploy(self, parameters: dict[str, str], stack: str = STACK, template: str | None = None) -> dict[str, str]:
        """Deploy as an ops user would, and return the stack's outputs: our own template, built, or another one."""
        if template is None:
            build()
        overrides = [f'{name}="{value}"' for name, value in parameters.items()]
        another = ("--template-file", template, "--s3-prefix", stack, *_WITHOUT_SAMCONFIG) if template else ()
        command = [sam(), "deploy", "--stack-name", stack, *another, "--region", REGION, "--no-progressbar"]
        with _built(fcntl.LOCK_SH):
            _run([*command, "--parameter-overrides", *overrides], self.environment())
        description = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in description["Outputs"]}

    def owns(self, process: int) -> bool:
        """Tell whether a process is one of this AWS's, such as a function's."""
        assert self._process is not None
        try:
            return os.getpgid(process) == self._process.pid
        except ProcessLookupError:
            return False

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            with (
                contextlib.suppress(urllib.error.URLError, OSError),
                urllib.request.urlopen(f"{self.endpoint}/_ministack/health", timeout=2),
            ):
                return
            time.sleep(0.05)
        raise SetupFailed(f"MiniStack did not start:\n{self.log.read_text()[-4000:]}")


@contextlib.contextmanager
def _built(how: int) -> Iterator[None]:
    """Have the folder that `sam build` fills and `sam deploy` reads: shared by readers, or for oneself."""
    (ROOT / ".aws-sam").mkdir(exist_ok=True)
    with (ROOT / ".aws-sam" / "lock").open("w") as lock:
        fcntl.flock(lock, how)
        yield


@functools.cache
def build() -> None:
    """Run `sam build`: once in a process, and in one process at a time."""
    with _built(fcntl.LOCK_EX):
        # The layer is built with pip: with the one beside `sam`, as the machine's own Python may have none.
        path = f"{Path(sam()).parent}{os.pathsep}{os.environ['PATH']}"
        _run([sam(), "build"], dict(os.environ) | {"SAM_CLI_TELEMETRY": "0", "PATH": path})


def sam() -> str:
    """Return the SAM CLI that `make` installed, in an environment of its own: it pins other versions of boto3."""
    return str(ROOT / ".venv" / "sam" / "bin" / "sam")


def free_port(in_a_row: int = 1) -> int:
    """Return a port of loopback that nobody uses at the moment, the first of so many."""
    for _ in range(100):
        first = PORTS.start + secrets.randbelow(len(PORTS))
        if all(_is_free(port) for port in range(first, first + in_a_row)):
            return first
    raise SetupFailed(f"no {in_a_row} ports in a row are free between {PORTS.start} and {PORTS.stop}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        said = done.stderr.strip() or done.stdout.strip()
        raise SetupFailed(f"{Path(command[0]).name} {command[1]} failed:\n{said[-4000:]}")
