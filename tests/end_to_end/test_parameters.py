"""A deployed stack whose parameters differ from their defaults. The tests that use it show that it works."""

from __future__ import annotations

from tests.support.client import Gateway
from tests.support.every_parameter import NOT_SET
from tests.support.template import template


def test_stack_without_a_domain_has_every_other_parameter_set(other_gateway: Gateway) -> None:
    cloudformation = other_gateway.aws.client("cloudformation")
    rows = cloudformation.describe_stacks(StackName=other_gateway.stack)["Stacks"][0]["Parameters"]
    deployed = {row["ParameterKey"]: row["ParameterValue"] for row in rows}
    defaults = {name: str(row.get("Default")) for name, row in template()["Parameters"].items()}
    assert {name for name, value in deployed.items() if value == defaults[name]} == NOT_SET
    assert deployed.keys() == defaults.keys()


def test_web_acl_filters_the_stage(other_gateway: Gateway) -> None:
    aws, stack = other_gateway.aws, other_gateway.stack
    stage = f"arn:aws:apigateway:us-east-1::/restapis/{aws.resource('Api', stack)}/stages/v1"
    assert aws.client("wafv2").get_web_acl_for_resource(ResourceArn=stage)["WebACL"]["Name"] == "every-parameter"
