"""Whether a stack with this name can be deployed, and the stack in which `sam` keeps its bucket for code."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from shotgrid_login_ops.account.deployment import Deployment, Stack
from shotgrid_login_ops.check.findings import Finding, ok, printable, problem

# `sam deploy --resolve-s3` creates this stack for its bucket (samcli.lib.bootstrap.bootstrap).
SAM_STACK = "aws-sam-cli-managed-default"

# These outputs together belong to no other template.
_OUTPUTS = {"StateTable", "BearersTable", "AuthorizerInvokeRoleArn"}
_CAN_BE_UPDATED = {
    *("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"),
    *("IMPORT_COMPLETE", "IMPORT_ROLLBACK_COMPLETE"),
}


def read(cloudformation: Any, name: str) -> Stack | None:
    """Return a stack; None if it does not exist. Raises `ClientError` and `BotoCoreError`."""
    try:
        (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "ValidationError":
            return None
        raise
    # An earlier change set that was never executed leaves this status. `sam deploy` then creates the stack
    # (samcli.lib.deploy.deployer).
    if stack["StackStatus"] == "REVIEW_IN_PROGRESS":
        return None
    return Stack(
        stack["StackStatus"],
        {output["OutputKey"] for output in stack.get("Outputs", [])} >= _OUTPUTS,
        {row["ParameterKey"]: row["ParameterValue"] for row in stack.get("Parameters", [])},
    )


def check(deployment: Deployment) -> Finding:
    """Return whether `sam deploy` can create or update the stack."""
    name, stack = deployment.stack_name, deployment.stack
    if stack is None:
        return ok("aws.stack", "free", f"No stack {name} exists in {deployment.region}. sam deploy would create it.")
    status = printable(stack.status)
    if (fault := _fault("aws.stack", name, status, deployment.region)) is not None:
        return fault
    if not stack.is_gateway:
        return problem(
            "aws.stack",
            "another stack",
            f"The stack {name} exists, and is not a gateway of this project. sam deploy would delete its resources.",
            "Deploy with another name: use --stack-name NAME --s3-prefix NAME with sam deploy, and --stack NAME with "
            "this check.",
        )
    return ok("aws.stack", status, f"The stack {name} exists. sam deploy would update it.")


def check_bucket(deployment: Deployment) -> Finding:
    """Return whether `sam deploy` can use its bucket, or create it."""
    stack = read(deployment.client("cloudformation"), SAM_STACK)
    if stack is None:
        return ok("aws.bucket", "none", "sam deploy would create its bucket for code, in a stack of its own.")
    status = printable(stack.status)
    fault = _fault("aws.bucket", SAM_STACK, status, deployment.region)
    return fault or ok("aws.bucket", status, "The bucket exists in which sam deploy stores the code.")


def _fault(finding: str, name: str, status: str, region: str) -> Finding | None:
    """Return why a stack in this status cannot be updated; None if it can."""
    if status in _CAN_BE_UPDATED:
        return None
    options = f"--stack-name {name} --region {region}"
    meaning = f"The stack {name} is in this status, and sam deploy cannot update it."
    if status.endswith("_IN_PROGRESS"):
        return problem(finding, status, meaning, "Wait until the change of the stack has ended. Then check again.")
    if status == "UPDATE_ROLLBACK_FAILED":
        return problem(
            finding,
            status,
            meaning,
            "Correct the cause, which the events of the stack show. Then finish the rollback.",
            f"aws cloudformation describe-stack-events {options}",
            f"aws cloudformation continue-update-rollback {options}",
        )
    if status == "UPDATE_FAILED":
        return problem(
            finding,
            status,
            meaning,
            "Roll the stack back.",
            f"aws cloudformation rollback-stack {options}",
        )
    return problem(
        finding,
        status,
        f"{meaning} A deployment or a deletion has failed. Nothing in the stack is in use.",
        "Look at the events for the cause. Then delete the stack, and deploy again.",
        f"aws cloudformation describe-stack-events {options}",
        f"aws cloudformation delete-stack {options}",
        f"aws cloudformation wait stack-delete-complete {options}",
    )
