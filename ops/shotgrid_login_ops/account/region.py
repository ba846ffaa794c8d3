"""Whether the region has what the stack needs, as far as calls that only read can show."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError, EndpointConnectionError

from shotgrid_login_ops.account.deployment import Deployment
from shotgrid_login_ops.check.findings import Finding, ok, problem, unknown
from shotgrid_login_ops.stack.failures import is_denied

RUNTIME, ARCHITECTURE = "python3.13", "arm64"

# A call of each regional service that reads one page of names.
READS: Mapping[str, Callable[[Any], object]] = {
    "dynamodb": lambda client: client.list_tables(Limit=1),
    "kms": lambda client: client.list_keys(Limit=1),
    "apigateway": lambda client: client.get_rest_apis(limit=1),
    "logs": lambda client: client.describe_log_groups(limit=1),
    "cloudwatch": lambda client: client.describe_alarms(MaxRecords=1),
}

_NO_SUCH_VALUE = {"InvalidParameterValueException", "ValidationException"}


def check(deployment: Deployment) -> Finding:
    """Return whether Lambda of the region has our runtime, and whether the other services exist there."""
    absent = [service for service, read in READS.items() if not _exists(deployment.client(service), read)]
    if absent:
        return problem(
            "aws.region",
            deployment.region,
            f"This machine cannot reach these services in {deployment.region}: {', '.join(absent)}. Perhaps the "
            "region does not have them.",
            "Check the network of this machine, or deploy to another region: use --region with the check and sam.",
        )
    try:
        # Lambda rejects values that it does not know. AWS does not document whether a region can know a runtime that it
        # does not have yet.
        deployment.client("lambda").list_layers(
            CompatibleRuntime=RUNTIME, CompatibleArchitecture=ARCHITECTURE, MaxItems=1
        )
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in _NO_SUCH_VALUE:
            return problem(
                "aws.region",
                deployment.region,
                f"Lambda in {deployment.region} does not support {RUNTIME} on {ARCHITECTURE}.",
                "Deploy to another region: use --region with the check and sam.",
            )
        if is_denied(error):
            return unknown(
                "aws.region",
                deployment.region,
                "The services exist in this region. These credentials cannot show whether Lambda supports "
                f"{RUNTIME} on {ARCHITECTURE} there.",
                "Allow lambda:ListLayers, or look for the region in the documentation of Lambda.",
            )
        raise
    return ok(
        "aws.region", deployment.region, f"Lambda knows {RUNTIME} on {ARCHITECTURE}, and the other services respond."
    )


def denied_reads(deployment: Deployment) -> list[str]:
    """Return the services of which these credentials cannot even read names."""
    return [service for service, read in READS.items() if _is_denied(deployment.client(service), read)]


def _exists(client: Any, read: Callable[[Any], object]) -> bool:
    try:
        read(client)
    except EndpointConnectionError:
        return False
    except ClientError as error:
        if not is_denied(error):
            raise
    return True


def _is_denied(client: Any, read: Callable[[Any], object]) -> bool:
    try:
        read(client)
    except ClientError as error:
        if is_denied(error):
            return True
        raise
    return False
