"""Every kind of API, told apart by its event, and answered in the form that it takes.

The responses are compared with those that Powertools' classes make, and decided on as API Gateway decides.
"""

from __future__ import annotations

import fnmatch
import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes.api_gateway_authorizer_event import (
    APIGatewayAuthorizerResponseV2,
)

from shotgrid_login.authorizer_events import Kind, Question, UnknownEvent, deny_unknown
from shotgrid_login.authorizer_rules import Rule, Rules
from shotgrid_login.configuration import ConfigurationError
from shotgrid_login.site import LONGEST_TEXT
from tests.support.authorizer_events import (
    API,
    CONTEXT,
    SHAPES,
    STAGE,
    STAGE_ARN,
    connect,
    http_1,
    http_2,
    policy_for,
    rest_request,
    rest_token,
    websocket,
    websocket_from_a_browser,
)

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJpZCI6MX0.c2lnbmF0dXJl"

WHOLE_API = Rule(API, "", frozenset({"Admin"}))
REPORTS = Rule(API, "/reports", frozenset({"Manager"}))


def decide(response: dict[str, Any], arn: str) -> bool:
    """Decide on a request as API Gateway does: an Allow for it, and no Deny."""
    effects = {
        statement["Effect"]
        for statement in response["policyDocument"]["Statement"]
        if any(fnmatch.fnmatchcase(arn, resource) for resource in statement["Resource"])
    }
    return effects == {"Allow"}


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (rest_token, Kind.REST),
        (rest_request, Kind.REST),
        (http_1, Kind.HTTP_1),
        (http_2, Kind.HTTP_2),
        (websocket, Kind.WEBSOCKET),
        (websocket_from_a_browser, Kind.WEBSOCKET),
    ],
)
def test_the_event_says_who_asks(event: Any, kind: Kind) -> None:
    assert Question.of(event(f"Bearer {TOKEN}")) == Question(kind, API, STAGE_ARN, TOKEN)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_answers_are_those_of_powertools(shape: str) -> None:
    event = SHAPES[shape](f"Bearer {TOKEN}", "/shots/12")
    question = Question.of(event)
    allowed, denied = policy_for(event), policy_for(event)
    allowed.allow_all_routes()
    denied.deny_all_routes()
    denied.context = None
    simple = shape == "http_2"
    assert question.allow("HumanUser:24", CONTEXT, ()) == allowed.asdict() | (
        APIGatewayAuthorizerResponseV2(authorize=True, context=CONTEXT).asdict() if simple else {}
    )
    no = denied.asdict() | (APIGatewayAuthorizerResponseV2(authorize=False).asdict() if simple else {})
    assert question.deny("HumanUser:24") == no
    assert question.allow("HumanUser:24", CONTEXT, (WHOLE_API,)) == no


@pytest.mark.parametrize("shape", set(SHAPES) - {"websocket", "websocket_from_a_browser"})
@pytest.mark.parametrize("asked_for", ["/shots/12", "/reports/7", "/"])
def test_an_answer_counts_for_every_route_whichever_was_asked_for(shape: str, asked_for: str) -> None:
    question = Question.of(SHAPES[shape](f"Bearer {TOKEN}", asked_for))
    response = question.allow("HumanUser:24", CONTEXT, ())
    for request in ["GET/", "GET/shots", "POST/shots/12", "DELETE/reports", "GET/shots/sh%20010", "GET/a/b:c/d"]:
        assert decide(response, f"{STAGE_ARN}/{request}")
    assert not decide(response, f"{STAGE_ARN.replace(API, 'other12345')}/GET/shots")
    assert not decide(response, f"{STAGE_ARN.removesuffix(STAGE)}test/GET/shots")


@pytest.mark.parametrize("shape", set(SHAPES) - {"websocket", "websocket_from_a_browser"})
def test_a_rule_for_a_path_counts_for_that_path_alone(shape: str) -> None:
    response = Question.of(SHAPES[shape](f"Bearer {TOKEN}", "/shots")).allow("HumanUser:24", CONTEXT, (REPORTS,))
    assert response["context"] == CONTEXT
    for request in [
        "GET/",
        "GET/shots",
        "POST/shots/reports",
        "GET/shots/reports/7",
        "GET/report",
        "PATCH/x/GET/reports",
    ]:
        assert decide(response, f"{STAGE_ARN}/{request}"), request
    for request in [
        "GET/reports",
        "POST/reports",
        "DELETE/reports/7",
        "GET/reports/",
        "GET/reports-old",
        "GET/reports.csv",
    ]:
        assert not decide(response, f"{STAGE_ARN}/{request}"), request


@pytest.mark.parametrize(
    "path",
    ["//reports", "/%72eports", "/./reports", "/x/../reports", "/x//../reports", "/;a=b/reports", "/%2e/reports"],
)
def test_no_spelling_of_a_path_gets_around_its_rule(path: str) -> None:
    response = Question.of(rest_request(f"Bearer {TOKEN}")).allow("HumanUser:24", CONTEXT, (REPORTS,))
    assert not decide(response, f"{STAGE_ARN}/GET{path}")


@pytest.mark.parametrize("method", ["PROPFIND", "get", "TRACE", "*"])
def test_no_method_gets_around_a_rule(method: str) -> None:
    response = Question.of(rest_request(f"Bearer {TOKEN}")).allow("HumanUser:24", CONTEXT, (REPORTS,))
    assert not decide(response, f"{STAGE_ARN}/{method}/reports")


@pytest.mark.parametrize(
    ("path", "refused"),
    [
        (f"/{STAGE}/reports", ["GET/reports/7", f"GET/{STAGE}/reports"]),
        (f"/{STAGE}", ["GET/reports", "GET/", f"GET/{STAGE}"]),
        (f"/{STAGE}uction", [f"GET/{STAGE}uction"]),
    ],
)
def test_a_rule_that_was_written_with_the_stage_counts_without(path: str, refused: list[str]) -> None:
    """As pages call it; API Gateway leaves the stage out."""
    rule = Rule(API, path, frozenset({"Admin"}))
    response = Question.of(rest_request(f"Bearer {TOKEN}")).allow("p", {}, (rule,))
    for request in refused:
        assert not decide(response, f"{STAGE_ARN}/{request}"), request
    assert decide(response, f"{STAGE_ARN}/GET/shots") == (path != f"/{STAGE}")


def test_what_could_break_a_kept_answer_is_not_in_it() -> None:
    response = Question.of(http_2(f"Bearer {TOKEN}")).allow("p", {"name": 'Ann "Annie" O\\Neil'}, ())
    assert response["context"] == {"name": "Ann 'Annie' O/Neil"}


@pytest.mark.parametrize("path", ["/a", "/reports", "/a-path/of-some/length/" + "x" * 80])
def test_the_longest_answer_is_within_what_api_gateway_takes(path: str) -> None:
    def unmet(count: int) -> tuple[Rule, ...]:
        rules = [f"{API}{path}{number}=Admin" for number in range(count)]
        return Rules.parse(",".join(rules) + ";", f"123456789012:{API}").unmet(API, "")

    def is_taken(count: int) -> bool:
        try:
            return bool(unmet(count))
        except ConfigurationError:
            return False

    taken = max(count for count in range(1, 50) if is_taken(count))
    assert 5 <= taken < 15
    stage_arn = f"arn:aws-us-gov:execute-api:ap-southeast-1:123456789012:{API}/production"
    question = Question.of(http_2(f"Bearer {TOKEN}") | {"routeArn": f"{stage_arn}/GET/"})
    context = dict.fromkeys(("login", "name", "email", "permission_group"), "x" * LONGEST_TEXT)
    context |= {"user_id": "123456", "user_type": "HumanUser", "session_id": "x" * 22, "expires_at": "1795428000"}
    assert len(json.dumps(question.allow("HumanUser:123456", context, unmet(taken)))) < 8 * 1024


def test_a_simple_answer_is_no_where_any_rule_is_not_met() -> None:
    assert Question.of(http_2(f"Bearer {TOKEN}", "/shots")).allow("p", {}, (REPORTS,))["isAuthorized"] is False


def test_a_connection_has_no_path_so_that_every_rule_counts() -> None:
    question = Question.of(websocket(f"Bearer {TOKEN}"))
    assert question.allow("p", CONTEXT, (REPORTS,)) == question.deny("p")


@pytest.mark.parametrize(
    "path", ["/shots/2026-11-23T10:00:00", "/a:b/c/d", "/", "/:", "/\n", "/arn:aws:execute-api:x/y/z"]
)
def test_a_path_cannot_bend_the_policy(path: str) -> None:
    response = Question.of(rest_request(f"Bearer {TOKEN}", path)).allow("p", {}, ())
    assert response["policyDocument"]["Statement"] == [
        {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": [f"{STAGE_ARN}/*/*"]}
    ]


@pytest.mark.parametrize(
    "stage_arn",
    [
        "arn:aws-cn:execute-api:cn-north-1:123456789012:abcdef1234/prod",
        "arn:aws-us-gov:execute-api:us-gov-west-1:123456789012:abcdef1234/v1",
        "arn:aws:execute-api:us-west-2:123456789012:abcdef1234/$default",
        "arn:aws:execute-api:us-west-2:123456789012:abcdef1234/test-invoke-stage",
        "arn:aws:execute-api:us-west-2:123456789012:ymy8tbxw7b/*",  # as the guide's example of a TOKEN event
    ],
)
def test_every_partition_and_stage_is_known(stage_arn: str) -> None:
    event = rest_token(f"Bearer {TOKEN}") | {"methodArn": f"{stage_arn}/GET/"}
    assert Question.of(event).stage_arn == stage_arn


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER ", "Bearer   "])
def test_the_scheme_is_read_as_rfc_6750_says(shape: str, scheme: str) -> None:
    if shape != "websocket_from_a_browser":
        assert Question.of(SHAPES[shape](f"{scheme}{TOKEN}", "/")).bearer == TOKEN


MALFORMED = [
    "",
    "Bearer",
    "Bearer ",
    "Basic YTpi",
    TOKEN,
    "Bearer ä",
    "Bearer a b",
    "Bearer x\ny",
    "Bearer\tx",
    " Bearer x",
]
MALFORMED += [f"Bearer {TOKEN},Bearer {TOKEN}", f"Bearer {TOKEN}\n", f"Bearer ={TOKEN}", "Bearer " + "a" * 4097]


@pytest.mark.parametrize("shape", set(SHAPES) - {"websocket_from_a_browser"})
@pytest.mark.parametrize("authorization", MALFORMED)
def test_what_cannot_be_a_bearer_is_none(shape: str, authorization: str) -> None:
    assert Question.of(SHAPES[shape](authorization, "/")).bearer is None


@pytest.mark.parametrize(
    "headers",
    [
        {"headers": None, "multiValueHeaders": None},
        {"headers": {}, "multiValueHeaders": {}},
        {"headers": {"Authorization": f"Bearer {TOKEN}", "authorization": "Bearer other"}, "multiValueHeaders": None},
        {"multiValueHeaders": {"Authorization": ["Bearer other", f"Bearer {TOKEN}"]}},
        {"multiValueHeaders": {"Authorization": [f"Bearer {TOKEN}"], "AUTHORIZATION": ["Bearer other"]}},
        {"headers": {"Authorization": [f"Bearer {TOKEN}", "x"]}, "multiValueHeaders": {}},
        {"headers": {"Authorization": {"Bearer": TOKEN}}, "multiValueHeaders": {}},
        {"headers": f"Authorization: Bearer {TOKEN}", "multiValueHeaders": 7},
        {"headers": [f"Bearer {TOKEN}"], "multiValueHeaders": []},
    ],
)
def test_several_or_shapeless_headers_are_none(headers: dict[str, Any]) -> None:
    assert Question.of(rest_request("x") | headers).bearer is None


@pytest.mark.parametrize(
    ("protocols", "bearer"),
    [
        (f"shotgrid-login, bearer.{TOKEN}", TOKEN),
        (f"bearer.{TOKEN},shotgrid-login", TOKEN),
        (f"bearer.{TOKEN}", TOKEN),
        (f"graphql-ws, shotgrid-login, bearer.{TOKEN}", TOKEN),
        ("shotgrid-login", None),
        ("", None),
        (TOKEN, None),
        (f"bearer.{TOKEN}, bearer.other", None),
        (f"bearer.{TOKEN}, bearer.{TOKEN}", None),
        ("bearer.", None),
        (f"Bearer.{TOKEN}", None),
        (f"bearer {TOKEN}", None),
        (f"bearer.{TOKEN};x", None),
    ],
)
def test_a_browser_sends_its_bearer_as_a_subprotocol(protocols: str, bearer: str | None) -> None:
    assert Question.of(connect(**{"Sec-WebSocket-Protocol": protocols})).bearer == bearer


def test_a_subprotocol_is_no_bearer_beside_a_header_or_of_another_kind_of_api() -> None:
    protocols = {"Sec-WebSocket-Protocol": [f"bearer.{TOKEN}"]}
    event = websocket("Basic YTpi")
    event["multiValueHeaders"] |= protocols
    assert Question.of(event).bearer is None
    request = rest_request("")
    request["multiValueHeaders"] = protocols
    assert Question.of(request).bearer is None


def test_a_bearer_in_an_address_is_none() -> None:
    for shape, event_of in SHAPES.items():
        event = event_of("", "/")
        event["queryStringParameters"] = {"authorization": f"Bearer {TOKEN}", "access_token": TOKEN}
        event["rawQueryString"] = f"authorization=Bearer%20{TOKEN}"
        assert Question.of(event).bearer is None, shape


@pytest.mark.parametrize(
    "event",
    [
        None,
        "TOKEN",
        7,
        [],
        {},
        {"headers": {"Authorization": f"Bearer {TOKEN}"}},
        {"type": "TOKEN", "authorizationToken": f"Bearer {TOKEN}"},
        rest_token(f"Bearer {TOKEN}") | {"methodArn": "*"},
        rest_token(f"Bearer {TOKEN}") | {"methodArn": None},
        rest_token(f"Bearer {TOKEN}") | {"methodArn": "arn:aws:s3:::bucket/key/x"},
        rest_token(f"Bearer {TOKEN}") | {"methodArn": f"{STAGE_ARN.replace(API, '*')}/GET/"},
        rest_token(f"Bearer {TOKEN}") | {"methodArn": STAGE_ARN},
        rest_request(f"Bearer {TOKEN}") | {"type": "request"},
        rest_request(f"Bearer {TOKEN}") | {"version": "3.0"},
        rest_request(f"Bearer {TOKEN}") | {"httpMethod": None},
        http_2(f"Bearer {TOKEN}") | {"version": 2.0},
        http_2(f"Bearer {TOKEN}") | {"routeArn": None, "methodArn": f"{STAGE_ARN}/GET/"},
        websocket(f"Bearer {TOKEN}") | {"requestContext": {"eventType": "MESSAGE"}},
        # A Lambda function is asked by others too.
        {"version": "2.0", "rawPath": "/", "headers": {"authorization": f"Bearer {TOKEN}"}, "requestContext": {}},
        {"authorizationToken": f"Bearer {TOKEN}", "requestContext": {"apiId": API}},  # AppSync
        {"Records": [{"eventSource": "aws:sqs", "body": f"Bearer {TOKEN}"}]},
    ],
)
def test_anything_else_is_no_question(event: Any) -> None:
    with pytest.raises(UnknownEvent):
        Question.of(event)


def test_what_is_no_question_gets_a_no_in_every_format() -> None:
    response = deny_unknown()
    assert not decide(response, f"{STAGE_ARN}/GET/shots")
    assert response["isAuthorized"] is False
    assert response["principalId"]
