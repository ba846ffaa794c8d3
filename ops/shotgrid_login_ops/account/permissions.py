"""Whether the credentials may create, read and delete everything that the template contains.

IAM simulates this, without a call of the other services. The simulation knows the policies of the user or role, its
permissions boundary, and the service control policies of the organization. It does not know the session policies of
temporary credentials, or a service role of CloudFormation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from botocore.exceptions import ClientError

from shotgrid_login_ops.account import region, stack_state
from shotgrid_login_ops.account.deployment import Deployment
from shotgrid_login_ops.check.findings import Finding, ok, problem, unknown
from shotgrid_login_ops.stack.failures import is_denied

# The permissions for each type of resource in the template: what "create" and "delete" need in the registry of
# CloudFormation, without options that the template does not use. A resource's ARN is an example: CloudFormation gives
# most resources a name that begins with that of the stack. {s} is the name of the stack.
_FUNCTION = "arn:{p}:lambda:{r}:{a}:function:{s}-PasswordFunction-1"
_ROLE = "arn:{p}:iam::{a}:role/{s}-PasswordRole-1"
_REST = "arn:{p}:apigateway:{r}::/restapis"
_DOMAINS = "arn:{p}:apigateway:{r}::/domainnames"
RESOURCE_TYPES: Mapping[str, Mapping[str, str]] = {
    "AWS::KMS::Key": {
        "*": "kms:CreateKey",
        "arn:{p}:kms:{r}:{a}:key/12345678-1234-1234-1234-123456789012": "kms:DescribeKey kms:EnableKeyRotation "
        "kms:PutKeyPolicy kms:ScheduleKeyDeletion",
    },
    "AWS::DynamoDB::Table": {
        "arn:{p}:dynamodb:{r}:{a}:table/{s}-StateTable-1": "dynamodb:CreateTable dynamodb:DescribeTable "
        "dynamodb:DescribeTimeToLive dynamodb:UpdateTimeToLive dynamodb:DeleteTable",
    },
    "AWS::Lambda::LayerVersion": {
        "arn:{p}:lambda:{r}:{a}:layer:{s}-login": "lambda:PublishLayerVersion",
        "arn:{p}:lambda:{r}:{a}:layer:{s}-login:1": "lambda:GetLayerVersion lambda:DeleteLayerVersion",
    },
    "AWS::Lambda::Function": {
        _FUNCTION: "lambda:CreateFunction lambda:GetFunction "
        "lambda:UpdateFunctionCode lambda:UpdateFunctionConfiguration lambda:TagResource lambda:DeleteFunction",
        _ROLE: "iam:PassRole",
    },
    "AWS::WAFv2::WebACLAssociation": {
        "{web_acl}": "wafv2:AssociateWebACL wafv2:DisassociateWebACL wafv2:GetWebACL",
        f"{_REST}/abcdef1234/stages/v1": "apigateway:SetWebACL wafv2:GetWebACLForResource",
    },
    "AWS::Lambda::Permission": {
        _FUNCTION: "lambda:AddPermission lambda:RemovePermission",
    },
    "AWS::IAM::Role": {
        _ROLE: "iam:CreateRole iam:GetRole iam:PutRolePolicy iam:GetRolePolicy "
        "iam:TagRole iam:DeleteRolePolicy iam:DeleteRole",
    },
    "AWS::Logs::LogGroup": {
        "arn:{p}:logs:{r}:{a}:log-group:{s}-PasswordLogs-1": "logs:CreateLogGroup logs:PutRetentionPolicy "
        "logs:DeleteLogGroup",
        "*": "logs:DescribeLogGroups",
    },
    "AWS::ApiGateway::RestApi": {
        _REST: "apigateway:POST",
        f"{_REST}/abcdef1234": "apigateway:GET apigateway:PUT apigateway:PATCH apigateway:DELETE "
        "apigateway:UpdateRestApiPolicy",  # also without AllowedNetworks: the template then sets the policy ""
    },
    "AWS::ApiGateway::Deployment": {f"{_REST}/abcdef1234/deployments": "apigateway:POST"},
    "AWS::ApiGateway::Stage": {
        f"{_REST}/abcdef1234/stages": "apigateway:POST",
        f"{_REST}/abcdef1234/stages/v1": "apigateway:PATCH apigateway:DELETE",
    },
    "AWS::ApiGateway::DomainName": {
        _DOMAINS: "apigateway:POST",
        f"{_DOMAINS}/{{domain}}": "apigateway:GET apigateway:DELETE",
        # API Gateway creates a role of its own for the first regional domain of an account.
        "arn:{p}:iam::{a}:role/aws-service-role/ops.apigateway.amazonaws.com/AWSServiceRoleForAPIGateway": (
            "iam:CreateServiceLinkedRole"
        ),
    },
    "AWS::ApiGateway::BasePathMapping": {f"{_DOMAINS}/{{domain}}/basepathmappings": "apigateway:POST"},
    "AWS::CloudWatch::Alarm": {
        "arn:{p}:cloudwatch:{r}:{a}:alarm:{s}-Alarm-1": "cloudwatch:PutMetricAlarm cloudwatch:DeleteAlarms",
    },
    "AWS::CloudWatch::Dashboard": {
        "arn:{p}:cloudwatch::{a}:dashboard/{s}-{r}": "cloudwatch:PutDashboard cloudwatch:GetDashboard "
        "cloudwatch:DeleteDashboards",
    },
    "AWS::Events::Rule": {
        "arn:{p}:events:{r}:{a}:rule/{s}-KeepWarmRule-1": "events:PutRule events:DescribeRule events:PutTargets "
        "events:RemoveTargets events:DeleteRule",
    },
    "AWS::Logs::QueryDefinition": {
        "*": "logs:PutQueryDefinition logs:DescribeQueryDefinitions logs:DeleteQueryDefinition",
    },
}

# What `sam deploy` itself calls, besides CloudFormation in the name of the caller.
_SAM: Mapping[str, str] = {
    "arn:{p}:cloudformation:{r}:{a}:stack/{s}/1": "cloudformation:CreateChangeSet cloudformation:DescribeChangeSet "
    "cloudformation:ExecuteChangeSet cloudformation:DescribeStacks cloudformation:DescribeStackEvents "
    "cloudformation:GetTemplateSummary",
    "arn:{p}:cloudformation:{r}:aws:transform/Serverless-2016-10-31": "cloudformation:CreateChangeSet",
    "arn:{p}:s3:::aws-sam-cli-managed-default-samclisourcebucket-1/1": "s3:GetObject s3:PutObject",
}
# And before its first deployment in an account and region (samcli.lib.bootstrap.bootstrap).
_SAM_BUCKET: Mapping[str, str] = {
    "arn:{p}:cloudformation:{r}:{a}:stack/aws-sam-cli-managed-default/1": "cloudformation:CreateChangeSet "
    "cloudformation:DescribeChangeSet cloudformation:ExecuteChangeSet cloudformation:DescribeStacks",
    "arn:{p}:s3:::aws-sam-cli-managed-default-samclisourcebucket-1": "s3:CreateBucket s3:PutBucketPolicy "
    "s3:PutBucketPublicAccessBlock s3:PutBucketTagging s3:PutBucketVersioning s3:PutEncryptionConfiguration",
}


@dataclass(frozen=True)
class _Denied:
    action: str
    is_certain: bool


def check(deployment: Deployment) -> Finding:
    """Return whether IAM would allow the deployment."""
    try:
        source = _policy_source(deployment)
        if source is None:
            return ok("aws.permissions", "root user", "The root user may do everything. Prefer a role for deployments.")
        denied = sorted(set(_simulate(deployment, source)), key=lambda one: one.action)
    except ClientError as error:
        if is_denied(error):
            return _not_simulated(deployment)
        raise
    certain = [one.action for one in denied if one.is_certain]
    if certain:
        return problem(
            "aws.permissions",
            f"{len(certain)} denied",
            f"IAM would deny these actions for resources of the stack: {', '.join(certain)}.",
            "Let an administrator allow them for this user or role, or deploy with another one.",
        )
    if denied:
        return unknown(
            "aws.permissions",
            f"{len(denied)} not simulated",
            "IAM could not simulate whether the policies and their conditions allow these actions: "
            f"{', '.join(one.action for one in denied)}.",
            "Read the policies. Then deploy.",
        )
    return ok("aws.permissions", "allowed", "IAM would allow what sam deploy does, and also the deletion of the stack.")


def _wanted(deployment: Deployment) -> Iterator[Mapping[str, str]]:
    """Yield the permissions that a deployment needs: for each resource, the names of actions."""
    parameters = deployment.parameters
    optional = {
        "AWS::ApiGateway::DomainName": parameters.domain_name,
        "AWS::ApiGateway::BasePathMapping": parameters.domain_name,
        "AWS::WAFv2::WebACLAssociation": parameters.web_acl_arn,
        "AWS::CloudWatch::Alarm": parameters.alarm_topic_arn,
        "AWS::Events::Rule": parameters.keep_warm == "on",
    }
    yield _SAM
    if stack_state.read(deployment.client("cloudformation"), stack_state.SAM_STACK) is None:
        yield _SAM_BUCKET
    yield from (grants for resource_type, grants in RESOURCE_TYPES.items() if optional.get(resource_type, "always"))
    if parameters.concurrency:
        yield {_FUNCTION: "lambda:PutFunctionConcurrency lambda:DeleteFunctionConcurrency"}
    if parameters.subnet_ids:
        # The last one is for the deletion, which waits until Lambda has deleted its network interfaces.
        yield {"*": "ec2:DescribeSecurityGroups ec2:DescribeSubnets ec2:DescribeVpcs ec2:DescribeNetworkInterfaces"}
    if (stack := deployment.stack) is not None:
        # Managed accounts often deny both, so they are needed only for a change. A new role gets its boundary with
        # iam:CreateRole.
        boundary = parameters.permissions_boundary
        if boundary != stack.parameters.get("PermissionsBoundary", ""):
            yield {_ROLE: "iam:PutRolePermissionsBoundary" if boundary else "iam:DeleteRolePermissionsBoundary"}


def _simulate(deployment: Deployment, source: str) -> Iterable[_Denied]:
    iam = deployment.client("iam")
    actions: dict[str, set[str]] = {}
    for grants in _wanted(deployment):
        for resource, words in grants.items():
            arn = resource.format(
                p=deployment.partition,
                r=deployment.region,
                a=deployment.account,
                s=deployment.stack_name,
                domain=deployment.parameters.domain_name,
                web_acl=deployment.parameters.web_acl_arn,
            )
            actions.setdefault(arn, set()).update(words.split())
    context = {"aws:RequestedRegion": deployment.region, "iam:PassedToService": "lambda.amazonaws.com"}
    if deployment.parameters.permissions_boundary:
        # Managed accounts often allow new roles only with this policy.
        context["iam:PermissionsBoundary"] = deployment.parameters.permissions_boundary
    entries = [
        {"ContextKeyName": key, "ContextKeyType": "string", "ContextKeyValues": [value]}
        for key, value in context.items()
    ]
    for arn, names in actions.items():
        try:
            response = iam.simulate_principal_policy(
                PolicySourceArn=source,
                ActionNames=sorted(names),
                ResourceArns=[arn],
                ContextEntries=entries,
                MaxItems=1000,
            )
        except ClientError as error:
            # AWS does not document which ARNs of resources without an account the simulation accepts.
            if error.response.get("Error", {}).get("Code") != "InvalidInput":
                raise
            yield from (_Denied(name, is_certain=False) for name in names)
            continue
        for result in response["EvaluationResults"]:
            if result["EvalDecision"] != "allowed":
                yield _Denied(result["EvalActionName"], is_certain=not result.get("MissingContextValues"))


def _policy_source(deployment: Deployment) -> str | None:
    """Return the ARN of the user or role whose policies count; None for the root user. Raises `ClientError`."""
    if deployment.caller.endswith(":root"):
        return None
    role = re.fullmatch(r"arn:[a-z-]+:sts::[0-9]{12}:assumed-role/([^/]+)/.+", deployment.caller)
    if role is None:
        return deployment.caller
    # The ARN of a session does not have the path of its role.
    arn: str = deployment.client("iam").get_role(RoleName=role[1])["Role"]["Arn"]
    return arn


def _not_simulated(deployment: Deployment) -> Finding:
    denied = region.denied_reads(deployment)
    reads = f"They cannot even read names of {', '.join(denied)}." if denied else "They can read names of all services."
    return unknown(
        "aws.permissions",
        "not simulated",
        f"These credentials cannot call iam:SimulatePrincipalPolicy and iam:GetRole. {reads}",
        "Let an administrator allow both for the check, or deploy: what a failed deployment has created is deleted.",
    )
