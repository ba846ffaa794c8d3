"""What the check is about: an account and region of AWS, a stack, and the parameters of its deployment."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from shotgrid_login_ops.errors import UsageError

# The functions that reserve `ReservedConcurrency` each. The authorizer has a parameter of its own.
FUNCTIONS = 10

# The parameters that the check uses, with the form of their values in the template. An empty value is a default.
_FORMS = {
    "ShotGridSiteUrl": r"(?i:https://[a-z0-9.-]+(:[0-9]{1,5})?|http://(localhost|127\.0\.0\.1)(:[0-9]{1,5})?)/?",
    "DomainName": r"|[a-z0-9-]+(\.[a-z0-9-]+)+",
    "CertificateArn": r"|arn:aws[a-z-]*:acm:[a-z0-9-]+:[0-9]{12}:certificate/[A-Za-z0-9-]+",
    "ReservedConcurrency": r"[0-9]{1,4}",
    "AuthorizerReservedConcurrency": r"[0-9]{1,4}",
    "PermissionsBoundary": r"|arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[A-Za-z0-9+=,.@_/-]+",
    "SubnetIds": r"|subnet-[0-9a-f]{8,17}(,subnet-[0-9a-f]{8,17}){0,15}",
    "WebAclArn": r"|arn:aws[a-z-]*:wafv2:[a-z0-9-]+:[0-9]{12}:regional/webacl/[A-Za-z0-9_-]+/[a-f0-9-]+",
    "AlarmTopicArn": r"|arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]{1,256}",
    "SiteCaLayerArn": r"|arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:layer:[A-Za-z0-9_-]{1,64}:[0-9]+",
    "AccessLog": r"on|off",
    "KeepWarm": r"on|off",
}
# The other parameters of the template. What they need from the account does not depend on their values.
_OTHERS = {
    *("AllowedOrigins", "ServeExample", "BrowserSignIn", "AppName", "BrowserSignInNetworks"),
    *("SessionHours", "IdleMinutes", "AuthorizerApis", "AuthorizerRules", "ThrottleRate", "ThrottleBurst"),
    *("ApprovalThrottleRate", "ApprovalThrottleBurst", "FileThrottleRate", "FileThrottleBurst", "LogRetentionDays"),
    *("FailedSignIns", "StartsWithoutApproval", "Dashboard", "DetailedMetrics", "Tracing", "AllowedNetworks"),
    *("DisableExecuteApiEndpoint", "SecurityGroupIds"),
}
NAMES = _OTHERS | _FORMS.keys()
_OVERRIDE = re.compile(r"([A-Za-z0-9]+)=(.*)", re.DOTALL)


@dataclass(frozen=True)
class Parameters:
    """The parameters that decide what a deployment needs from the account. The defaults are those of the template."""

    site_url: str = ""  # the template has no default
    domain_name: str = ""
    certificate_arn: str = ""
    reserved_concurrency: int = 0
    authorizer_reserved_concurrency: int = 0
    permissions_boundary: str = ""
    subnet_ids: str = ""
    web_acl_arn: str = ""
    site_ca_layer_arn: str = ""
    alarm_topic_arn: str = ""
    access_log: str = "off"
    keep_warm: str = "off"

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Parameters:
        """Take the values by the names of the template. Other parameters are ignored: the account does not matter."""
        return cls(
            site_url=values.get("ShotGridSiteUrl", ""),
            domain_name=values.get("DomainName", ""),
            certificate_arn=values.get("CertificateArn", ""),
            reserved_concurrency=int(values.get("ReservedConcurrency", "0")),
            authorizer_reserved_concurrency=int(values.get("AuthorizerReservedConcurrency", "0")),
            permissions_boundary=values.get("PermissionsBoundary", ""),
            subnet_ids=values.get("SubnetIds", ""),
            web_acl_arn=values.get("WebAclArn", ""),
            site_ca_layer_arn=values.get("SiteCaLayerArn", ""),
            alarm_topic_arn=values.get("AlarmTopicArn", ""),
            access_log=values.get("AccessLog", "off"),
            keep_warm=values.get("KeepWarm", "off"),
        )

    @property
    def concurrency(self) -> int:
        """What all functions of the stack reserve together."""
        return FUNCTIONS * self.reserved_concurrency + self.authorizer_reserved_concurrency


@dataclass(frozen=True)
class Stack:
    """A stack that exists.

    Attributes:
        is_gateway: whether it is a stack of this project.
        parameters: their current values. `sam deploy` keeps those that it does not override.
    """

    status: str
    is_gateway: bool
    parameters: Mapping[str, str]


@dataclass(frozen=True)
class Deployment:
    """The account, the region and the stack of a deployment.

    Attributes:
        caller: the ARN of the user or the session whose credentials the check has.
        client: returns the client of an AWS service in the region.
        stack: None if it does not exist.
        parameters: the values that the deployment would use.
    """

    account: str
    caller: str
    partition: str
    region: str
    client: Callable[[str], Any]
    stack_name: str
    stack: Stack | None
    parameters: Parameters


def overrides(arguments: Sequence[str]) -> dict[str, str]:
    """Parse what follows `--parameter-overrides`, as for `sam deploy`; raises `UsageError` without the values."""
    values: dict[str, str] = {}
    for number, argument in enumerate(arguments, 1):
        match = _OVERRIDE.fullmatch(argument)
        if match is None:
            raise UsageError("--parameter-overrides needs NAME=VALUE, as for sam deploy. Separate values with spaces.")
        name, value = match[1], match[2].strip('"')
        if name not in NAMES:
            # `sam deploy` ignores such a parameter without a message (samcli.commands.deploy, merge_parameters).
            # The name is not repeated: an unquoted space can make a part of a value look like NAME=VALUE.
            similar = get_close_matches(name, sorted(NAMES), n=1)
            raise UsageError(
                f"--parameter-overrides: the text before the first = in argument {number} is not the name of a "
                f"parameter. {f'Is it {similar[0]}?' if similar else 'docs/operations.md lists the names.'}"
            )
        if name in _FORMS and not re.fullmatch(_FORMS[name], value):
            raise UsageError(f"--parameter-overrides: {name} has a value that the template does not allow.")
        values[name] = value
    return values
