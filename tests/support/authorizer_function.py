"""The authorizer function, imported into this process, with its own bearers table.

A call takes milliseconds. In the deployed function, each "Unauthorized" ends a process of the emulator, and starting
the next one takes a second.
"""

from __future__ import annotations

import importlib.util
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from shotgrid_login import aws as clients
from shotgrid_login.bearers import Bearer, Bearers, bearer_id
from shotgrid_login.users import User
from tests.local.in_process import InProcessAws
from tests.local.stack import ROOT, LocalAws
from tests.support.authorizer_events import API
from tests.support.lambda_events import Context

USER = User("HumanUser", 24, "a_username", "Ann Artist", "ann@studio.example", "Artist")
SESSION_ID = "x" * 22

# How long a bearer of a test is valid: longer than any test or soak runs. Seconds.
VALID_SECONDS = 24 * 3600


@dataclass(frozen=True)
class AuthorizerFunction:
    """The imported function and its table of bearers."""

    module: ModuleType
    bearers: Bearers

    @property
    def handler(self) -> Callable[[Any, Any], dict[str, Any]]:
        handler: Callable[[Any, Any], dict[str, Any]] = self.module.handler
        return handler

    def sign_in(self, access_token: str, user: User = USER, expires_at: int | None = None) -> Bearer:
        """Write the bearer that a sign-in writes; `expires_at` is in epoch seconds."""
        bearer = Bearer(SESSION_ID, expires_at or int(time.time()) + VALID_SECONDS, user)
        self.bearers.put(bearer_id(access_token), bearer)
        return bearer

    def allows(self, event: Any) -> bool:
        """Return whether the function allows any request; raises an exception for a malformed response."""
        try:
            response = self.handler(event, Context())
        except Exception as error:
            if (type(error), str(error)) == (Exception, "Unauthorized"):
                return False
            raise
        json.dumps(response)
        assert response["principalId"]
        effects = {statement["Effect"] for statement in response["policyDocument"]["Statement"]}
        if effects == {"Deny"} and not response.get("isAuthorized"):
            assert "context" not in response
            return False
        return True


def load_authorizer(aws: LocalAws | InProcessAws, rules: str | None = "") -> AuthorizerFunction:
    """Import the function with these rules for the API of the test events; raises what the import raises."""
    table = f"bearers-{secrets.token_hex(4)}"
    aws.client("dynamodb").create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    environment = {name: value for name, value in aws.environment().items() if name.startswith("AWS_")}
    environment |= {"AUTHORIZER_APIS": f"123456789012:{API}", "BEARERS_TABLE": table}
    spec = importlib.util.spec_from_file_location("authorizer_app", ROOT / "functions" / "authorizer" / "app.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("AUTHORIZER_RULES", raising=False)
        for name, value in environment.items():
            patch.setenv(name, value)
        if rules is not None:
            patch.setenv("AUTHORIZER_RULES", rules)
        # A client of the tests closes its connections. The deployed function uses its own client.
        patch.setattr(clients, "dynamodb", lambda: aws.client("dynamodb"))
        spec.loader.exec_module(module)
    # Other tests check the log.
    silent = SimpleNamespace(**dict.fromkeys(("append_keys", "info"), lambda *_, **__: None))
    module.logger = silent  # type: ignore[attr-defined]
    return AuthorizerFunction(module, module.bearers)
