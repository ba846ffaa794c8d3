"""The authorizer against whatever might be thrown at it: it never fails otherwise than by a documented refusal, and
never lets in what is not a bearer in the one place where it belongs.

The function runs here, in this process, against the stack's own table, so that many thousands can be asked.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from random import Random
from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.local.stack import ROOT, free_port
from tests.support.authorizer_events import API, EVENTS, STAGE_ARN, Event, rest_request, rest_token
from tests.support.client import Gateway
from tests.support.lambda_events import Context

MANY = settings(
    max_examples=10_000, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
WITH_A_READ = settings(MANY, max_examples=1_000)  # each asks the table

Outcome = Callable[[Any], str]


@pytest.fixture(scope="module")
def authorizer(gateway: Gateway) -> Iterator[ModuleType]:
    """The function's own module, with a rule for paths, so that all of it is in play."""
    environment = {
        "AUTHORIZER_APIS": f"123456789012:{API}",
        "AUTHORIZER_RULES": f"{API}/reports=Manager;",
        "BEARERS_TABLE": gateway.outputs["BearersTable"],
        "AWS_ENDPOINT_URL": gateway.aws.endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.syspath_prepend(ROOT / "functions" / "authorizer")
        module = importlib.import_module("app")
        for level in ("info", "error"):  # what it logs is looked at elsewhere
            patch.setattr(module.logger, level, lambda *_, **__: None)
        yield module
        del sys.modules["app"]


@pytest.fixture(scope="module")
def bearer(gateway: Gateway) -> str:
    """A bearer that is good all the while."""
    user = gateway.new_user(expires_in=6 * 3600)
    return str(gateway.caller().signed_in(user).body["access_token"])


@pytest.fixture
def outcome(authorizer: ModuleType) -> Outcome:
    """Ask, and tell "allowed" from "refused"; anything that is neither is a failure."""

    def ask(event: Any) -> str:
        try:
            response = authorizer.handler(event, Context())
        except Exception as error:
            if (type(error), str(error)) == (Exception, "Unauthorized"):
                return "refused"
            raise
        json.dumps(response)
        effects = {statement["Effect"] for statement in response["policyDocument"]["Statement"]}
        assert response["principalId"]
        if effects == {"Deny"} and not response.get("isAuthorized"):
            assert "context" not in response
            return "refused"
        return "allowed"

    return ask


# ---- Authorization values ----------------------------------------------------------------------------------

SCHEMES = st.sampled_from(["Bearer ", "bearer ", "BEARER  ", "Bearer", "Basic ", "Token ", "bearer.", "Bearer\t", ""])
TOKEN_TEXT = st.text("ABCabc019._~+/-=", max_size=60)
ANY_TEXT = st.text(
    st.characters(exclude_categories=()), max_size=80
)  # whatever Unicode has, control characters and lone surrogates among it
SHAPE = st.sampled_from(sorted(EVENTS))


@MANY
@given(shape=SHAPE, authorization=st.one_of(ANY_TEXT, st.builds(str.__add__, SCHEMES, st.one_of(TOKEN_TEXT, ANY_TEXT))))
def test_no_random_value_gets_in_or_breaks_anything(outcome: Outcome, shape: str, authorization: str) -> None:
    assert outcome(EVENTS[shape](authorization, "/shots")) == "refused"


HOSTILE: list[Callable[[str], str]] = [
    lambda good: good,  # no scheme
    lambda good: f"Basic {good}",
    lambda good: f"Bearer{good}",
    lambda good: f"Bearer\u00a0{good}",
    lambda good: f"Bearer\n{good}",
    lambda good: f"\ufeffBearer {good}",
    lambda good: f" Bearer {good}",
    lambda good: f"Bearer {good} ",
    lambda good: f"Bearer {good}\n",
    lambda good: f"Bearer {good}\x00",
    lambda good: f"Bearer {good}, Bearer {good}",
    lambda good: f"Bearer {good};Bearer x",
    lambda good: f"Bearer {good}=",
    lambda good: f"Bearer {good.upper()}",
    lambda good: f"Bearer {good.rpartition('.')[0]}.",
    lambda good: f"Bearer {good.partition('.')[2]}",
    lambda good: f"Bearer {good[::-1]}",
    lambda good: f"Bearer '{good}'",
    lambda good: f'Bearer "{good}"',
    lambda good: "Bearer " + good * 20,
    lambda good: "Bearer " + "=" * 5000,
    lambda good: "Bearer " + " " * 5000 + "x y",
    lambda good: "Bearer *",
    lambda good: "Bearer ../../session",
    lambda good: f"Bearer {good.replace('e', chr(0x435))}",  # looks the same
    lambda good: f"Bearer {good.replace('.', '%2e')}",
]


@pytest.mark.parametrize("shape", sorted(set(EVENTS) - {"websocket_of_browser"}))
@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_good_bearer_in_a_bad_shape_is_refused(outcome: Outcome, bearer: str, shape: str, number: int) -> None:
    assert outcome(EVENTS[shape](HOSTILE[number](bearer), "/shots")) == "refused"


@WITH_A_READ
@given(shape=SHAPE, random=st.randoms())
def test_no_change_of_a_good_bearer_is_one(outcome: Outcome, bearer: str, shape: str, random: Random) -> None:
    at, other = random.randrange(len(bearer)), random.choice("ABCXYZabcxyz0189._~+/-=")
    changed = random.choice(
        [bearer[:at] + other + bearer[at + 1 :], bearer[:at] + other + bearer[at:], bearer[:at] + bearer[at + 1 :]]
    )
    if changed != bearer:  # as a letter can be put in place of the same
        assert outcome(EVENTS[shape](f"Bearer {changed}", "/shots")) == "refused"


@pytest.mark.parametrize("shape", sorted(EVENTS))
def test_the_good_bearer_itself_gets_in(outcome: Outcome, bearer: str, shape: str) -> None:
    """So that the refusals of the others mean something."""
    allowed = "refused" if shape.startswith("websocket") else "allowed"  # a rule for a path is not met
    assert outcome(EVENTS[shape](f"Bearer {bearer}", "/shots")) == allowed


# ---- Events ------------------------------------------------------------------------------------------------

NAMES = [
    "type",
    "version",
    "methodArn",
    "routeArn",
    "httpMethod",
    "path",
    "resource",
    "requestContext",
    "eventType",
    "multiValueHeaders",
    "queryStringParameters",
    "identitySource",
    "cookies",
    "stageVariables",
    "body",
    "isBase64Encoded",
]
ARNS = [f"{STAGE_ARN}/GET/shots", f"{STAGE_ARN}/$connect", "*", "arn:aws:execute-api:*:*:*", f"{STAGE_ARN}/*/*"]
VALUES = ["TOKEN", "REQUEST", "CONNECT", "1.0", "2.0", "GET", "", 1.0, 2, -1, None, True, *ARNS]


def _json(random: Random, bearer: str, depth: int = 4) -> Any:
    """Return JSON of any shape, of words of the protocol, and with a good bearer where it does not belong."""
    shape = random.choice(["object", "object", "array", "leaf"]) if depth else "leaf"
    if shape == "object":
        names = [random.choice(NAMES) for _ in range(random.randrange(8))]
        return {name: _json(random, bearer, depth - 1) for name in names}
    if shape == "array":
        return [_json(random, bearer, depth - 1) for _ in range(random.randrange(4))]
    return random.choice([*VALUES, bearer, f"Bearer {bearer}", chr(random.randrange(0x10FFFF))])


@MANY
@given(shape=SHAPE, seed=st.integers(0, 2**64))
def test_no_random_event_gets_in_or_breaks_anything(outcome: Outcome, bearer: str, shape: str, seed: int) -> None:
    """One of any shape, and one of a known shape without its bearer, parts of which were replaced."""
    random = Random(seed)
    assert outcome(_json(random, bearer)) == "refused"
    event: Event = EVENTS[shape]("", "/shots")
    for name in random.sample(NAMES, random.randrange(1, 5)):
        event[name] = _json(random, bearer)
    assert outcome(event) == "refused"


# ---- When the table does not response ------------------------------------------------------------------------


@pytest.mark.parametrize("event", [rest_token, rest_request])
def test_a_table_that_does_not_answer_lets_nobody_in(
    authorizer: ModuleType, bearer: str, event: Callable[[str], Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    import boto3
    from botocore.config import Config

    nobody = boto3.client(
        "dynamodb",
        endpoint_url=f"http://127.0.0.1:{free_port()}",
        config=Config(connect_timeout=1, retries={"total_max_attempts": 1}),
    )
    monkeypatch.setattr(authorizer, "dynamodb", nobody)
    # API Gateway responses 500 to that, keeps nothing, and asks again: no reason for anybody to sign in anew.
    with pytest.raises(BotoCoreError) as failed:
        authorizer.handler(event(f"Bearer {bearer}"), Context())
    assert bearer not in str(failed.value)
