"""Deployed code as Lambda unpacks it, and the settings of its functions.

The files are copies that the functions cannot change: dated 1980, as `sam` dates them, and read-only. So Python can use
the bytecode that a layer ships, and stores none. The copies of root certificates also have that of the measurement.
"""

from __future__ import annotations

import compileall
import functools
import io
import os
import re
import shutil
import subprocess
import sysconfig
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from py_compile import PycInvalidationMode

from samtranslator.yaml_helper import yaml_parse

from tests.bench.https import SITE_URL
from tests.local.stack import ROOT, LocalAws, SetupFailed, sam

ORIGIN = "https://pages.example"

# What Lambda's Python brings with boto3. The versions are those of the tests.
RUNTIME_PACKAGES = ("boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six.py", "urllib3")

DATE = 315_532_800  # 1980-01-01, in seconds since 1970

PEERS = Path(__file__).with_name("peers")

# The memory of a peer: what the functions had in the baseline. Megabytes.
PEER_MEGABYTES = 512


@dataclass(frozen=True)
class Function:
    """The folders of a function in the order of its imports, its variables, and its memory."""

    path: tuple[Path, ...]
    environment: Mapping[str, str]
    megabytes: int


@dataclass(frozen=True)
class Deployment:
    """Functions by name, such as `access_token`."""

    name: str
    functions: Mapping[str, Function]


def deploy(aws: LocalAws, name: str, built: Path, unpacked: Unpacked) -> Deployment:
    """Deploy a built template, and unpack its code. `name` is also the name of the stack."""
    aws.create({"ShotGridSiteUrl": SITE_URL, "AllowedOrigins": ORIGIN}, stack=name, template=str(built))
    resources = yaml_parse(built.read_text())["Resources"]
    layers = unpacked.folder(name, "opt")
    functions = {}
    for resource in resources.values():
        if resource["Type"] == "AWS::Serverless::LayerVersion":
            shutil.copytree(built.parent / resource["Properties"]["ContentUri"], layers, dirs_exist_ok=True)
    for logical_id, resource in resources.items():
        if resource["Type"] != "AWS::Serverless::Function":
            continue
        function = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", logical_id.removesuffix("Function")).lower()
        task = unpacked.folder(name, function)
        ignored = shutil.ignore_patterns("__pycache__")  # of the developer's own runs
        shutil.copytree(built.parent / resource["Properties"]["CodeUri"], task, dirs_exist_ok=True, ignore=ignored)
        physical_id = aws.resource(logical_id, name)
        deployed = aws.client("lambda").get_function_configuration(FunctionName=physical_id)
        environment = {
            variable: re.sub("^/opt/", f"{layers}/", value)
            for variable, value in deployed["Environment"]["Variables"].items()
        }
        environment["SSL_CERT_FILE"] = str(unpacked.system_roots)
        path = (task, layers / "python", unpacked.runtime)
        functions[function] = Function(path, environment, deployed["MemorySize"])
    return Deployment(name, functions)


def peers(unpacked: Unpacked, environment: Mapping[str, str], *, with_bytecode: bool) -> Deployment:
    """Unpack the peers. They use the site and the tables of `environment`."""
    name = "peers with bytecode" if with_bytecode else "peers"
    packages = unpacked.folder(name, "packages")
    installed = next((ROOT / ".venv" / "peers" / "lib").glob("python3.*")) / "site-packages"
    shutil.copytree(installed, packages, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    functions = {}
    for source in sorted(PEERS.glob("*/app.py")):
        task = unpacked.folder(name, source.parent.name)
        shutil.copy(source, task)
        functions[source.parent.name] = Function((task, packages, unpacked.runtime), environment, PEER_MEGABYTES)
    if with_bytecode:
        _compile(unpacked.directory / name)
    return Deployment(name, functions)


@dataclass(frozen=True)
class Unpacked:
    """The folder with all copies."""

    directory: Path

    @functools.cached_property
    def runtime(self) -> Path:
        """The packages of Lambda's own Python, with their bytecode."""
        folder = self.folder("runtime", "site-packages")
        installed = Path(sysconfig.get_path("purelib"))
        for package in RUNTIME_PACKAGES:
            if (installed / package).is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(installed / package, folder / package, ignore=ignored)
            else:
                shutil.copy(installed / package, folder)
        _compile(folder)
        shutil.copy(folder / "botocore" / "cacert.pem", self.system_roots)
        return folder

    @property
    def system_roots(self) -> Path:
        """The root certificates of Lambda's system."""
        return self.directory / "runtime" / "system-roots.pem"

    def folder(self, *names: str) -> Path:
        """Create a folder."""
        folder = self.directory.joinpath(*names)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def finish(self, root_certificate: str) -> None:
        """Let all copies trust this certificate (PEM), date them, and make them read-only."""
        for path in self.directory.rglob("*"):
            if path.suffix == ".pem" and "BEGIN CERTIFICATE" in path.read_text():
                path.write_text(f"{path.read_text()}\n{root_certificate}")
        for path in [self.directory, *self.directory.rglob("*")]:
            os.utime(path, (DATE, DATE), follow_symlinks=False)
            path.chmod(0o555 if path.is_dir() else 0o444)

    def make_writable(self) -> None:
        """Let the copies be deleted."""
        for path in [self.directory, *self.directory.rglob("*")]:
            if path.is_dir():
                path.chmod(0o755)


def build_commit(commit: str) -> Path:
    """Build the stack of an earlier commit, unless that is done. Return its built template. Raises `SetupFailed`."""
    folder = ROOT / ".aws-sam" / "bench" / commit
    built = folder / ".aws-sam" / "build" / "template.yaml"
    if not built.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        archive = _output(["git", "archive", commit, "template.yaml", "samconfig.toml", "functions", "layers"], ROOT)
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(folder, filter="data")
        _output([sam(), "build"], folder)
    return built


def _output(command: list[str], folder: Path) -> bytes:
    path = f"{Path(sam()).parent}{os.pathsep}{os.environ['PATH']}"  # `sam build` calls the pip beside `sam`
    environment = os.environ | {"PATH": path, "SAM_CLI_TELEMETRY": "0"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise SetupFailed(f"{' '.join(command[:2])} failed:\n{done.stderr.decode()[-4000:]}")
    return done.stdout


def _compile(folder: Path) -> None:
    mode = PycInvalidationMode.UNCHECKED_HASH
    if not compileall.compile_dir(folder, quiet=2, invalidation_mode=mode):
        raise SetupFailed(f"{folder} does not compile")
