"""Faults at every call: AWS fails or the function dies before each call to AWS, and the site fails.

The caller gets a documented error, the user can go on afterwards, and no secret is logged. `make soak` tries each fault
at each call. The model of sessions and `test_sessions` cover failed conditions, and `test_site` each way in which a
site fails. No write of the gateway is a transaction.
"""

from __future__ import annotations

import io
import logging
import secrets
from collections.abc import Iterator
from itertools import count

import pytest

from shotgrid_login import app_session_launcher, log, site
from tests.local.in_process import InProcessAws
from tests.site.faults import RETRY_AFTER_SECONDS
from tests.support.authorizer_events import EVENTS
from tests.support.hostile_events import VALID_BEARER
from tests.support.lambda_events import Context
from tests.support.operations import FAULTS, OPERATIONS, PLANTED, Operation, Operations, operations
from tests.support.secrecy import secrets_in
from tests.support.stepped import Failure, SteppedFunction


@pytest.fixture(scope="module")
def tried(in_process_aws: InProcessAws) -> Iterator[Operations]:
    with operations(in_process_aws, "faults") as provided:
        yield provided


@pytest.fixture(autouse=True)
def no_secret_is_logged(tried: Operations) -> Iterator[None]:
    tried.core.address = "10." + ".".join(str(secrets.randbelow(256)) for _ in range(3))
    logged = io.StringIO()
    handler = logging.StreamHandler(logged)
    handler.setFormatter(log.logger.registered_formatter)
    logger = logging.getLogger(log.logger.name)
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)
    text = logged.getvalue() + tried.functions.metrics.getvalue()
    known = {secret for secret in tried.core.fake_site.secrets if len(secret) > 8}
    hidden = known | set(tried.core.fake_site.accounts) | {PLANTED, VALID_BEARER}
    assert secrets_in(text, hidden) == []


# A sign-in at the token endpoint makes the calls of a password step, and costs 200 calls more here.
@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != "token_endpoint_password"])
def test_fault_at_any_call_to_aws_is_an_internal_error_and_the_user_can_go_on(tried: Operations, name: str) -> None:
    first = OPERATIONS.index(name)
    for calls in count():
        if tried.disturb((name, calls, first + calls)) is None:
            break
    assert calls > 0


@pytest.mark.parametrize("fault", ["429_retry_after", "503", "drop", "hold"])
@pytest.mark.parametrize(
    "name", ["password_step_to_a_code", "code_step", "poll_after_the_approval", "refresh_of_an_expired_token"]
)
def test_site_that_fails_is_reported_and_the_user_can_go_on(
    tried: Operations, name: str, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    operation: Operation = getattr(tried, name)()
    fake_site = tried.core.fake_site
    if fault == "hold":
        monkeypatch.setattr(site, "RESPONSE_SECONDS", 0.1)
        monkeypatch.setattr(app_session_launcher, "POLL_SECONDS", 0.1)
    fake_site.switch(fault=fault, poll_fault=fault)
    response = tried.functions.call(operation.function, operation.request)
    assert (response.status, response.code) == (503, "site_unavailable")
    assert response.body["retry_after"] == (RETRY_AFTER_SECONDS if fault == "429_retry_after" else 5)
    monkeypatch.undo()
    fake_site.switch(fault="", poll_fault="")
    fake_site.release()
    operation.check()


@pytest.mark.parametrize("failure", FAULTS["dynamodb"], ids=lambda failure: type(failure.error).__name__)
def test_authorizer_that_cannot_read_its_table_fails_and_so_allows_nothing(tried: Operations, failure: Failure) -> None:
    # API Gateway then returns 500 with the code gateway_error.
    event = EVENTS["rest_request"](f"Bearer {VALID_BEARER}", "/shots")
    function = SteppedFunction(lambda: tried.functions.handlers["authorizer"](event, Context()))
    function.go()  # up to the read
    assert function.stopped_before == "get_item"
    function.fail(failure)
    assert function.is_over
    assert function.result is None
    assert function.error is failure.error
