"""A studio's own APIs, deployed from the examples: who gets in, who does not, and what a cached response does.

The responses are API Gateway's. A REST API says 401 to all that is no bearer of a session; an HTTP API says it only where
there is no header at all, and else 403.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.local.stack import DOMAIN, REGION, LocalAws
from tests.support.client import PAGE, Gateway, Response, context_of, until
from tests.support.studio_apis import KINDS, StudioApi

pytestmark = pytest.mark.xdist_group("studio_apis")

NO_BEARER = {"rest": 401, "http": 403}
CALLS = 200
UNCACHED_CALLS_AT_ONCE = 8


@pytest.fixture(params=KINDS)
def api(request: pytest.FixtureRequest, studio_apis: dict[str, StudioApi]) -> StudioApi:
    return studio_apis[request.param]


@pytest.fixture
def uncached(api: StudioApi) -> Iterator[StudioApi]:
    """The API with CacheSeconds=0."""
    api.cache_for(0)
    yield api
    api.cache_for(60)


def _signed_in(gateway: Gateway, group: str = "Artist") -> dict[str, Any]:
    user = gateway.new_user()
    user.permission_group = group
    return gateway.caller().signed_in(user).body


def test_the_api_is_told_who_asks(gateway: Gateway, api: StudioApi) -> None:
    user = gateway.new_user()
    user.permission_group = "Manager"
    signed_in = gateway.caller().signed_in(user).body
    told = api.who("/shots", signed_in["access_token"])
    assert 0 < int(told.pop("expires_at")) - time.time() <= 600
    assert told == context_of(user, signed_in) | {"principalId": f"HumanUser:{user.id}"}


def test_without_a_header_it_is_401(api: StudioApi) -> None:
    assert api.get("/shots").status == 401


@pytest.mark.parametrize("authorization", ["Bearer", "Basic YTpi", "Bearer a b", "Bearer a,Bearer b", "token"])
def test_what_is_no_bearer_is_refused(api: StudioApi, authorization: str) -> None:
    assert api.get("/shots", authorization=authorization).status == NO_BEARER[api.kind]


def test_a_token_that_the_gateway_did_not_hand_out_is_refused(gateway: Gateway, api: StudioApi) -> None:
    tokens = gateway.site.sign_in_directly(gateway.new_user())
    for token in (tokens["access_token"], tokens["refresh_token"], secrets.token_urlsafe(32)):
        assert api.get("/shots", token).status == NO_BEARER[api.kind]


def test_the_handle_is_no_bearer(gateway: Gateway, api: StudioApi) -> None:
    assert api.get("/shots", _signed_in(gateway)["refresh_token"]).status == NO_BEARER[api.kind]


def test_an_expired_bearer_is_refused(gateway: Gateway, api: StudioApi) -> None:
    signed_in = _signed_in(gateway)
    (bearer,) = gateway.bearers_of(signed_in["refresh_token"])
    gateway.bearers.set(bearer["id"]["S"], expires_at=int(time.time()))
    assert api.get("/shots", signed_in["access_token"]).status == NO_BEARER[api.kind]


def test_without_a_cache_signing_out_counts_at_once(gateway: Gateway, uncached: StudioApi) -> None:
    signed_in = _signed_in(gateway)
    assert uncached.get("/shots", signed_in["access_token"]).status == 200
    gateway.caller().logout(signed_in["refresh_token"])
    assert uncached.get("/shots", signed_in["access_token"]).status == NO_BEARER[uncached.kind]


def test_a_refreshed_bearer_works_at_once(gateway: Gateway, api: StudioApi) -> None:
    caller = gateway.caller()
    signed_in = _signed_in(gateway)
    handle = caller.rotate(signed_in["refresh_token"])
    assert api.get("/shots", caller.refresh(handle).body["access_token"]).status == 200


def test_a_group_that_the_rules_do_not_name_gets_in_nowhere(gateway: Gateway, api: StudioApi) -> None:
    token = _signed_in(gateway, "Vendor")["access_token"]
    for path in ("/shots", "/reports", "/"):
        assert api.get(path, token).status in (403, 404), path
    assert api.get("/shots", token).status == 403


def test_a_person_whose_group_is_unknown_meets_no_rule(gateway: Gateway, api: StudioApi) -> None:
    user = gateway.new_user(user_fault="503")
    token = gateway.caller().signed_in(user).body["access_token"]
    assert api.get("/shots", token).status == 403


@pytest.mark.parametrize(("group", "status"), [("Artist", 403), ("Manager", 200), ("Admin", 200)])
def test_a_rule_for_a_path(gateway: Gateway, uncached: StudioApi, group: str, status: int) -> None:
    token = _signed_in(gateway, group)["access_token"]
    for path in ("/reports", "/reports/7", "/reports.csv"):
        assert uncached.get(path, token).status == status, path
    for path in ("/shots", "/shots/reports", "/report"):
        assert uncached.get(path, token).status == 200, path


@pytest.mark.parametrize("path", ["//reports", "/%72eports", "/;x/reports"])
def test_no_spelling_gets_around_a_rule(gateway: Gateway, api: StudioApi, path: str) -> None:
    assert api.get(path, _signed_in(gateway)["access_token"]).status in (403, 404)


@pytest.mark.parametrize("first", ["/shots", "/reports"])
def test_a_cached_answer_counts_for_every_route(gateway: Gateway, api: StudioApi, first: str) -> None:
    signed_in = _signed_in(gateway)
    token = signed_in["access_token"]
    assert api.get(first, token).status == {"/shots": 200, "/reports": 403}[first]
    # From now on the authorizer would say no, so that whoever gets in does so by the response that was kept.
    gateway.caller().logout(signed_in["refresh_token"])
    assert api.who("/shots/7", token)["session_id"] == signed_in["refresh_token"].partition(".")[0]
    assert api.get("/shots", token).status == 200
    assert api.get("/reports/7", token).status == 403


def test_a_cached_answer_is_forgotten(gateway: Gateway, api: StudioApi) -> None:
    api.cache_for(2)
    try:
        signed_in = _signed_in(gateway)
        assert api.get("/shots", signed_in["access_token"]).status == 200
        gateway.caller().logout(signed_in["refresh_token"])
        until(lambda: api.get("/shots", signed_in["access_token"]).status == NO_BEARER[api.kind])
    finally:
        api.cache_for(60)


@pytest.fixture(params=[True, False], ids=["cached", "uncached"])
def calls_at_once(request: pytest.FixtureRequest, studio_apis: dict[str, StudioApi]) -> Iterator[int]:
    """How many calls to make at once: without a cache each needs a function of its own, which this machine starts."""
    for api in studio_apis.values():
        api.cache_for(60 if request.param else 0)
    yield CALLS if request.param else UNCACHED_CALLS_AT_ONCE
    for api in studio_apis.values():
        api.cache_for(60)


def test_nobody_is_ever_taken_for_somebody_else(
    gateway: Gateway, studio_apis: dict[str, StudioApi], calls_at_once: int
) -> None:
    people = [_signed_in(gateway), _signed_in(gateway, "Manager")]
    calls = [
        (api, signed_in, path)
        for path in ("/shots", "/shots/7", "/reports", "/a/b/c", "/reports/7")
        for api in studio_apis.values()
        for signed_in in people
    ]
    for api, signed_in, path in calls[: len(people) * len(studio_apis)]:  # so that a cache has all responses
        _check(api, signed_in, path, api.get(path, signed_in["access_token"]), artist=signed_in is people[0])
    calls *= CALLS // len(calls)
    with ThreadPoolExecutor(calls_at_once) as pool:
        responses = list(pool.map(lambda call: call[0].get(call[2], call[1]["access_token"]), calls))
    assert len(responses) == CALLS
    for (api, signed_in, path), response in zip(calls, responses, strict=True):
        _check(api, signed_in, path, response, artist=signed_in is people[0])


@pytest.fixture(scope="module")
def variants(studio_apis: dict[str, StudioApi]) -> StudioApi:
    """The HTTP API with more ways to ask: under /simple/ with simple responses, under /1.0/ with payload format 1.0."""
    api = studio_apis["http"]
    client = api.aws.client("apigatewayv2")
    (original,) = client.get_authorizers(ApiId=api.id)["Items"]
    (route,) = client.get_routes(ApiId=api.id)["Items"]
    common = {"ApiId": api.id, "AuthorizerType": "REQUEST", "AuthorizerUri": original["AuthorizerUri"]}
    common |= {"IdentitySource": ["$request.header.Authorization"], "AuthorizerResultTtlInSeconds": 60}
    for name, payload, simple in (("simple", "2.0", True), ("1.0", "1.0", False)):
        authorizer = client.create_authorizer(
            **common, Name=name, AuthorizerPayloadFormatVersion=payload, EnableSimpleResponses=simple
        )
        client.create_route(
            ApiId=api.id,
            RouteKey=f"GET /{name}/{{path+}}",
            AuthorizationType="CUSTOM",
            AuthorizerId=authorizer["AuthorizerId"],
            Target=route["Target"],
        )
    return api


def test_an_http_api_may_ask_in_the_format_of_rest_apis(gateway: Gateway, variants: StudioApi) -> None:
    signed_in = _signed_in(gateway)
    assert variants.who("/1.0/shots", signed_in["access_token"])["permission_group"] == "Artist"
    assert variants.get("/1.0/shots", _signed_in(gateway, "Vendor")["access_token"]).status == 403


def test_with_simple_answers_every_rule_counts_for_every_path(gateway: Gateway, variants: StudioApi) -> None:
    assert (
        variants.who("/simple/shots", _signed_in(gateway, "Manager")["access_token"])["permission_group"] == "Manager"
    )
    for group in ("Artist", "Vendor"):
        assert variants.get("/simple/shots", _signed_in(gateway, group)["access_token"]).status == 403
    assert variants.get("/simple/shots", "unknown").status == 403
    assert variants.get("/simple/shots").status == 401


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_cache_time_counts_with_the_deployment_that_brings_it(aws: LocalAws, gateway: Gateway, kind: str) -> None:
    assert gateway.outputs["AuthorizerArn"]  # what the example imports

    def deployed(**parameters: str) -> tuple[str, int]:
        """Return which deployment the stage has, and how long a response counts."""
        stack, template = f"{kind}-api-of-its-own-cache", f"docs/examples/{kind}_api.yaml"
        outputs = aws.deploy({"AllowedOrigin": PAGE, **parameters}, stack, template)
        api_id = outputs["AuthorizerApi"].partition(":")[2]
        if kind == "rest":
            apigateway = aws.client("apigateway")
            (authorizer,) = apigateway.get_authorizers(restApiId=api_id)["items"]
            stage = apigateway.get_stage(restApiId=api_id, stageName="v1")
            return stage["deploymentId"], authorizer["authorizerResultTtlInSeconds"]
        apigateway = aws.client("apigatewayv2")
        (authorizer,) = apigateway.get_authorizers(ApiId=api_id)["Items"]
        stage = apigateway.get_stage(ApiId=api_id, StageName="$default")
        assert stage["AutoDeploy"] is True
        return "", int(authorizer["AuthorizerResultTtlInSeconds"])

    deployment, seconds = deployed()
    assert seconds == 60
    for asked in (0, 300):
        before = deployment
        deployment, seconds = deployed(CacheSeconds=str(asked))
        assert seconds == asked
        assert (deployment != before) == (kind == "rest")


def test_api_gateway_may_ask_for_the_named_apis_and_no_others(
    gateway: Gateway, studio_apis: dict[str, StudioApi]
) -> None:
    policy = gateway.aws.client("lambda").get_policy(FunctionName=gateway.outputs["AuthorizerArn"])["Policy"]
    sources = set()
    for statement in json.loads(policy)["Statement"]:
        assert statement["Principal"] == {"Service": "apigateway.amazonaws.com"}
        ((arn,),) = (condition.values() for condition in statement["Condition"].values())
        sources.add(arn.removeprefix(f"arn:aws:execute-api:{REGION}:"))
    own = gateway.aws.client("apigateway").get_base_path_mappings(domainName=DOMAIN)["items"][0]["restApiId"]
    named = {api.named for api in studio_apis.values()}
    assert sources == {f"{one}/authorizers/*" for one in {*named, f"000000000000:{own}", "000000000000:none"}}


def test_the_invoke_role_is_for_the_named_apis(gateway: Gateway, studio_apis: dict[str, StudioApi]) -> None:
    role = gateway.outputs["AuthorizerInvokeRoleArn"].rpartition("/")[2]
    described = gateway.aws.client("iam").get_role(RoleName=role)["Role"]
    (trust,) = described["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Condition"] == {
        "ArnLikeIfExists": {"aws:SourceArn": [f"arn:*:execute-api:*:{api.named}/*" for api in studio_apis.values()]}
    }
    policy = gateway.aws.client("iam").get_role_policy(RoleName=role, PolicyName="invoke")["PolicyDocument"]
    assert [one["Resource"] for one in policy["Statement"]] == [gateway.outputs["AuthorizerArn"]]


def test_the_invoke_role_may_do_nothing_while_no_api_is_named(other_gateway: Gateway) -> None:
    role = other_gateway.outputs["AuthorizerInvokeRoleArn"].rpartition("/")[2]
    iam = other_gateway.aws.client("iam")
    assert iam.list_role_policies(RoleName=role)["PolicyNames"] == []
    (trust,) = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Condition"]["ArnLikeIfExists"]["aws:SourceArn"].endswith(":none/*")


def _check(api: StudioApi, signed_in: dict[str, Any], path: str, response: Response, *, artist: bool) -> None:
    if artist and path.startswith("/reports"):
        assert response.status == 403, response.text
        return
    assert response.status == 200, (api.kind, path, response.text)
    assert response.body["path"] == path
    told = response.body["who"]
    assert (told["login"], told["session_id"], told["permission_group"]) == (
        signed_in["user"]["login"],
        signed_in["refresh_token"].partition(".")[0],
        "Artist" if artist else "Manager",
    )
