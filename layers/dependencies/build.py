"""Builds the layer with the third-party packages, for `sam build`.

pip downloads prebuilt packages for Lambda's platform, so any machine with pip can build it. Of botocore, the functions
use only the signature. So its data, which describes 400 services and has 25 MB, is left out.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from bytecode import compile_folder

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
    shutil.rmtree(python / "botocore" / "data")
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


def write_roots(certificates: Path, roots: Path) -> None:
    """Write Amazon's own roots. Raises `LookupError` if certifi has no certificate with one of the labels."""
    by_label = dict(re.findall(r'# Label: "(.+)"\n(?:#.*\n)*(-----BEGIN [^#]+)', certificates.read_text()))
    if missing := [label for label in AMAZON_ROOTS if label not in by_label]:
        raise LookupError(f"certifi has no certificate {', '.join(missing)}")
    roots.write_text("".join(by_label[label] for label in AMAZON_ROOTS))


if __name__ == "__main__":
    try:
        main()
    except (LookupError, subprocess.CalledProcessError) as error:
        sys.exit(f"build.py: {error}")
