"""The functions as they lie on Lambda's disk: the layers together below /opt, each function alone as /var/task.

It is a copy, so that no bytecode is left in what is deployed, and no other build takes it away meanwhile.
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
    """Where everything lies: folders with an app.py each, and the layers."""

    directory: Path

    @classmethod
    def built_into(cls, directory: Path) -> Unpacked:
        """Build the layers as they are now, and copy all into an empty folder."""
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
        """Both layers."""
        return self.directory / "opt" / "python"

    @property
    def functions(self) -> dict[str, Path]:
        """The functions' folders, by name."""
        return {folder.name: folder for folder in (self.directory / "functions").iterdir()}

    @property
    def floors(self) -> dict[str, Path]:
        """The floors' folders, by name."""
        return {folder.name: folder for folder in (self.directory / "floors").iterdir()}

    def environment(self, *task: Path) -> dict[str, str]:
        """Return all that a function finds: its own code before the layers, and the variables of `template.yaml`.

        boto3 comes last, as the runtime's does: with the Python that runs this.
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
            "SERVE_EXAMPLE": "true",
            "POWERTOOLS_LOG_LEVEL": "INFO",
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
