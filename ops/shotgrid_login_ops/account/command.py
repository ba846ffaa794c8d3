"""The whole check of an account: find the account and the region, check one thing after the other, and print."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from functools import cache
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from shotgrid_login_ops.account import (
    access_log,
    certificate,
    concurrency,
    permissions,
    region,
    regions,
    site_url,
    stack_state,
    topic,
)
from shotgrid_login_ops.account.deployment import Deployment, Parameters, overrides
from shotgrid_login_ops.check import report
from shotgrid_login_ops.check.findings import Finding, ok, unknown
from shotgrid_login_ops.check.report import Report
from shotgrid_login_ops.errors import AwsFailed
from shotgrid_login_ops.stack.command import Target
from shotgrid_login_ops.stack.deployed import CONFIG
from shotgrid_login_ops.stack.failures import explain

# In the order of the result.
_CHECKS: Mapping[str, Callable[[Deployment], Finding]] = {
    "aws.stack": stack_state.check,
    "aws.bucket": stack_state.check_bucket,
    "aws.site-url": site_url.check,
    "aws.region": region.check,
    "aws.concurrency": concurrency.check,
    "aws.permissions": permissions.check,
    "aws.domain": certificate.check_domain,
    "aws.certificate": certificate.check,
    "aws.web-acl": regions.check_web_acl,
    "aws.site-ca-layer": regions.check_site_ca_layer,
    "aws.subnets": regions.check_subnets,
    "aws.alarm-topic": topic.check,
    "aws.access-log": access_log.check,
}


def run(target: Target, arguments: Sequence[str], environment: Mapping[str, str], *, is_json: bool) -> int:
    """Run the check, print the result, and return the exit code 0 or 1; raises `UsageError` and `AwsFailed`.

    `arguments` are those of `--parameter-overrides`.
    """
    values = overrides(arguments)
    with ExitStack() as clients:
        deployment = _deployment(target, values, clients)
        findings = [
            ok("aws.account", deployment.account, f"The check used {deployment.caller}."),
            *(_checked(name, check, deployment) for name, check in _CHECKS.items()),
        ]
    result = Report(
        {"account": deployment.account, "region": deployment.region, "stack": deployment.stack_name},
        f"AWS account {deployment.account}, region {deployment.region}, stack {deployment.stack_name}",
        datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        findings,
        None,
        (),
    )
    report.write(result, environment, is_json=is_json)
    return result.exit_code


def _deployment(target: Target, values: Mapping[str, str], clients: ExitStack) -> Deployment:
    """Find the account and the stack. Without these two calls there is nothing to check. Raises `AwsFailed`."""
    try:
        session = boto3.Session(region_name=target.region)

        @cache
        def client(service: str) -> Any:
            return clients.enter_context(closing(session.client(service, config=CONFIG)))  # type: ignore[call-overload]

        identity = client("sts").get_caller_identity()
        cloudformation = client("cloudformation")
        stack = stack_state.read(cloudformation, target.stack)
    except (BotoCoreError, ClientError) as error:
        raise AwsFailed(explain(error)) from None
    current = {} if stack is None or not stack.is_gateway else stack.parameters
    return Deployment(
        account=identity["Account"],
        caller=identity["Arn"],
        partition=identity["Arn"].split(":")[1],
        region=cloudformation.meta.region_name,
        client=client,
        stack_name=target.stack,
        stack=stack,
        parameters=Parameters.of({**current, **values}),
    )


def _checked(name: str, check: Callable[[Deployment], Finding], deployment: Deployment) -> Finding:
    try:
        return check(deployment)
    except (BotoCoreError, ClientError) as error:
        return unknown(name, None, explain(error), "Allow this call for the check, or go on without this line.")
