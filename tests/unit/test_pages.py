"""The function that serves files, as far as only an address of AWS shows it."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from tests.local.stack import ROOT
from tests.support.lambda_events import ENVIRONMENT, Context, event


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    spec = importlib.util.spec_from_file_location("pages_app", ROOT / "functions" / "pages" / "app.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.handler


def root(path_with_stage: str) -> dict[str, Any]:
    asked = event(httpMethod="GET", resource="/", path="/", body=None, headers={})
    asked["requestContext"]["path"] = path_with_stage
    return asked


def test_a_stage_without_its_slash_is_sent_to_where_the_examples_files_are(handler: Any) -> None:
    response = handler(root("/v1"), Context())
    assert (response["statusCode"], response["headers"]["location"]) == (308, "/v1/")


@pytest.mark.parametrize("path", ["/", "/v1/"])
def test_with_its_slash_it_is_served(handler: Any, path: str) -> None:
    assert handler(root(path), Context())["statusCode"] == 200
