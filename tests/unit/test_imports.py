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

# Modules of the standard library that the functions import in any case: half of the time of a start.
STANDARD = [
    *("asyncio", "concurrent.futures.thread", "dataclasses", "decimal", "email.parser", "gzip", "hashlib", "hmac"),
    *("http.client", "importlib.metadata", "importlib.resources", "inspect", "ipaddress", "json", "logging.config"),
    *("pathlib", "platform", "ssl", "typing", "urllib.request", "uuid", "xml.etree.ElementTree", "zipfile"),
]

# Imports each function in a process of its own, which is a fork: it has loaded nothing but these modules.
IMPORT = f"""
import importlib, json, os, sys
for name in {STANDARD!r}:
    importlib.import_module(name)
for function in {[*LOADED]!r}:
    process = os.fork()
    if process == 0:
        sys.path.insert(0, os.path.join({str(ROOT)!r}, "functions", function))
        import app
        print(json.dumps([function, [name for name in {HEAVY!r} if name in sys.modules]]), flush=True)
        os._exit(0)
    os.waitpid(process, 0)
"""


def test_every_function_is_listed() -> None:
    assert LOADED.keys() == {folder.parent.name for folder in ROOT.glob("functions/*/app.py")}


@pytest.fixture(scope="module")
def started() -> subprocess.CompletedProcess[str]:
    """Import all functions. The output has a line for each function that could be imported."""
    environment = ENVIRONMENT | {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "layers" / "shotgrid_login"),
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "URL_SUFFIX": "amazonaws.com",
        "AUTHORIZER_APIS": "",
        "AUTHORIZER_RULES": "",
        "APP_NAME": "Studio pages",
    }
    return subprocess.run([sys.executable, "-c", IMPORT], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("function", LOADED)
def test_function_loads_only_the_heavy_modules_that_it_needs(
    started: subprocess.CompletedProcess[str], function: str
) -> None:
    loaded = dict(map(json.loads, started.stdout.splitlines()))
    assert function in loaded, started.stderr
    assert set(loaded[function]) == LOADED[function]
