"""Requests that Schemathesis generates from `docs/openapi.yaml`.

The functions import Schemathesis: it takes half a second, and most processes of the suite do not need it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.support.client import PAGE, Gateway
from tests.support.openapi import document, strict_document, undocumented

if TYPE_CHECKING:
    from schemathesis import Case

# A failing request is reported as it is: each shorter one would cost a call.
EXAMPLES = settings(max_examples=8, phases=[Phase.generate], suppress_health_check=list(HealthCheck))

# Half of the requests come from an allowed page.
ORIGINS = st.sampled_from([PAGE, PAGE, None, "https://evil.example"])


def credentials(gateway: Gateway, **switches: Any) -> dict[str, str]:
    user = gateway.new_user(**switches)
    return {"username": user.login, "password": user.password}


def challenge_and_code(gateway: Gateway) -> dict[str, str]:
    user = gateway.new_user(two_factor=True)
    return {"challenge": gateway.caller().password(user).body["challenge"], "code": gateway.site.code(user.login)}


def approved_challenge(gateway: Gateway) -> dict[str, str]:
    started = gateway.caller(origin=PAGE).browser(transport="token")
    gateway.site.approve(started.body["approval_url"], gateway.new_user(kind="autodesk"))
    return {"challenge": started.body["challenge"]}


def handle(gateway: Gateway) -> dict[str, str]:
    return {"refresh_token": gateway.caller().signed_in(gateway.new_user()).body["refresh_token"]}


# Valid fields for each operation with a body. No generated text is a password or a handle of the site's users.
VALID: Mapping[str, list[Callable[[Gateway], dict[str, str]]]] = {
    "password": [credentials, lambda gateway: credentials(gateway, two_factor=True)],
    "otp": [challenge_and_code],
    "browser": [lambda _: {"transport": "token"}],
    "approval": [approved_challenge],
    "refresh": [handle],
    "logout": [handle],
    "token": [
        lambda gateway: {"grant_type": "password", **credentials(gateway)},
        lambda gateway: {"grant_type": "refresh_token", **handle(gateway)},
    ],
}

# The statuses of valid and of other requests that follow the document. If one does not occur, the test proves little.
EXPECTED = {
    "password": {200, 202, 401, 403},
    "otp": {200, 400, 403},
    "browser": {202, 403},
    "approval": {200, 400, 403},
    "refresh": {200, 401, 403},
    "logout": {204, 403},
    "token": {200, 400, 403},
}


BODIES = [(path, item["post"]) for path, item in document()["paths"].items() if "post" in item]
# A file for each path, and None for a generated name.
FILES: dict[str, list[str | None]] = {
    "/": [None],
    "/{file}": ["shotgrid-login.js", None],
    "/example/{file}": ["dashboard.js", None],
}


@pytest.fixture(scope="module")
def schema() -> Any:
    import schemathesis

    return schemathesis.openapi.from_dict(strict_document())


class Requests:
    """Sends generated requests, and checks each response."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.statuses: set[int] = set()

    def send(self, case: Case[Any], origin: str | None, **headers: str) -> Any:
        """Send a request from an address that no other request uses: no limit on attempts applies."""
        address = self._gateway.caller().address
        sent = {"host": self._gateway.host, "x-forwarded-for": address, **headers}
        if origin is not None:
            sent["origin"] = origin
        response = case.call(base_url=self._gateway.aws.endpoint, headers=sent, timeout=60)
        received = {name: values[0] for name, values in response.headers.items()}
        self.statuses.add(response.status_code)
        assert response.status_code < 500, response.text
        assert undocumented(case.method, case.path, response.status_code, received, response.text) == []
        return response


def name_of(operation: Mapping[str, Any]) -> str:
    return str(operation.get("operationId", "token"))


@pytest.mark.parametrize(("path", "operation"), BODIES, ids=lambda value: value if isinstance(value, str) else "")
def test_valid_request_gets_a_documented_response(
    gateway: Gateway, schema: Any, path: str, operation: Mapping[str, Any]
) -> None:
    name = name_of(operation)
    requests = Requests(gateway)

    @EXAMPLES
    @given(schema[path]["POST"].as_strategy(), ORIGINS, st.sampled_from([None, *VALID[name]]))
    def check(case: Case[Any], origin: str | None, fields: Callable[[Gateway], dict[str, str]] | None) -> None:
        if fields is not None:
            case.body = dict(fields(gateway))
        requests.send(case, origin)

    check()
    assert requests.statuses >= EXPECTED[name]


@pytest.mark.parametrize(("path", "operation"), BODIES, ids=lambda value: value if isinstance(value, str) else "")
def test_invalid_request_is_rejected_as_documented(
    gateway: Gateway, schema: Any, path: str, operation: Mapping[str, Any]
) -> None:
    from schemathesis import GenerationMode
    from schemathesis.specs.openapi.checks import negative_data_rejection

    requests = Requests(gateway)

    @settings(EXAMPLES, max_examples=4)  # an invalid request takes long to generate
    @given(schema[path]["POST"].as_strategy(GenerationMode.NEGATIVE))
    def check(case: Case[Any]) -> None:
        response = requests.send(case, PAGE)
        if response.status_code != 413:  # the check does not count this status as a rejection
            case.validate_response(response, checks=[negative_data_rejection])

    check()
    assert requests.statuses >= {400}


@pytest.mark.parametrize("path", FILES)
def test_file_is_served_as_documented(gateway: Gateway, schema: Any, path: str) -> None:
    requests = Requests(gateway)

    @EXAMPLES
    @given(schema[path]["GET"].as_strategy(), st.sampled_from(FILES[path]))
    def check(case: Case[Any], file: str | None) -> None:
        if file is not None:
            case.path_parameters = {"file": file}
        requests.send(case, None)

    check()
    assert requests.statuses == ({200} if path == "/" else {200, 404})


def test_methods_and_session_are_returned_as_documented(gateway: Gateway, schema: Any) -> None:
    token = gateway.caller().signed_in(gateway.new_user()).body["api_token"]
    requests = Requests(gateway)
    for origin in (None, PAGE, "https://evil.example"):
        requests.send(schema["/auth/methods"]["GET"].Case(), origin)
        # The emulator does not send the template's response to an invalid bearer, so there is no 401 to check.
        requests.send(schema["/auth/session"]["GET"].Case(), origin, authorization=f"Bearer {token}")
        for path, item in document()["paths"].items():
            if "options" in item:
                requests.send(schema[path]["OPTIONS"].Case(), origin)
    assert requests.statuses == {200, 204, 403}
