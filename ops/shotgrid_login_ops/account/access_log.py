"""Whether API Gateway can write an access log."""

from __future__ import annotations

from shotgrid_login_ops.account.deployment import Deployment
from shotgrid_login_ops.check.findings import Finding, ok, problem

_SET_ROLE = (
    "aws apigateway update-account --region {region} --patch-operations "
    "op=replace,path=/cloudwatchRoleArn,value=arn:{partition}:iam::{account}:role/api-gateway-logs"
)


def check(deployment: Deployment) -> Finding:
    """Return whether the account has the role with which API Gateway writes logs, if `AccessLog` is on."""
    if deployment.parameters.access_log != "on":
        return ok("aws.access-log", "off", "The deployment has no access log, so API Gateway needs no role for it.")
    account = deployment.client("apigateway").get_account()
    if not account.get("cloudwatchRoleArn"):
        return problem(
            "aws.access-log",
            "no role",
            "API Gateway has no role here with which it can write logs. The deployment would fail.",
            'Create the role as "Access log" in docs/operations.md describes, and set it once.',
            _SET_ROLE.format(region=deployment.region, partition=deployment.partition, account=deployment.account),
        )
    return ok("aws.access-log", "on", "API Gateway has a role with which it writes logs.")
