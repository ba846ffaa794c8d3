"""The real template on local AWS: MiniStack with IAM enforced, deployed by the real `sam`."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import io
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

ROOT = Path(__file__).resolve().parents[2]
DOMAIN = "login.localhost"
REGION = "us-east-1"
CERTIFICATE = f"arn:aws:acm:{REGION}:000000000000:certificate/local"
STACK = "shotgrid-login"

# For our own template. A test sends more requests per second than users do. And the emulator applies only the throttle
# of the stage: it does not decode the paths of those of single routes.
_UNTHROTTLED = {"ThrottleRate": "10000", "ThrottleBurst": "5000"}

# For stacks that `sam` does not deploy: AUTO_EXPAND is for the SAM transform. Wait for a stack for up to five minutes.
_CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
_WAIT = {"Delay": 0.1, "MaxAttempts": 3000}  # seconds between two calls

# Ports for `free_port`. They are below the range that systems use for outgoing connections, so no connection of another
# process takes a port between `free_port` and the start of the server.
PORTS = range(20_000, 32_000)

# What `sam build` reads: our own template and its settings, the code, and the version of `sam`.
BUILD_INPUTS = ("template.yaml", "samconfig.toml", "functions", "layers", "tests/local/requirements-sam.txt")
_BUILD_FOLDER = ROOT / ".aws-sam"
_BUILT_TEMPLATE = _BUILD_FOLDER / "build" / "template.yaml"
_BUILD_RECORD = _BUILD_FOLDER / "record.json"  # the digest of the inputs, and the time of the built template

# The user agent is fixed, because botocore would put it together again for each call.
_CONFIG = Config(region_name=REGION, user_agent="tests")

# For the environment of `sam`.
FAST_SAM = {"PYTHONPATH": str(ROOT / "tests" / "local" / "sam")}

# The longest time for the start of MiniStack, on a loaded machine. Seconds.
START_SECONDS = 120


class SetupFailed(Exception):
    """The stack could not be started. The message has the reason, with the output of the tool that failed."""


class LocalAws:
    """One MiniStack process and the processes of its functions, on loopback."""

    def __init__(self, port: int = 0, *, forks: bool = True) -> None:
        """Use this port, or any free port for 0. Without `forks`, functions start as new processes: see forks.py."""
        self.port = port or free_port()
        self._forks = forks
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self._directory = tempfile.TemporaryDirectory(prefix="shotgrid-login-", ignore_cleanup_errors=True)
        self.log = Path(self._directory.name) / "ministack.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._clients: dict[tuple[str, frozenset[tuple[str, str]]], Any] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> LocalAws:
        if not _is_free(self.port):
            self._directory.cleanup()
            raise SetupFailed(f"port {self.port} is in use; choose another one with PORT=…")
        environment = self.environment() | {
            "AUTH": "true",
            "BIND_HOST": "127.0.0.1",
            "FORKS": str(int(self._forks)),
            "GATEWAY_PORT": str(self.port),
            # Listeners of services that no stack here uses. MQTT would listen on all addresses.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "LOG_LEVEL": "WARNING",
            "PYTHONPATH": str(ROOT),
        }
        # MiniStack starts a process for each function. In a process group of their own, all are stopped together.
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.local.emulator"],
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
        for client in self._clients.values():
            client.close()
        self._clients.clear()
        if self._process is not None:
            # MiniStack would first stop its functions one after the other. Nothing of theirs is needed any more.
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
        """Return a boto3 client, as the root user or with other credentials. Clients are kept: a new one is slow."""
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"} | credentials
        key = service, frozenset(keys.items())
        with self._lock:
            if key not in self._clients:
                options: dict[str, Any] = {"endpoint_url": self.endpoint, "config": _CONFIG, **keys}
                self._clients[key] = boto3.client(service, **options)  # type: ignore[call-overload]
            return self._clients[key]

    def deploy(self, parameters: dict[str, str]) -> dict[str, str]:
        """Deploy our own template, as an ops user does. Return the outputs of the stack. Raises `SetupFailed`."""
        build()
        overrides = [f'{name}="{value}"' for name, value in (_UNTHROTTLED | parameters).items()]
        command = [sam(), "deploy", "--stack-name", STACK, "--region", REGION, "--no-progressbar"]
        with _build_folder_locked(fcntl.LOCK_SH):
            _run([*command, "--parameter-overrides", *overrides], self.environment() | FAST_SAM)
        return self.outputs()

    def create(self, parameters: dict[str, str], stack: str = STACK, template: str | None = None) -> dict[str, str]:
        """Create a stack from our own template or another one, without `sam deploy`. Return its outputs.

        It takes a fraction of the time of `deploy`. Raises `SetupFailed`.
        """
        if template is None:
            build()
            parameters = _UNTHROTTLED | parameters
        path = ROOT / template if template else _BUILT_TEMPLATE

        def upload(found: re.Match[str]) -> str:
            folder = path.parent / found["folder"]
            return f"{found['name']}: s3://{self._upload(stack, folder.resolve().name, _zip(folder))}"

        with _build_folder_locked(fcntl.LOCK_SH):
            text = re.sub(r"(?P<name>CodeUri|ContentUri): (?P<folder>\S+)", upload, path.read_text())
        return self.create_from(text, parameters, stack)

    def create_from(self, template: str, parameters: dict[str, str], stack: str) -> dict[str, str]:
        """Create a stack from the text of a template whose code is uploaded or inline. Return its outputs."""
        # From a bucket, as `sam deploy` does: a template in the call itself has 51,200 bytes at most.
        path = self._upload(stack, "template.yaml", template.encode())
        cloudformation = self.client("cloudformation")
        cloudformation.create_stack(
            StackName=stack,
            TemplateURL=f"{self.endpoint}/{path}",
            Capabilities=_CAPABILITIES,
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        )
        cloudformation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig=_WAIT)
        return self.outputs(stack)

    def update(self, parameters: dict[str, str], stack: str = STACK) -> dict[str, str]:
        """Change parameters of a stack and keep its template, its code and its other parameters. Return its outputs.

        It takes a fraction of the time of `deploy`, because it does not run `sam`.
        """
        cloudformation = self.client("cloudformation")
        current = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["Parameters"]
        kept = {row["ParameterKey"] for row in current} - parameters.keys()
        cloudformation.update_stack(
            StackName=stack,
            UsePreviousTemplate=True,
            Capabilities=_CAPABILITIES,
            Parameters=[
                *({"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()),
                *({"ParameterKey": name, "UsePreviousValue": True} for name in kept),
            ],
        )
        cloudformation.get_waiter("stack_update_complete").wait(StackName=stack, WaiterConfig=_WAIT)
        return self.outputs(stack)

    def delete(self, stack: str = STACK) -> None:
        """Delete a stack."""
        cloudformation = self.client("cloudformation")
        cloudformation.delete_stack(StackName=stack)
        cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig=_WAIT)

    def outputs(self, stack: str = STACK) -> dict[str, str]:
        """Return the outputs of a stack by their names."""
        description = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in description["Outputs"]}

    def resource(self, logical_id: str, stack: str = STACK) -> str:
        """Return the physical id of a resource of a stack."""
        described = self.client("cloudformation").describe_stack_resource(StackName=stack, LogicalResourceId=logical_id)
        return str(described["StackResourceDetail"]["PhysicalResourceId"])

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """Let CloudTrail record the calls of this context."""
        self._configure({"cloudtrail._recording_enabled": "true"})
        try:
            yield
        finally:
            self._configure({"cloudtrail._recording_enabled": "false"})

    def kill(self, function: str) -> None:
        """Kill the processes of a function, given by its logical id. The next call starts a new one."""
        for process in self.processes(function):
            with contextlib.suppress(ProcessLookupError):  # it has ended
                os.kill(process, signal.SIGKILL)

    def processes(self, function: str = "") -> Iterator[int]:
        """Find the processes of a function, given by its logical id, or all processes of this AWS.

        A process of a function runs in a folder with its name.
        """
        assert self._process is not None
        for process in Path("/proc").iterdir():
            with contextlib.suppress(ValueError, OSError):  # not a process, or it has ended
                number, folder = int(process.name), str((process / "cwd").readlink())
                if (not function or f"-{function}-" in folder) and os.getpgid(number) == self._process.pid:
                    yield number

    @functools.cached_property
    def _bucket(self) -> str:
        """The name of the bucket with the code of all stacks that `sam` does not deploy."""
        name = "code"
        self.client("s3").create_bucket(Bucket=name)
        return name

    def _upload(self, stack: str, name: str, content: bytes) -> str:
        """Store a file of a stack. Return its path: the bucket and the key."""
        key = f"{stack}/{name}"
        self.client("s3").put_object(Bucket=self._bucket, Key=key, Body=content)
        return f"{self._bucket}/{key}"

    def _configure(self, settings: dict[str, str]) -> None:
        """Change settings of MiniStack."""
        signed = {"authorization": "AWS4-HMAC-SHA256 Credential=test"}  # the guard requires it, and nothing verifies it
        url = f"{self.endpoint}/_ministack/config"
        with urllib.request.urlopen(urllib.request.Request(url, json.dumps(settings).encode(), signed)) as response:
            assert json.load(response)["applied"].keys() == settings.keys()

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(self.endpoint, timeout=2):
                    raise AssertionError("local AWS accepted a request without a signature")
            except urllib.error.HTTPError:  # the response of the guard to a request without a signature
                return
            except OSError:
                time.sleep(0.05)
        raise SetupFailed(f"MiniStack did not start:\n{self.log.read_text()[-4000:]}")


@contextlib.contextmanager
def _build_folder_locked(operation: int) -> Iterator[None]:
    """Lock the folder that `sam build` writes and `sam deploy` reads, against other processes of the suite.

    `operation` is `fcntl.LOCK_SH` for readers and `fcntl.LOCK_EX` for a writer.
    """
    _BUILD_FOLDER.mkdir(exist_ok=True)
    with (_BUILD_FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, operation)
        yield


def _zip(folder: Path) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as zipped:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                zipped.write(path, path.relative_to(folder))
    return archive.getvalue()


@functools.cache
def build() -> None:
    """Run `sam build`, unless the last build had the same inputs. One process builds at a time.

    Raises `SetupFailed`.
    """
    with _build_folder_locked(fcntl.LOCK_SH):
        if _is_built(_build_inputs()):
            return
    with _build_folder_locked(fcntl.LOCK_EX):
        inputs = _build_inputs()  # before the build: a file can change while it runs
        if _is_built(inputs):  # by another process, in between
            return
        # The build of a layer runs make, and make runs pip. Use the pip beside `sam`: the Python of this machine, and
        # the one of `make run PYTHON=…`, can be without one.
        environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "PYTHON")}
        path = f"{Path(sam()).parent}{os.pathsep}{os.environ['PATH']}"
        _run([sam(), "build"], environment | FAST_SAM | {"SAM_CLI_TELEMETRY": "0", "PATH": path})
        _BUILD_RECORD.write_text(json.dumps([inputs, _BUILT_TEMPLATE.stat().st_mtime_ns]))


def _is_built(inputs: str) -> bool:
    """Return whether the build folder has the result of these inputs.

    The time of the built template shows whether something else has run `sam build` since then.
    """
    if not _BUILD_RECORD.exists() or not _BUILT_TEMPLATE.exists():
        return False
    built = [inputs, _BUILT_TEMPLATE.stat().st_mtime_ns]
    return bool(json.loads(_BUILD_RECORD.read_text()) == built)


def _build_inputs() -> str:
    """Return a digest of all files that `sam build` reads."""
    digest = hashlib.sha256()
    for name in BUILD_INPUTS:
        for path in [ROOT / name, *sorted((ROOT / name).rglob("*"))]:
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(ROOT)}\0{path.stat().st_mode}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


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
