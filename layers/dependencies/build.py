"""Builds the layer with the third-party packages, for `sam build`.

pip downloads prebuilt packages for Lambda's platform, so any machine with pip can build it. Of botocore's data, the
layer keeps what the functions call. All of it describes more than 400 services and has 25 MB.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bytecode import compile_folder

# The operations that the functions call. They are those that the roles in template.yaml allow.
OPERATIONS = {
    "dynamodb": ("DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem"),
    "kms": ("Decrypt", "Encrypt", "GenerateMac"),
}

# The roots of all certificates of AWS endpoints in the partition "aws", as certifi labels them
# (Amazon Trust Services: "Repository", section "Trust store and pinning recommendations").
AMAZON_ROOTS = (
    "Amazon Root CA 1",
    "Amazon Root CA 2",
    "Amazon Root CA 3",
    "Amazon Root CA 4",
    "Starfield Services Root Certificate Authority - G2",
)

PLATFORMS = ("manylinux_2_28_aarch64", "manylinux2014_aarch64", "manylinux_2_17_aarch64")


def main() -> None:
    """Build the layer in the folder ARTIFACTS_DIR."""
    layer = Path(os.environ["ARTIFACTS_DIR"])
    python = layer / "python"
    install(python)
    keep_operations(python / "botocore" / "data", OPERATIONS)
    write_roots(python / "certifi" / "cacert.pem", layer / "amazon-roots.pem")
    compile_folder(python, "/opt/python")


def install(folder: Path) -> None:
    """Install the pinned packages for Lambda."""
    # Settings of this machine that pip cannot combine with --target.
    environment = os.environ | {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
    options = ["--quiet", "--disable-pip-version-check", "--no-compile", "--no-deps", "--require-hashes"]
    options += ["--only-binary=:all:", "--implementation=cp", "--python-version=3.13"]
    options += [f"--platform={platform}" for platform in PLATFORMS]
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(folder), "--requirement"]
    subprocess.run([*command, "requirements.txt"], env=environment, check=True)
    shutil.rmtree(folder / "bin", ignore_errors=True)


def keep_operations(data: Path, operations: Mapping[str, Iterable[str]]) -> None:
    """Reduce botocore's folder `data` to some operations of some services, without their documentation.

    Raises `LookupError` if botocore does not know a service or an operation.
    """
    kept = {}
    for service, names in operations.items():
        versions = sorted((data / service).glob("*")) if (data / service).is_dir() else []
        if not versions:
            raise LookupError(f"botocore has no service {service}")
        model = read(versions[-1] / "service-2")
        paginators = read(versions[-1] / "paginators-1")["pagination"]
        kept[f"{service}/{versions[-1].name}"] = {
            "service-2": _with_operations(model, names),
            "paginators-1": {"pagination": {name: paginators[name] for name in names if name in paginators}},
            "endpoint-rule-set-1": read(versions[-1] / "endpoint-rule-set-1"),
        }
    for folder in data.iterdir():
        if folder.is_dir():
            shutil.rmtree(folder)
    for folder_name, files in kept.items():
        (data / folder_name).mkdir(parents=True)
        for name, content in files.items():
            _write(data / folder_name / f"{name}.json", content)
    endpoints = read(data / "endpoints")
    for partition in endpoints["partitions"]:
        services = partition["services"]
        partition["services"] = {name: services[name] for name in operations if name in services}
    _write(data / "endpoints.json", endpoints)


def write_roots(certificates: Path, roots: Path) -> None:
    """Write Amazon's own roots. Raises `LookupError` if certifi has no certificate with one of the labels."""
    by_label = dict(re.findall(r'# Label: "(.+)"\n(?:#.*\n)*(-----BEGIN [^#]+)', certificates.read_text()))
    if missing := [label for label in AMAZON_ROOTS if label not in by_label]:
        raise LookupError(f"certifi has no certificate {', '.join(missing)}")
    roots.write_text("".join(by_label[label] for label in AMAZON_ROOTS))


def _with_operations(model: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return the model of a service with only these operations and the shapes that they use."""
    if missing := [name for name in names if name not in model["operations"]]:
        raise LookupError(f"{model['metadata']['serviceId']} has no operation {', '.join(missing)}")
    operations = {name: model["operations"][name] for name in sorted(names)}
    shapes: dict[str, Any] = {}
    named = _named_shapes(operations)
    while named:
        name = named.pop()
        if name not in shapes:
            shapes[name] = model["shapes"][name]
            named |= _named_shapes(shapes[name])
    kept = model | {"operations": operations, "shapes": dict(sorted(shapes.items()))}
    return dict(_without_documentation(kept))


def _named_shapes(node: Any) -> set[str]:
    """Return the names of the shapes that a part of a model refers to."""
    parts = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    names = set[str]().union(*map(_named_shapes, parts))
    if isinstance(node, dict) and isinstance(node.get("shape"), str):
        names.add(node["shape"])
    return names


def _without_documentation(node: Any) -> Any:
    if isinstance(node, dict):
        # A member of a shape can be called "documentation". It is not a text.
        return {
            name: _without_documentation(part)
            for name, part in node.items()
            if not (name == "documentation" and isinstance(part, str))
        }
    return [_without_documentation(part) for part in node] if isinstance(node, list) else node


def read(path: Path) -> Any:
    """Read a file of botocore. Some are compressed."""
    plain, compressed = path.with_name(f"{path.name}.json"), path.with_name(f"{path.name}.json.gz")
    return json.loads(plain.read_bytes() if plain.exists() else gzip.decompress(compressed.read_bytes()))


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, separators=(",", ":")))


if __name__ == "__main__":
    try:
        main()
    except (LookupError, subprocess.CalledProcessError) as error:
        sys.exit(f"build.py: {error}")
