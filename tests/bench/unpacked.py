"""The files as on Lambda: both layers in /opt, and each function in its own /var/task.

They are copies, so that no bytecode gets into the deployed files, and another build cannot remove them.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.local.stack import REGION, ROOT, build

ORIGIN = "https://pages.example"


@dataclass(frozen=True)
class Unpacked:
    """A folder with the copies: folders with an app.py each, and the layers."""

    directory: Path

    @classmethod
    def build_into(cls, directory: Path) -> Unpacked:
        """Build the layers, and copy them and the functions to an empty folder."""
        build()
        unpacked = cls(directory)
        for layer in ("LoginLayer", "DependenciesLayer"):
            shutil.copytree(ROOT / ".aws-sam" / "build" / layer / "python", unpacked.layers, dirs_exist_ok=True)
        sources_only = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "functions", directory / "functions", ignore=sources_only)
        shutil.copytree(Path(__file__).parent / "floors", directory / "floors", ignore=sources_only)
        return unpacked

    @property
    def layers(self) -> Path:
        """The folder of both layers."""
        return self.directory / "opt" / "python"

    @property
    def functions(self) -> dict[str, Path]:
        """The folder of each function, by name."""
        return {folder.name: folder for folder in (self.directory / "functions").iterdir()}

    @property
    def floors(self) -> dict[str, Path]:
        """The folder of each floor, by name."""
        return {folder.name: folder for folder in (self.directory / "floors").iterdir()}

    def environment(self, *task: Path) -> dict[str, str]:
        """Return the environment of a function: its own code before the layers, and the variables of `template.yaml`.

        boto3 is the one that is installed with this Python. It comes last, as on Lambda.
        """
        return {
            "PYTHONPATH": os.pathsep.join(map(str, (*task, self.layers))),
            "SHOTGRID_SITE_URL": "https://site.example",
            "ALLOWED_ORIGINS": ORIGIN,
            "SESSION_HOURS": "12",
            "IDLE_MINUTES": "120",
            "STATE_TABLE": "state",
            "BEARERS_TABLE": "bearers",
            "AUTHORIZER_APIS": "",
            "AUTHORIZER_RULES": "",
            "KEY_ARN": f"arn:aws:kms:{REGION}:000000000000:key/00000000-0000-0000-0000-000000000000",
            "HASH_KEY_ARN": f"arn:aws:kms:{REGION}:000000000000:key/00000000-0000-0000-0000-000000000001",
            "SERVE_EXAMPLE": "true",
            "BROWSER_SIGN_IN": "true",
            "APP_NAME": "ShotGrid sign-in",
            "BROWSER_SIGN_IN_NETWORKS": "",
            "POWERTOOLS_LOG_LEVEL": "INFO",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
