"""Which heavy modules each function loads when it starts: every import costs time at a cold start."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.local.stack import ROOT
from tests.support.lambda_events import ENVIRONMENT

AWS = {"botocore.auth", "certifi", "urllib3"}
SITE = {"certifi", "shotgrid_login.site", "urllib3"}
SESSIONS = {"shotgrid_login.sessions"}
NEVER = {"boto3", "botocore.client", "requests"}
HEAVY = sorted(AWS | SITE | SESSIONS | NEVER)

LOADED = {
    "access_token": AWS | SITE | SESSIONS,
    "approval": AWS | SITE | SESSIONS,
    "authorizer": AWS,
    "browser": AWS | SITE | SESSIONS,
    "logout": AWS | SESSIONS,
    "methods": SITE,
    "otp": AWS | SITE | SESSIONS,
    "pages": set[str](),
    "password": AWS | SITE | SESSIONS,
    "refresh": AWS | SITE | SESSIONS,
    "session": AWS | SESSIONS,
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
