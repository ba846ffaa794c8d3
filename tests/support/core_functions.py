"""The functions, imported into this process, on the core: with its tables and keys, its fake site and its clock."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest

from shotgrid_login import aws, gateway
from shotgrid_login.configuration import Configuration
from shotgrid_login.sessions import Sessions
from tests.local.stack import ROOT
from tests.support.authorizer_events import API
from tests.support.core import IDLE_SECONDS, SESSION_SECONDS, Core
from tests.support.lambda_events import ENVIRONMENT, Context, event

ORIGIN = "https://a.example"  # in ALLOWED_ORIGINS of `ENVIRONMENT`

FUNCTIONS = ("password", "otp", "browser", "approval", "refresh", "access_token", "logout", "session", "authorizer")

Handler = Callable[[Any, Any], dict[str, Any]]


@dataclass(frozen=True)
class Response:
    """A response of a function. `body` is None if it is empty."""

    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def code(self) -> str:
        """The code of an error response with problem details; "" for other responses."""
        return str(self.body.get("code", "")) if isinstance(self.body, dict) else ""


@dataclass(frozen=True)
class CoreFunctions:
    """The functions by name. `metrics` receives what they print."""

    core: Core
    handlers: Mapping[str, Handler]
    metrics: io.StringIO

    def call(self, function: str, request: Mapping[str, Any]) -> Response:
        """Call a function with an event of API Gateway."""
        with contextlib.redirect_stdout(self.metrics):
            response = self.handlers[function](request, Context())
        text = json.dumps(response)  # Lambda does this, too
        assert text
        body = json.loads(response["body"]) if response["body"] else None
        return Response(response["statusCode"], body, response["headers"])


def core_functions(core: Core, dynamodb: Any, bearers_table: str) -> CoreFunctions:
    """Import the functions. `dynamodb` and `bearers_table` are for the authorizer, which creates its own table."""
    environment = ENVIRONMENT | {
        "SHOTGRID_SITE_URL": core.fake_site.url,
        "BEARERS_TABLE": bearers_table,
        "APP_NAME": "Studio pages",
        "BROWSER_SIGN_IN_NETWORKS": "",
        "AUTHORIZER_APIS": f"123456789012:{API}",
        "AUTHORIZER_RULES": "",
    }

    def sessions(*, sealing: bool = False) -> Sessions:
        sealer = core.storage.sealer if sealing else None
        return Sessions(core.storage.state, core.bearers, sealer, SESSION_SECONDS, IDLE_SECONDS)

    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        settings = Configuration.from_environment(environment)
        patch.setattr(gateway, "configuration", lambda: settings)
        patch.setattr(gateway, "sessions", sessions)
        patch.setattr(gateway, "sign_in", core.sign_in)
        patch.setattr(gateway, "refresh", core.refresh)
        patch.setattr(gateway, "browser_sign_in", core.browser_sign_in)
        patch.setattr(aws, "dynamodb", lambda: dynamodb)
        return CoreFunctions(core, {name: _import(name) for name in FUNCTIONS}, io.StringIO())


def post(path: str, address: str, /, **fields: Any) -> dict[str, Any]:
    """Return the event of a page's request with a JSON body. `address` is the caller's."""
    return event(
        resource=path,
        path=path,
        headers={"Content-Type": "application/json", "Origin": ORIGIN},
        requestContext={"requestId": "request-id", "identity": {"sourceIp": address}},
        body=json.dumps(fields),
    )


def post_form(path: str, address: str, /, **fields: str) -> dict[str, Any]:
    """Return the event of a page's request with a form."""
    return post(path, address) | {
        "headers": {"Content-Type": "application/x-www-form-urlencoded", "Origin": ORIGIN},
        "body": urlencode(fields),
    }


def _import(function: str) -> Handler:
    spec = importlib.util.spec_from_file_location(f"{function}_app", ROOT / "functions" / function / "app.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    handler: Handler = module.handler
    return handler
