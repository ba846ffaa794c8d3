"""Whether what the parameters name is in the region of the stack: the web ACL, the layer and the subnets."""

from __future__ import annotations

from botocore.exceptions import ClientError

from shotgrid_login_ops.account.deployment import Deployment
from shotgrid_login_ops.check.findings import Finding, ok, problem


def check_web_acl(deployment: Deployment) -> Finding:
    """Return whether AWS WAF can use `WebAclArn` for the stack's API.

    AWS documentation: "Resources that you can protect with AWS WAF".
    """
    return _checked(
        "aws.web-acl",
        "WebAclArn",
        deployment.parameters.web_acl_arn,
        deployment.region,
        f"aws wafv2 list-web-acls --scope REGIONAL --region {deployment.region}",
    )


def check_site_ca_layer(deployment: Deployment) -> Finding:
    """Return whether the stack's functions can have the layer `SiteCaLayerArn`.

    Lambda rejects others: "Layers are not in the same region as the function" (LocalStack `lambda_/provider.py`).
    """
    return _checked(
        "aws.site-ca-layer",
        "SiteCaLayerArn",
        deployment.parameters.site_ca_layer_arn,
        deployment.region,
        f"aws lambda list-layers --region {deployment.region}",
    )


def check_subnets(deployment: Deployment) -> Finding:
    """Return whether the stack's functions can be in `SubnetIds`."""
    ids = deployment.parameters.subnet_ids
    if not ids:
        return ok("aws.subnets", "none", "The deployment has no SubnetIds.")
    try:
        deployment.client("ec2").describe_subnets(SubnetIds=ids.split(","))
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "InvalidSubnetID.NotFound":
            return problem(
                "aws.subnets",
                "not found",
                f"Account {deployment.account} has not all of these subnets in {deployment.region}.",
                "Compare SubnetIds with the list.",
                f'aws ec2 describe-subnets --query "Subnets[].SubnetId" --region {deployment.region}',
            )
        raise
    return ok("aws.subnets", "in the region", "The subnets exist in the region of the stack.")


def _checked(finding: str, parameter: str, arn: str, region: str, command: str) -> Finding:
    if not arn:
        return ok(finding, "none", f"The deployment has no {parameter}.")
    if arn.split(":")[3] != region:
        return problem(
            finding,
            "another region",
            f"{parameter} is in another region. The stack in {region} cannot use it.",
            f"Create it in {region}, and use the ARN that it has there. The command lists those of the region.",
            command,
        )
    return ok(finding, "in the region", f"{parameter} is in the region of the stack.")
