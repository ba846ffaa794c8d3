"""Whether the web ACL and the layer that the parameters name are in the region of the stack."""

from __future__ import annotations

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
