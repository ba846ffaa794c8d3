"""The pages function: URLs with and without the stage."""

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
    request = event(httpMethod="GET", resource="/", path="/", body=None, headers={})
    request["requestContext"]["path"] = path_with_stage
    return request


def test_stage_without_a_slash_redirects_to_the_example(handler: Any) -> None:
    response = handler(root("/v1"), Context())
    assert (response["statusCode"], response["headers"]["location"]) == (308, "/v1/")


@pytest.mark.parametrize("path", ["/", "/v1/"])
def test_example_with_a_slash_is_served(handler: Any, path: str) -> None:
    assert handler(root(path), Context())["statusCode"] == 200
