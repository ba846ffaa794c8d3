"""Which heavy modules each function loads when it starts: every import costs time at a cold start."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import certifi
import pytest

from tests.local.stack import ROOT
from tests.support.lambda_events import ENVIRONMENT

SITE = {"certifi", "shotgrid_login.site", "urllib3"}
SESSIONS = {"shotgrid_login.sessions"}
CONFIGURATION = {"shotgrid_login.configuration"}
NEVER = {"aws_lambda_powertools", "boto3", "botocore", "requests"}
HEAVY = sorted(SITE | SESSIONS | NEVER | CONFIGURATION)

LOADED = {
    "access_token": CONFIGURATION | SITE | SESSIONS,
    "approval": CONFIGURATION | SITE | SESSIONS,
    "authorizer": set[str](),
    "browser": CONFIGURATION | SITE | SESSIONS,
    "logout": CONFIGURATION | SESSIONS,
    "methods": CONFIGURATION | SITE,
    "otp": CONFIGURATION | SITE | SESSIONS,
    "pages": CONFIGURATION,
    "password": CONFIGURATION | SITE | SESSIONS,
    "refresh": CONFIGURATION | SITE | SESSIONS,
    "session": CONFIGURATION | SESSIONS,
}

IMPORT = f"""
import json, sys
import app
print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))
"""


def test_every_function_is_listed() -> None:
    assert LOADED.keys() == {folder.parent.name for folder in ROOT.glob("functions/*/app.py")}


@pytest.mark.parametrize("function", LOADED)
def test_function_loads_only_the_heavy_modules_that_it_needs(function: str) -> None:
    folders = [ROOT / "functions" / function, ROOT / "layers" / "shotgrid_login"]
    environment = ENVIRONMENT | {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(map(str, folders)),
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_CA_BUNDLE": certifi.where(),
        "URL_SUFFIX": "amazonaws.com",
        "AUTHORIZER_APIS": "",
        "AUTHORIZER_RULES": "",
        "APP_NAME": "Studio pages",
    }
    started = subprocess.run(
        [sys.executable, "-c", IMPORT], env=environment, capture_output=True, text=True, check=False
    )
    assert started.returncode == 0, started.stderr
    assert set(json.loads(started.stdout)) == LOADED[function]
