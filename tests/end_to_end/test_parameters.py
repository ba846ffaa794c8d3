"""A deployed stack whose parameters differ from their defaults. The tests that use it show that it works."""

from __future__ import annotations

from tests.local.stack import ROOT
from tests.support.client import OTHER_PAGE, Gateway
from tests.support.every_parameter import OF_DOMAIN
from tests.support.template import parsed


def test_every_parameter_is_set_in_one_of_two_stacks(gateway: Gateway, other_gateway: Gateway) -> None:
    defaults = {name: str(row.get("Default")) for name, row in parsed(ROOT / "template.yaml")["Parameters"].items()}

    def changed(stack: Gateway) -> set[str]:
        described = stack.aws.client("cloudformation").describe_stacks(StackName=stack.stack)["Stacks"][0]
        values = {row["ParameterKey"]: row["ParameterValue"] for row in described["Parameters"]}
        assert values.keys() == defaults.keys()
        return {name for name, value in values.items() if value != defaults[name]}

    assert changed(other_gateway) == defaults.keys() - OF_DOMAIN
    assert changed(gateway) >= OF_DOMAIN


def test_functions_trust_the_private_ca_of_the_site(other_gateway: Gateway) -> None:
    assert other_gateway.caller().methods().body["site_url"].startswith("https://127.0.0.1:")
    user = other_gateway.new_user(two_factor=True)
    assert other_gateway.caller().signed_in(user).status == 200


def test_web_acl_filters_the_stage(other_gateway: Gateway) -> None:
    aws, stack = other_gateway.aws, other_gateway.stack
    stage = f"arn:aws:apigateway:us-east-1::/restapis/{aws.resource('Api', stack)}/stages/v1"
    assert aws.client("wafv2").get_web_acl_for_resource(ResourceArn=stage)["WebACL"]["Name"] == "every-parameter"


def test_stack_without_a_domain_works_under_its_stage(other_gateway: Gateway, gateway: Gateway) -> None:
    caller = other_gateway.caller()
    signed_in = caller.signed_in(other_gateway.new_user(two_factor=True)).body
    gateway.secrets |= other_gateway.secrets
    gateway.names |= other_gateway.names
    assert caller.session(signed_in["api_token"]).status == 200
    assert gateway.caller().session(signed_in["api_token"]).status == 401
    assert gateway.caller().refresh(signed_in["refresh_token"]).code == "session_ended"
    assert caller.refresh(signed_in["refresh_token"]).status == 200


def test_challenge_of_another_stack_is_an_invalid_request(gateway: Gateway, other_gateway: Gateway) -> None:
    user = gateway.new_user(two_factor=True)
    challenge = other_gateway.caller().password(user)
    assert challenge.status == 202
    gateway.secrets |= other_gateway.secrets
    response = gateway.caller().otp(challenge, gateway.site.code(user.login))
    assert (response.status, response.code) == (400, "invalid_request")
    assert response.body["detail"].startswith("challenge: ")
    assert other_gateway.caller().otp(challenge, gateway.site.code(user.login)).status == 200


def test_example_can_be_turned_off(other_gateway: Gateway) -> None:
    assert "ExampleUrl" not in other_gateway.outputs
    for path in ("/", "/example/index.html", "/example/dashboard.js", "/example/vendor/chart-4.6.1.min.js"):
        assert other_gateway.caller().send("GET", path).code == "not_found"
    assert other_gateway.caller().send("GET", "/shotgrid-login-element.js").status == 200


def test_deployment_can_turn_sign_in_in_the_browser_off(gateway: Gateway, other_gateway: Gateway) -> None:
    started = gateway.caller(origin=OTHER_PAGE, sec_fetch_site="cross-site").browser()
    elsewhere = other_gateway.caller(origin=OTHER_PAGE)
    assert elsewhere.methods().body["browser"] == "no"
    for response in (elsewhere.browser(), elsewhere.approval(started)):
        assert response.status in (400, 403)
    assert elsewhere.browser().code == "browser_sign_in_disabled"
