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

# For another template than our own. `sam` finds samconfig.toml, which has these options, only beside our template.
_WITHOUT_SAMCONFIG = ("--capabilities", "CAPABILITY_IAM", "--resolve-s3")

# Ports for `free_port`. They are below the range that systems use for outgoing connections, so no connection of another
# process takes a port between `free_port` and the start of the server.
PORTS = range(20_000, 32_000)

# The longest time for the start of MiniStack, on a loaded machine. Seconds.
START_SECONDS = 120


class SetupFailed(Exception):
    """The stack could not be started. The message has the reason, with the output of the tool that failed."""


class LocalAws:
    """One MiniStack process and the processes of its functions, on loopback."""

    def __init__(self, port: int = 0, *, record_calls: bool = False) -> None:
        """Use this port, or any free port for 0. With `record_calls`, CloudTrail has the calls."""
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
        # MiniStack starts a process for each function. In a process group of their own, all are stopped together.
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
        """Return the environment for tools that call this AWS as its root user, and never another AWS."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
        return inherited | {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "NO_PROXY": "*",
            "SAM_CLI_POLL_DELAY": "0.2",  # seconds between two checks of a deployment; the default is 5
            "SAM_CLI_TELEMETRY": "0",
            "TMPDIR": self._directory.name,  # deleted with this AWS
        }

    def client(self, service: str, **credentials: str) -> Any:
        """Return a boto3 client, as the root user or with other credentials."""
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"} | credentials
        return boto3.client(service, endpoint_url=self.endpoint, region_name=REGION, **keys)  # type: ignore[call-overload]

    def deploy(self, parameters: dict[str, str], stack: str = STACK, template: str | None = None) -> dict[str, str]:
        """Deploy our own template or another one, as an ops user does. Return the outputs of the stack.

        Raises `SetupFailed`.
        """
        if template is None:
            build()
        overrides = [f'{name}="{value}"' for name, value in parameters.items()]
        options = ("--template-file", template, "--s3-prefix", stack, *_WITHOUT_SAMCONFIG) if template else ()
        command = [sam(), "deploy", "--stack-name", stack, *options, "--region", REGION, "--no-progressbar"]
        with _build_folder_locked(fcntl.LOCK_SH):
            _run([*command, "--parameter-overrides", *overrides], self.environment())
        description = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in description["Outputs"]}

    def owns(self, process: int) -> bool:
        """Return whether a process belongs to this AWS, for example the process of a function."""
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
def _build_folder_locked(operation: int) -> Iterator[None]:
    """Lock the folder that `sam build` writes and `sam deploy` reads, against other processes of the suite.

    `operation` is `fcntl.LOCK_SH` for readers and `fcntl.LOCK_EX` for a writer.
    """
    (ROOT / ".aws-sam").mkdir(exist_ok=True)
    with (ROOT / ".aws-sam" / "lock").open("w") as lock:
        fcntl.flock(lock, operation)
        yield


@functools.cache
def build() -> None:
    """Run `sam build`, once for each process of the suite and in one process at a time. Raises `SetupFailed`."""
    with _build_folder_locked(fcntl.LOCK_EX):
        # The build of a layer runs pip. Use the pip beside `sam`: the Python of this machine can be without one.
        path = f"{Path(sam()).parent}{os.pathsep}{os.environ['PATH']}"
        _run([sam(), "build"], dict(os.environ) | {"SAM_CLI_TELEMETRY": "0", "PATH": path})


def sam() -> str:
    """Return the path of the SAM CLI. It has its own virtual environment, because it pins other versions of boto3."""
    return str(ROOT / ".venv" / "sam" / "bin" / "sam")


def free_port(in_a_row: int = 1) -> int:
    """Return the first of `in_a_row` unused ports of loopback. Raises `SetupFailed`."""
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
        output = done.stderr.strip() or done.stdout.strip()
        raise SetupFailed(f"{Path(command[0]).name} {command[1]} failed:\n{output[-4000:]}")
