"""Parameters of a stack without a domain: a value for each one, and none is the default."""

from __future__ import annotations

from tests.local.stack import LocalAws
from tests.support.client import ORIGINS
from tests.support.docs import blocks

# Without a domain, the first three cannot be set. Functions on local AWS have no folder /opt for the last one.
NOT_SET = {"DomainName", "CertificateArn", "DisableExecuteApiEndpoint", "SiteCaLayerArn"}

# Every call of local AWS comes from this network.
LOCAL = "127.0.0.0/8"


def every_parameter(aws: LocalAws, site_url: str) -> dict[str, str]:
    """Return the parameters, and create the resources that they name. The boundary is the documented one."""
    (boundary,) = (found.text for found in blocks("json") if "ec2:CreateNetworkInterface" in found.text)
    ec2, name = aws.client("ec2"), "every-parameter"
    metrics = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False, "MetricName": name}
    web_acl = aws.client("wafv2").create_web_acl(
        Name=name, Scope="REGIONAL", DefaultAction={"Allow": {}}, VisibilityConfig=metrics
    )
    policy = aws.client("iam").create_policy(PolicyName=name, PolicyDocument=boundary)
    return {
        "ShotGridSiteUrl": site_url,
        "AllowedOrigins": ORIGINS,
        "ServeExample": "false",
        "BrowserSignIn": "off",
        "AppName": "Studio pages",
        "BrowserSignInNetworks": "203.0.113.0/24,2001:db8::/32",
        "SessionHours": "24",
        "IdleMinutes": "60",
        "AuthorizerApis": "123456789012:abcdef1234",
        "AuthorizerRules": "abcdef1234=Artist|Manager,abcdef1234/reports=Manager;",
        "ThrottleRate": "100",
        "ThrottleBurst": "200",
        "ApprovalThrottleRate": "100",
        "ApprovalThrottleBurst": "200",
        "FileThrottleRate": "100",
        "FileThrottleBurst": "200",
        "ReservedConcurrency": "20",
        "AuthorizerReservedConcurrency": "10",
        "KeepWarm": "on",
        "LogRetentionDays": "7",
        "AlarmTopicArn": aws.client("sns").create_topic(Name=name)["TopicArn"],
        "FailedSignIns": "100",
        "StartsWithoutApproval": "100",
        "Dashboard": "off",
        "DetailedMetrics": "on",
        "AccessLog": "on",
        "Tracing": "on",
        "PermissionsBoundary": policy["Policy"]["Arn"],
        "AllowedNetworks": LOCAL,
        "WebAclArn": web_acl["Summary"]["ARN"],
        "SubnetIds": ec2.describe_subnets()["Subnets"][0]["SubnetId"],
        "SecurityGroupIds": ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"],
    }
