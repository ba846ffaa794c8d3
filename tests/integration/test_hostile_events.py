"""The authorizer function, called in this process with hostile events: it denies them and does not fail.

Its table is in this process, too: most of these events lead to a read of a bearer.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from tests.local.in_process import InProcessAws
from tests.support.authorizer_events import API, EVENTS
from tests.support.authorizer_function import USER, AuthorizerFunction, load_authorizer
from tests.support.hostile_events import HOSTILE_EVENTS, MALFORMED_AUTHORIZATIONS, VALID_BEARER

# `make soak` runs many more.
EXAMPLES = settings(max_examples=300, deadline=None, database=None)


@pytest.fixture(scope="module")
def authorizer() -> AuthorizerFunction:
    function = load_authorizer(InProcessAws(), rules=f"{API}/reports={USER.permission_group};")
    function.sign_in(VALID_BEARER)
    return function


@pytest.mark.parametrize("name", EVENTS)
def test_valid_bearer_is_allowed(authorizer: AuthorizerFunction, name: str) -> None:
    """Without this test, the denials of the other tests would prove nothing."""
    assert authorizer.allows(EVENTS[name](f"Bearer {VALID_BEARER}", "/shots"))


@pytest.mark.parametrize("target", HOSTILE_EVENTS)
def test_hostile_event_is_denied(authorizer: AuthorizerFunction, target: str) -> None:
    @EXAMPLES
    @given(HOSTILE_EVENTS[target])
    def is_denied(event: object) -> None:
        assert not authorizer.allows(event)

    is_denied()


@pytest.mark.parametrize("name", sorted(set(EVENTS) - {"websocket_of_browser"}))
@pytest.mark.parametrize("authorization", MALFORMED_AUTHORIZATIONS)
def test_valid_bearer_in_a_malformed_header_is_denied(
    authorizer: AuthorizerFunction, name: str, authorization: str
) -> None:
    assert not authorizer.allows(EVENTS[name](authorization, "/shots"))
