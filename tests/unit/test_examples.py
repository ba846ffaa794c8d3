"""The example APIs: how long API Gateway caches responses for each value of CacheSeconds."""

from __future__ import annotations

from typing import Any

from tests.local.stack import ROOT
from tests.support.template import translate


def example(kind: str) -> dict[str, Any]:
    return translate(ROOT / "docs" / "examples" / f"{kind}_api.yaml")


def test_rest_example_caches_responses_for_cache_seconds() -> None:
    template = example("rest")
    schemes = template["Resources"]["Api"]["Properties"]["Body"]["components"]["securitySchemes"]
    cache_time = schemes["ShotGridLogin"]["x-amazon-apigateway-authorizer"]["authorizerResultTtlInSeconds"]

    def resolved(value: Any, parameter: int) -> Any:
        match value:
            case {"Fn::If": [condition, if_true, if_false]}:
                left, right = template["Conditions"][condition]["Fn::Equals"]
                assert left == {"Ref": "CacheSeconds"}
                return resolved(if_true if parameter == right else if_false, parameter)
        return value

    parameter = template["Parameters"]["CacheSeconds"]
    assert parameter["Default"] == 60
    assert parameter["AllowedValues"] == [0, 60, 300]
    for seconds in parameter["AllowedValues"]:
        # A number, not the text that a reference to the parameter would be.
        assert resolved(cache_time, seconds) == seconds


def test_http_example_expects_a_policy_and_nothing_else() -> None:
    """With 2.0 the authorizer also returns `isAuthorized`. It is not known whether API Gateway accepts both."""
    authorizer = example("http")["Resources"]["ShotGridLogin"]["Properties"]
    assert authorizer["AuthorizerPayloadFormatVersion"] == "1.0"
    assert "EnableSimpleResponses" not in authorizer  # only for 2.0


def test_http_example_caches_responses_for_cache_seconds() -> None:
    template = example("http")
    parameter, resources = template["Parameters"]["CacheSeconds"], template["Resources"]
    assert (parameter["Default"], parameter["MinValue"]) == (60, 0)
    assert resources["ShotGridLogin"]["Properties"]["AuthorizerResultTtlInSeconds"] == {"Ref": "CacheSeconds"}
    # Without automatic deployments, the stage would ignore a new value.
    assert resources["Stage"]["Properties"]["AutoDeploy"] is True
