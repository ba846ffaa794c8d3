"""Parameters of a stack without a domain: a value for each one, and none is the default.

Its site has a certificate of a private CA.
"""

from __future__ import annotations

import io
import zipfile

from tests.local.stack import LocalAws
from tests.local.tls import TlsProxy
from tests.support.client import ORIGINS
from tests.support.docs import blocks

# These need a domain.
OF_DOMAIN = {"DomainName", "CertificateArn", "DisableExecuteApiEndpoint"}

# Every call of local AWS comes from this network.
LOCAL = "127.0.0.0/8"


def every_parameter(aws: LocalAws, site: TlsProxy) -> dict[str, str]:
    """Return the parameters, and create the resources that they name. The boundary is the documented one.

    `site` is the address of the site, with its CA.
    """
    (boundary,) = (found.text for found in blocks("json") if "ec2:CreateNetworkInterface" in found.text)
    ec2, name = aws.client("ec2"), "every-parameter"
    metrics = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False, "MetricName": name}
    web_acl = aws.client("wafv2").create_web_acl(
        Name=name, Scope="REGIONAL", DefaultAction={"Allow": {}}, VisibilityConfig=metrics
    )
    policy = aws.client("iam").create_policy(PolicyName=name, PolicyDocument=boundary)
    layer = io.BytesIO()
    with zipfile.ZipFile(layer, "w") as archive:
        archive.writestr("site-ca.pem", site.authority.cert_pem.bytes())
    return {
        "ShotGridSiteUrl": f"https://127.0.0.1:{site.port}",
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
        "SiteCaLayerArn": aws.client("lambda").publish_layer_version(
            LayerName="site-ca", Content={"ZipFile": layer.getvalue()}
        )["LayerVersionArn"],
        "SubnetIds": ec2.describe_subnets()["Subnets"][0]["SubnetId"],
        "SecurityGroupIds": ec2.describe_security_groups()["SecurityGroups"][0]["GroupId"],
    }
