"""Whether the account's Lambda quota is enough for what the parameters reserve."""

from __future__ import annotations

from shotgrid_login_ops.account.deployment import Deployment, Parameters
from shotgrid_login_ops.check.findings import Finding, Status, ok, problem

# What must stay for functions without a reservation (AWS documentation: Configuring reserved concurrency).
UNRESERVED = 100

# The quota of an account that AWS does not limit because it is new (AWS documentation: Lambda quotas).
USUAL_QUOTA = 1000

# About how many modules a page loads at the same time if its cache is empty.
MODULES = 6

# "Concurrent executions" of Lambda in Service Quotas.
_QUOTA_CODE = "L-B99A9384"


def check(deployment: Deployment) -> Finding:
    """Compare the quota with what the stack would reserve."""
    limit = deployment.client("lambda").get_account_settings()["AccountLimit"]
    quota, unreserved = limit["ConcurrentExecutions"], limit["UnreservedConcurrentExecutions"]
    wanted = deployment.parameters.concurrency
    # What an existing stack reserves is not a part of the unreserved concurrency any more.
    now = 0 if deployment.stack is None else Parameters.of(deployment.stack.parameters).concurrency
    left = unreserved + now - wanted
    value = f"{unreserved} of {quota} unreserved"
    if wanted > now and left < UNRESERVED:
        return problem(
            "aws.concurrency",
            value,
            f"The functions would reserve {wanted}. AWS requires that {UNRESERVED} stay unreserved, so the quota must "
            f"be at least {quota + UNRESERVED - left}. The deployment would be rolled back.",
            "Deploy with ReservedConcurrency=0 and AuthorizerReservedConcurrency=0, or request a higher quota. AWS can "
            "take days to grant it.",
            _request(max(USUAL_QUOTA, quota + UNRESERVED - left), deployment.region),
        )
    if wanted == 0 and unreserved < UNRESERVED:
        return Finding(
            "aws.concurrency",
            Status.OK,
            value,
            f"The deployment works, because it reserves nothing. But all functions of the account together can run "
            f"{unreserved} requests at once, and further ones get 500. A page loads about {MODULES} modules at once if "
            f"its cache is empty, so {unreserved // MODULES + 1} users who open it together can be too many. Without a "
            "module, a page cannot sign users in until they load it again.",
            "Request the usual quota before users come. AWS can take days to grant it.",
            commands=(_request(USUAL_QUOTA, deployment.region),),
        )
    reserves = f"reserves {wanted}" if wanted else "reserves nothing"
    return ok(
        "aws.concurrency", value, f"The stack {reserves}, and {left} stay unreserved for all functions of the account."
    )


def _request(quota: int, region: str) -> str:
    return (
        f"aws service-quotas request-service-quota-increase --service-code lambda --quota-code {_QUOTA_CODE} "
        f"--desired-value {quota} --region {region}"
    )
