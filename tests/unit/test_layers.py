"""What the build of the layers keeps of the packages, and that Lambda can use the bytecode."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import botocore
import certifi
import pytest
from botocore.model import OperationModel, ServiceModel

import bytecode
from layers.dependencies import build
from tests.local.stack import ROOT
from tests.support.template import FUNCTIONS, created, statements

COPIES = [ROOT / "layers" / layer / "bytecode.py" for layer in ("dependencies", "shotgrid_login")]
SAM_SETS_THIS_TIME = 315532800  # 1980-01-01


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy what botocore has of two services, and a third one."""
    source, copy = Path(botocore.__file__).with_name("data"), tmp_path_factory.mktemp("data")
    for name in ("dynamodb", "kms", "sqs"):
        shutil.copytree(source / name, copy / name)
    shutil.copy(source / "endpoints.json", copy)
    return copy


@pytest.fixture
def data(full: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(full, tmp_path / "data"))


def _model(data: Path, service: str) -> ServiceModel:
    [version] = (data / service).iterdir()
    return ServiceModel(json.loads((version / "service-2.json").read_text()), service)


def _shapes(shape: Any, seen: frozenset[str] = frozenset()) -> Any:
    """Return what a shape consists of, with the first occurrence of each shape that contains itself."""
    if shape is None or shape.name in seen:
        return None
    parts = {name: getattr(shape, name) for name in ("member", "key", "value") if hasattr(shape, name)}
    parts |= getattr(shape, "members", {})
    inside = seen | {shape.name}
    return (
        shape.type_name,
        shape.serialization,
        shape.required_members if shape.type_name == "structure" else None,
        {name: _shapes(part, inside) for name, part in parts.items()},
    )


def _described(operation: OperationModel) -> Any:
    shapes = (operation.input_shape, operation.output_shape, *operation.error_shapes)
    return operation.http, operation.auth_type, [_shapes(shape) for shape in shapes]


def test_layer_has_exactly_the_operations_that_the_roles_allow() -> None:
    actions = {action for function in FUNCTIONS for row in statements(function) for action in row["Action"]}
    allowed = {action for action in actions if action.startswith(("dynamodb:", "kms:"))}
    kept = {f"{service}:{name}" for service, names in build.OPERATIONS.items() for name in names}
    assert kept == allowed


@pytest.mark.parametrize("service", build.OPERATIONS)
def test_kept_operations_are_described_as_before(service: str, full: Path, data: Path) -> None:
    build.keep_operations(data, build.OPERATIONS)
    kept = _model(data, service)
    assert kept.operation_names == sorted(build.OPERATIONS[service])
    [version] = (full / service).glob(kept.api_version)
    before = ServiceModel(build.read(version / "service-2"), service)
    for name in kept.operation_names:
        assert _described(kept.operation_model(name)) == _described(before.operation_model(name))


def test_other_services_and_their_endpoints_are_removed(data: Path) -> None:
    build.keep_operations(data, build.OPERATIONS)
    assert {path.name for path in data.iterdir()} == {"dynamodb", "kms", "endpoints.json"}
    partitions = json.loads((data / "endpoints.json").read_text())["partitions"]
    assert {"aws", "aws-cn", "aws-us-gov"} <= {partition["partition"] for partition in partitions}
    assert all(partition["services"].keys() <= build.OPERATIONS.keys() for partition in partitions)


@pytest.mark.parametrize("operations", [{"kms": ["Encrypt", "Guess"]}, {"nothing": ["Encrypt"]}])
def test_missing_operation_or_service_fails_the_build(operations: dict[str, list[str]], data: Path) -> None:
    with pytest.raises(LookupError, match=r"Guess|nothing"):
        build.keep_operations(data, operations)


def test_amazon_roots_are_five_certificates_of_certifi(tmp_path: Path) -> None:
    roots = tmp_path / "roots.pem"
    build.write_roots(Path(certifi.where()), roots)
    subjects = [
        dict(pair for part in certificate["subject"] for pair in part)["commonName"] for certificate in _loaded(roots)
    ]
    assert sorted(subjects) == sorted(build.AMAZON_ROOTS)


def test_missing_root_fails_the_build(tmp_path: Path) -> None:
    certificates = tmp_path / "cacert.pem"
    certificates.write_text(Path(certifi.where()).read_text().replace("Amazon Root CA 3", "Another CA"))
    with pytest.raises(LookupError, match="Amazon Root CA 3"):
        build.write_roots(certificates, tmp_path / "roots.pem")


def test_settings_of_pip_that_exclude_a_target_folder_are_turned_off(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PIP_USER", "1")
    monkeypatch.setenv("PIP_REQUIRE_VIRTUALENV", "1")
    environments: list[dict[str, str]] = []
    monkeypatch.setattr(subprocess, "run", lambda *_, env, **__: environments.append(env))
    build.install(tmp_path)
    [environment] = environments
    assert (environment["PIP_USER"], environment["PIP_REQUIRE_VIRTUALENV"]) == ("0", "0")


@pytest.mark.parametrize(
    ("region", "bundle"),
    [("us-east-1", "/opt/amazon-roots.pem"), ("cn-north-1", None), ("us-gov-west-1", None)],
)
def test_calls_of_aws_trust_only_amazons_roots_where_these_have_issued_all_certificates(
    region: str, bundle: str | None
) -> None:
    functions = [row for row in created(region)["Resources"].values() if row["Type"] == "AWS::Lambda::Function"]
    assert len(functions) == len(FUNCTIONS)
    for function in functions:
        assert function["Properties"]["Environment"]["Variables"].get("AWS_CA_BUNDLE") == bundle


def test_both_layers_are_compiled_by_the_same_code() -> None:
    assert COPIES[0].read_bytes() == COPIES[1].read_bytes()


@pytest.fixture(scope="module")
def compiler() -> str:
    python = bytecode.find_compiler()
    if python is None:
        pytest.skip("there is no Python 3.13")
    return python


def test_lambda_uses_the_bytecode_and_does_not_compare_it_with_the_source(compiler: str, tmp_path: Path) -> None:
    module = tmp_path / "shipped.py"
    module.write_text("value = 'compiled'\n")
    bytecode.compile_folder(tmp_path, "/opt/python")
    module.write_text("value = 'from the source, which is larger'\n")
    os.utime(module, (SAM_SETS_THIS_TIME, SAM_SETS_THIS_TIME))
    command = [compiler, "-c", "import shipped; print(shipped.value)"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "compiled\n"


@pytest.mark.usefixtures("compiler")
def test_bytecode_has_the_path_on_lambda_and_not_that_of_the_build(tmp_path: Path) -> None:
    (tmp_path / "shipped.py").write_text("value = 1\n")
    bytecode.compile_folder(tmp_path, "/opt/python")
    [compiled] = tmp_path.rglob("*.pyc")
    assert b"/opt/python/shipped.py" in compiled.read_bytes()
    assert str(tmp_path).encode() not in compiled.read_bytes()


def test_without_a_compiler_the_build_reports_that_the_bytecode_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bytecode, "find_compiler", lambda: None)
    bytecode.compile_folder(tmp_path, "/opt/python")
    assert "this layer has no bytecode" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_layer_is_built_in_a_folder_with_special_characters(compiler: str, tmp_path: Path) -> None:
    folder = tmp_path / "$HOME and $(more)"
    shutil.copytree(ROOT / "layers" / "shotgrid_login", folder, ignore=shutil.ignore_patterns("__pycache__"))
    artifacts = folder / "artifacts"
    command = ["make", "--makefile", str(folder / "Makefile"), "build-LoginLayer"]
    environment = os.environ | {"ARTIFACTS_DIR": str(artifacts), "PYTHON": compiler}
    subprocess.run(command, cwd=folder, env=environment, check=True)
    assert (artifacts / "python" / "shotgrid_login" / "aws.py").exists()
    assert list(artifacts.rglob("aws.cpython-313.pyc"))


def _loaded(roots: Path) -> list[Any]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(roots)
    return context.get_ca_certs()
