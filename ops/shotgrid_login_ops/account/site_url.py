"""Whether the deployment names the site."""

from __future__ import annotations

from shotgrid_login_ops.account.deployment import Deployment
from shotgrid_login_ops.check.findings import Finding, ok, problem


def check(deployment: Deployment) -> Finding:
    """Return whether `ShotGridSiteUrl`, the only parameter without a default, has a value."""
    if deployment.parameters.site_url:
        return ok("aws.site-url", "named", "The deployment has the parameter ShotGridSiteUrl.")
    name = deployment.stack_name
    return problem(
        "aws.site-url",
        "none",
        "The first deployment needs the parameter ShotGridSiteUrl. It has no default.",
        "Deploy as below, with the addresses of your site and your pages. Give this check the same parameters.",
        f"sam deploy --stack-name {name} --s3-prefix {name} --parameter-overrides "
        "ShotGridSiteUrl=https://studio.shotgrid.autodesk.com AllowedOrigins=https://pages.studio.com",
    )
