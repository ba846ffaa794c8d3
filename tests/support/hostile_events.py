"""Random, malformed and tampered authorizer events. The authorizer must deny all of them.

Each contains at most a valid bearer in a place where it does not count.
"""

from __future__ import annotations

import string
from random import Random
from typing import Any

from hypothesis import strategies as st

from tests.support.authorizer_events import EVENTS, STAGE_ARN, Event

# A valid bearer, once `AuthorizerFunction.sign_in` has written it. It has the shape and length of a site's token.
VALID_BEARER = f"eyJhbGciOiJIUzI1NiJ9.{(string.ascii_letters + string.digits + '_-') * 5}.{string.ascii_letters[:43]}"

_EVENT_NAMES = st.sampled_from(sorted(EVENTS))


def _event(name: str, authorization: str) -> Event:
    return EVENTS[name](authorization, "/shots")


# ---- Authorization values ----------------------------------------------------------------------------------

_SCHEMES = st.sampled_from(["Bearer ", "bearer ", "BEARER  ", "Bearer", "Basic ", "Token ", "bearer.", "Bearer\t", ""])
_TOKENS = st.text("ABCabc019._~+/-=", max_size=60)
# Every Unicode character, with control characters and lone surrogates.
_ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=80)
_AUTHORIZATIONS = st.one_of(_ANY_TEXT, st.builds(str.__add__, _SCHEMES, st.one_of(_TOKENS, _ANY_TEXT)))


def _replace(at: int, character: str) -> str:
    return VALID_BEARER[:at] + character + VALID_BEARER[at + 1 :]


def _insert(at: int, character: str) -> str:
    return VALID_BEARER[:at] + character + VALID_BEARER[at:]


def _delete(at: int, _character: str) -> str:
    return VALID_BEARER[:at] + VALID_BEARER[at + 1 :]


_CHANGED_BEARERS = st.builds(
    lambda change, at, character: change(at, character),
    st.sampled_from([_replace, _insert, _delete]),
    st.integers(0, len(VALID_BEARER) - 1),
    st.sampled_from("ABCXYZabcxyz0189._~+/-="),
).filter(lambda bearer: bearer != VALID_BEARER)

# Authorization values that contain the valid bearer, or most of it, but not in the form `Bearer <access token>`.
MALFORMED_AUTHORIZATIONS = [
    VALID_BEARER,
    f"Basic {VALID_BEARER}",
    f"Bearer{VALID_BEARER}",
    f"Bearer\u00a0{VALID_BEARER}",
    f"Bearer\n{VALID_BEARER}",
    f"\ufeffBearer {VALID_BEARER}",
    f" Bearer {VALID_BEARER}",
    f"Bearer {VALID_BEARER} ",
    f"Bearer {VALID_BEARER}\n",
    f"Bearer {VALID_BEARER}\x00",
    f"Bearer {VALID_BEARER}, Bearer {VALID_BEARER}",
    f"Bearer {VALID_BEARER};Bearer x",
    f"Bearer {VALID_BEARER}=",
    f"Bearer {VALID_BEARER.upper()}",
    f"Bearer {VALID_BEARER.rpartition('.')[0]}.",
    f"Bearer {VALID_BEARER.partition('.')[2]}",
    f"Bearer {VALID_BEARER[::-1]}",
    f"Bearer '{VALID_BEARER}'",
    f'Bearer "{VALID_BEARER}"',
    "Bearer " + VALID_BEARER * 20,
    "Bearer " + "=" * 5000,
    "Bearer " + " " * 5000 + "x y",
    "Bearer *",
    "Bearer ../../session",
    f"Bearer {VALID_BEARER.replace('e', chr(0x435))}",  # a Cyrillic letter that looks like `e`
    f"Bearer {VALID_BEARER.replace('.', '%2e')}",
]

# ---- Events ------------------------------------------------------------------------------------------------

# Names of an event's fields, without those that can contain the bearer: `authorizationToken` and the names of headers.
_FIELDS = [
    "type",
    "version",
    "methodArn",
    "routeArn",
    "httpMethod",
    "path",
    "resource",
    "requestContext",
    "eventType",
    "headers",
    "multiValueHeaders",
    "queryStringParameters",
    "identitySource",
    "cookies",
    "stageVariables",
    "body",
    "isBase64Encoded",
]
_ARNS = [f"{STAGE_ARN}/GET/shots", f"{STAGE_ARN}/$connect", "*", "arn:aws:execute-api:*:*:*", f"{STAGE_ARN}/*/*"]
_VALUES = ["TOKEN", "REQUEST", "CONNECT", "1.0", "2.0", "GET", "", 1.0, 2, -1, None, True, *_ARNS]
_VALUES += [VALID_BEARER, f"Bearer {VALID_BEARER}"]

# `st.recursive` is 50 times as slow, so random JSON comes from a `Random` with a seed of Hypothesis.
_SEEDS = st.integers(0, 2**64)


def _json(random: Random, depth: int = 4) -> Any:
    """Return random JSON that contains field names and values of events, and the valid bearer."""
    kind = random.choice(["object", "object", "array", "value"]) if depth else "value"
    if kind == "object":
        return {random.choice(_FIELDS): _json(random, depth - 1) for _ in range(random.randrange(8))}
    if kind == "array":
        return [_json(random, depth - 1) for _ in range(random.randrange(4))]
    return random.choice([*_VALUES, chr(random.randrange(0x10FFFF))])


def _random_event(seed: int) -> Any:
    return _json(Random(seed))


def _tampered_event(name: str, seed: int) -> Event:
    """Return an event without a bearer, with random values in one to four fields."""
    random = Random(seed)
    changed = random.sample(_FIELDS, random.randrange(1, 5))
    return _event(name, "") | {field: _json(random) for field in changed}


# By the name of the soak's target.
HOSTILE_EVENTS: dict[str, st.SearchStrategy[Any]] = {
    "random Authorization values": st.builds(_event, _EVENT_NAMES, _AUTHORIZATIONS),
    "changed bearers": st.builds(_event, _EVENT_NAMES, _CHANGED_BEARERS.map("Bearer {}".format)),
    "random events": _SEEDS.map(_random_event),
    "tampered events": st.builds(_tampered_event, _EVENT_NAMES, _SEEDS),
}
