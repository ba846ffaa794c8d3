"""What the build of the layers keeps of the packages, and that Lambda can use the bytecode."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import certifi
import pytest

import bytecode
from layers.dependencies import build
from tests.local.stack import ROOT
from tests.support.template import FUNCTIONS, created

COPIES = [ROOT / "layers" / layer / "bytecode.py" for layer in ("dependencies", "shotgrid_login")]
SAM_SETS_THIS_TIME = 315532800  # 1980-01-01


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
