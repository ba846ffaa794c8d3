"""A studio's REST and HTTP API, deployed from the examples: who can call them, and what API Gateway caches.

The statuses are API Gateway's. A REST API returns 401 for every invalid bearer. An HTTP API returns 401 only if the
header is missing, and 403 otherwise.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.local.stack import DOMAIN, REGION
from tests.site.fake_site import Account
from tests.support.client import Gateway, Response, context_of
from tests.support.studio_apis import KINDS, StudioApi

INVALID_BEARER = {"rest": 401, "http": 403}


@pytest.fixture(params=KINDS)
def api(request: pytest.FixtureRequest, studio_apis: dict[str, StudioApi]) -> StudioApi:
    return studio_apis[request.param]


@pytest.fixture
def http_api(studio_apis: dict[str, StudioApi]) -> StudioApi:
    """For cases that the authorizer handles in the same way for every kind of API."""
    return studio_apis["http"]


@pytest.fixture
def uncached(api: StudioApi) -> Iterator[StudioApi]:
    """The API without a cache, as with CacheSeconds=0."""
    api.cache_for(0)
    yield api
    api.cache_for(api.cache_seconds)


@pytest.fixture
def cached(api: StudioApi) -> Iterator[StudioApi]:
    """The API with a cache that does not expire during a test, however slow the machine is."""
    api.cache_for(3600)
    yield api
    api.cache_for(api.cache_seconds)


def _user(gateway: Gateway, group: str, **switches: Any) -> Account:
    user = gateway.new_user(**switches)
    user.permission_group = group
    return user


def _sign_in(gateway: Gateway, group: str = "Artist") -> dict[str, Any]:
    """Sign in a user with an access token that does not expire while this module runs."""
    return gateway.caller().signed_in(_user(gateway, group, expires_in=6 * 3600)).body


@pytest.fixture(scope="module")
def artist(gateway: Gateway) -> dict[str, Any]:
    return _sign_in(gateway, "Artist")


@pytest.fixture(scope="module")
def manager(gateway: Gateway) -> dict[str, Any]:
    return _sign_in(gateway, "Manager")


@pytest.fixture(scope="module")
def vendor(gateway: Gateway) -> dict[str, Any]:
    """A signed-in user whose group no rule lists."""
    return _sign_in(gateway, "Vendor")


def test_api_receives_the_data_of_the_user(gateway: Gateway, api: StudioApi) -> None:
    user = _user(gateway, "Manager")
    signed_in = gateway.caller().signed_in(user).body
    context = api.context("/shots", signed_in["api_token"])
    assert 0 < int(context.pop("expires_at")) - time.time() <= 600
    assert context == context_of(user, signed_in) | {"principalId": f"HumanUser:{user.id}"}


def test_request_without_a_header_returns_401(api: StudioApi) -> None:
    assert api.get("/shots").status == 401


@pytest.mark.parametrize("authorization", ["Bearer", "Basic YTpi", "Bearer a b", "Bearer a,Bearer b", "token"])
def test_malformed_bearer_is_rejected(api: StudioApi, authorization: str) -> None:
    assert api.get("/shots", authorization=authorization).status == INVALID_BEARER[api.kind]


def test_token_of_the_site_is_rejected(gateway: Gateway, api: StudioApi, artist: dict[str, Any]) -> None:
    """A studio API that received it could act in ShotGrid as the user."""
    token_of_stranger = gateway.site.sign_in_directly(gateway.new_user())["access_token"]
    for token in (artist["access_token"], token_of_stranger):
        assert api.get("/shots", token).status == INVALID_BEARER[api.kind]


def test_refresh_token_is_rejected_as_bearer(gateway: Gateway, http_api: StudioApi, artist: dict[str, Any]) -> None:
    token_of_site = gateway.site.sign_in_directly(gateway.new_user())["refresh_token"]
    for token in (artist["refresh_token"], token_of_site):
        assert http_api.get("/shots", token).status == INVALID_BEARER["http"]


def test_bearer_is_rejected_at_once_after_sign_out_without_a_cache(gateway: Gateway, uncached: StudioApi) -> None:
    signed_in = _sign_in(gateway)
    assert uncached.get("/shots", signed_in["api_token"]).status == 200
    gateway.caller().logout(signed_in["refresh_token"])
    assert uncached.get("/shots", signed_in["api_token"]).status == INVALID_BEARER[uncached.kind]


def test_user_whose_group_no_rule_lists_gets_403(api: StudioApi, vendor: dict[str, Any]) -> None:
    assert api.get("/shots", vendor["api_token"]).status == 403
    for path in ("/reports", "/"):
        assert api.get(path, vendor["api_token"]).status in (403, 404), path


def test_user_whose_group_is_unknown_gets_403(gateway: Gateway, http_api: StudioApi) -> None:
    user = gateway.new_user(user_fault="503")
    token = gateway.caller().signed_in(user).body["api_token"]
    assert http_api.get("/shots", token).status == 403


def test_path_rule_limits_only_its_paths(uncached: StudioApi, artist: dict[str, Any], manager: dict[str, Any]) -> None:
    for path in ("/reports", "/reports/7", "/reports.csv"):
        assert uncached.get(path, artist["api_token"]).status == 403, path
        assert uncached.get(path, manager["api_token"]).status == 200, path
    for path in ("/shots", "/shots/reports", "/report"):
        assert uncached.get(path, artist["api_token"]).status == 200, path


@pytest.mark.parametrize("path", ["//reports", "/%72eports", "/;x/reports", "/%5creports", "/x%5c..%5creports"])
def test_other_spelling_of_a_limited_path_is_rejected(api: StudioApi, artist: dict[str, Any], path: str) -> None:
    assert api.get(path, artist["api_token"]).status in (403, 404)


@pytest.mark.parametrize(("path", "status"), [("/shots", 200), ("/reports", 403)])
def test_cached_response_is_correct_for_every_route(
    gateway: Gateway, cached: StudioApi, path: str, status: int
) -> None:
    signed_in = _sign_in(gateway)
    token = signed_in["api_token"]
    assert cached.get(path, token).status == status
    # Now the authorizer would reject the bearer. So the responses below come from the cache.
    gateway.caller().logout(signed_in["refresh_token"])
    assert cached.context("/shots/7", token)["session_id"] == signed_in["refresh_token"].partition(".")[0]
    assert cached.get("/shots", token).status == 200
    assert cached.get("/reports/7", token).status == 403


def test_example_caches_responses_for_its_default_time(api: StudioApi) -> None:
    """`test_examples` checks the other values of CacheSeconds."""
    assert api.cache_seconds == 60


@pytest.fixture(params=["cached", "uncached"])
def cache(request: pytest.FixtureRequest, studio_apis: dict[str, StudioApi]) -> Iterator[str]:
    if request.param == "cached":
        yield request.param
        return
    for api in studio_apis.values():
        api.cache_for(0)
    yield request.param
    for api in studio_apis.values():
        api.cache_for(api.cache_seconds)


def test_concurrent_users_get_their_own_data(
    studio_apis: dict[str, StudioApi], artist: dict[str, Any], manager: dict[str, Any], cache: str
) -> None:
    requests = [
        (api, signed_in, path)
        for path in ("/shots", "/reports", "/a/b/c", "/reports/7")
        for api in studio_apis.values()
        for signed_in in (artist, manager)
    ]
    if cache == "cached":
        for api, signed_in, path in requests[:4]:  # fill the caches
            _check(path, api.get(path, signed_in["api_token"]), signed_in, is_artist=signed_in is artist)
        requests *= 3
    # The emulator starts an instance of each function for each concurrent request, which takes seconds.
    with ThreadPoolExecutor(3) as pool:
        responses = list(pool.map(lambda request: request[0].get(request[2], request[1]["api_token"]), requests))
    for (_, signed_in, path), response in zip(requests, responses, strict=True):
        _check(path, response, signed_in, is_artist=signed_in is artist)


def _check(path: str, response: Response, signed_in: dict[str, Any], *, is_artist: bool) -> None:
    """An artist gets 403 for `/reports`. Every other response has the data of its own user."""
    if is_artist and path.startswith("/reports"):
        assert response.status == 403, response.text
        return
    assert response.status == 200, response.text
    assert response.body["path"] == path
    context = response.body["who"]
    assert context["login"] == signed_in["user"]["login"]
    assert context["session_id"] == signed_in["refresh_token"].partition(".")[0]
    assert context["permission_group"] == ("Artist" if is_artist else "Manager")


@pytest.fixture(scope="module")
def variants(studio_apis: dict[str, StudioApi]) -> StudioApi:
    """The HTTP API with two more authorizers: `/simple/` and `/policy/` have payload format 2.0 and these responses."""
    api = studio_apis["http"]
    client = api.aws.client("apigatewayv2")
    (original,) = client.get_authorizers(ApiId=api.id)["Items"]
    (route,) = client.get_routes(ApiId=api.id)["Items"]
    common = {"ApiId": api.id, "AuthorizerType": "REQUEST", "AuthorizerUri": original["AuthorizerUri"]}
    common |= {"IdentitySource": ["$request.header.Authorization"], "AuthorizerResultTtlInSeconds": 60}
    for name in ("simple", "policy"):
        authorizer = client.create_authorizer(
            **common, Name=name, AuthorizerPayloadFormatVersion="2.0", EnableSimpleResponses=name == "simple"
        )
        client.create_route(
            ApiId=api.id,
            RouteKey=f"GET /{name}/{{path+}}",
            AuthorizationType="CUSTOM",
            AuthorizerId=authorizer["AuthorizerId"],
            Target=route["Target"],
        )
    return api


def test_http_api_can_use_payload_format_2(variants: StudioApi, artist: dict[str, Any], vendor: dict[str, Any]) -> None:
    assert variants.context("/policy/shots", artist["api_token"])["permission_group"] == "Artist"
    assert variants.get("/policy/shots", vendor["api_token"]).status == 403


def test_path_rule_limits_the_whole_api_with_simple_responses(
    variants: StudioApi, artist: dict[str, Any], manager: dict[str, Any], vendor: dict[str, Any]
) -> None:
    assert variants.context("/simple/shots", manager["api_token"])["permission_group"] == "Manager"
    for signed_in in (artist, vendor):
        assert variants.get("/simple/shots", signed_in["api_token"]).status == 403
    assert variants.get("/simple/shots", "unknown").status == 403
    assert variants.get("/simple/shots").status == 401


def test_only_named_apis_can_invoke_the_authorizer(gateway: Gateway, studio_apis: dict[str, StudioApi]) -> None:
    policy = gateway.aws.client("lambda").get_policy(FunctionName=gateway.outputs["AuthorizerArn"])["Policy"]
    sources = set()
    for statement in json.loads(policy)["Statement"]:
        assert statement["Principal"] == {"Service": "apigateway.amazonaws.com"}
        ((arn,),) = (condition.values() for condition in statement["Condition"].values())
        sources.add(arn.removeprefix(f"arn:aws:execute-api:{REGION}:"))
    own_api = gateway.aws.client("apigateway").get_base_path_mappings(domainName=DOMAIN)["items"][0]["restApiId"]
    entries = {api.entry for api in studio_apis.values()}
    assert sources == {f"{entry}/authorizers/*" for entry in {*entries, f"000000000000:{own_api}", "000000000000:none"}}


def test_only_named_apis_can_assume_the_invoke_role(gateway: Gateway, studio_apis: dict[str, StudioApi]) -> None:
    name = gateway.outputs["AuthorizerInvokeRoleArn"].rpartition("/")[2]
    iam = gateway.aws.client("iam")
    (trust,) = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Condition"] == {
        "ArnLikeIfExists": {"aws:SourceArn": [f"arn:*:execute-api:*:{api.entry}/*" for api in studio_apis.values()]}
    }
    policy = iam.get_role_policy(RoleName=name, PolicyName="invoke")["PolicyDocument"]
    assert [statement["Resource"] for statement in policy["Statement"]] == [gateway.outputs["AuthorizerArn"]]
