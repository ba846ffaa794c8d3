"""What `sam build` puts into the layers."""

from __future__ import annotations

import pytest

from tests.local.stack import ROOT, build

BUILT = ROOT / ".aws-sam" / "build"
UNCHECKED_HASH = (1).to_bytes(4, "little")  # the flags of bytecode that is not compared with its source (PEP 552)


@pytest.mark.parametrize("layer", ["LoginLayer", "DependenciesLayer"])
def test_every_module_of_a_layer_has_bytecode_that_lambda_uses(layer: str) -> None:
    build()
    modules = list((BUILT / layer / "python").rglob("*.py"))
    assert modules
    compiled = [path.with_name("__pycache__") / f"{path.stem}.cpython-313.pyc" for path in modules]
    if not any(path.exists() for path in compiled):
        pytest.skip("there is no Python 3.13, so the layers have no bytecode")
    assert all(path.read_bytes()[4:8] == UNCHECKED_HASH for path in compiled)


def test_layer_of_dependencies_has_only_the_pinned_packages_and_amazons_roots() -> None:
    build()
    layer = BUILT / "DependenciesLayer"
    assert {path.name for path in layer.iterdir()} == {"python", "amazon-roots.pem"}
    lines = (ROOT / "layers" / "dependencies" / "requirements.txt").read_text().splitlines()
    pins = {line.split("==")[0].replace("-", "_") for line in lines if "==" in line}
    assert {path.name.split("-")[0] for path in (layer / "python").glob("*.dist-info")} == pins
