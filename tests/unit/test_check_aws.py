"""`shotgrid-login check --aws`: what would make a first deployment fail, and what to type."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from shotgrid_login_ops import cli
from shotgrid_login_ops.account import permissions
from shotgrid_login_ops.account.certificate import covers
from shotgrid_login_ops.account.deployment import FUNCTIONS, NAMES, Parameters
from tests.local.stack import ROOT
from tests.support.aws_commands import mistakes
from tests.support.docs import blocks, code_spans, section, tables
from tests.support.stubbed_aws import ACCOUNT, REGION, Error, Replies, StubbedAws
from tests.support.template import FUNCTIONS as FUNCTION_NAMES
from tests.support.template import resources, template

OPERATIONS = ROOT / "docs" / "operations.md"
NAME = "shotgrid-login"
SITE = "ShotGridSiteUrl=https://studio.shotgrid.autodesk.com"
DOMAIN = "login.studio.com"
CERTIFICATE = f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/12345678-1234-1234-1234-123456789012"
WITH_DOMAIN = (f"DomainName={DOMAIN}", f"CertificateArn={CERTIFICATE}")
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/teams/Deployer"
GATEWAY_OUTPUTS = [
    {"OutputKey": name, "OutputValue": "x"} for name in ("StateTable", "BearersTable", "AuthorizerInvokeRoleArn")
]


def allow_all(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    return simulated(parameters, {})


def simulated(parameters: Mapping[str, Any], others: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the result of a simulation. `others` are the results of actions that are not simply allowed."""
    return {
        "EvaluationResults": [
            {"EvalActionName": action, "EvalDecision": "allowed", **others.get(action, {})}
            for action in parameters["ActionNames"]
        ]
    }


def concurrency(quota: int, unreserved: int) -> Mapping[str, Any]:
    return {"AccountLimit": {"ConcurrentExecutions": quota, "UnreservedConcurrentExecutions": unreserved}}


def stack(status: str, outputs: list[dict[str, str]], **parameters: str) -> Mapping[str, Any]:
    return {
        "StackName": "x",
        "CreationTime": 0,
        "StackStatus": status,
        "Outputs": outputs,
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
    }


def stacks(**found: Mapping[str, Any]) -> Any:
    """Reply with the named stacks. `_` in a name stands for a dash."""
    by_name = {name.replace("_", "-"): one for name, one in found.items()}

    def reply(parameters: Mapping[str, Any]) -> Mapping[str, Any] | Error:
        name = parameters["StackName"]
        return {"Stacks": [by_name[name]]} if name in by_name else Error("ValidationError")

    return reply


def certificate(**fields: Any) -> Mapping[str, Any]:
    return {"Certificate": {"DomainName": DOMAIN, "Status": "ISSUED", **fields}}


# An account without a gateway, in which the deployment would succeed.
NEW: Replies = {
    "sts.GetCallerIdentity": {
        "Account": ACCOUNT,
        "UserId": "x",
        "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/Deployer/ada",
    },
    "cloudformation.DescribeStacks": stacks(),
    "lambda.GetAccountSettings": concurrency(1000, 1000),
    "lambda.ListLayers": {"Layers": []},
    "dynamodb.ListTables": {"TableNames": []},
    "kms.ListKeys": {"Keys": []},
    "apigateway.GetRestApis": {"items": []},
    "logs.DescribeLogGroups": {"logGroups": []},
    "cloudwatch.DescribeAlarms": {"MetricAlarms": []},
    "apigateway.GetDomainName": Error("NotFoundException"),
    "acm.DescribeCertificate": certificate(),
    "acm.ListCertificates": {"CertificateSummaryList": []},
    "iam.GetRole": {
        "Role": {"Path": "/teams/", "RoleName": "Deployer", "RoleId": "A" * 16, "Arn": ROLE, "CreateDate": 0}
    },
    "iam.SimulatePrincipalPolicy": allow_all,
    "sns.GetTopicAttributes": {"Attributes": {}},
    "ec2.DescribeSubnets": {"Subnets": []},
}


@dataclass(frozen=True)
class Checked:
    code: int
    out: str
    err: str
    aws: StubbedAws

    @property
    def lines(self) -> dict[str, dict[str, Any]]:
        return {line["name"]: line for line in json.loads(self.out)["findings"]}

    @property
    def simulated(self) -> set[str]:
        """The actions that IAM has simulated."""
        return {name for call in self.aws.parameters("iam.SimulatePrincipalPolicy") for name in call["ActionNames"]}

    def problem(self, name: str) -> dict[str, Any]:
        """Return a line that is the only problem, with sentences and a next step."""
        broken = [line["name"] for line in self.lines.values() if line["status"] == "PROBLEM"]
        assert (self.code, broken) == (1, [name])
        line = self.lines[name]
        assert line["meaning"].endswith(".")
        assert line["next_step"].endswith(".")
        assert [mistake for command in line["commands"] for mistake in mistakes(command)] == []
        return line


def check(changes: Replies, *parameters: str, site: str = SITE, options: tuple[str, ...] = ("--json",)) -> Checked:
    """Run the command in an account that differs from `NEW` by some replies."""
    aws = StubbedAws({**NEW, **changes})
    out, err = io.StringIO(), io.StringIO()
    parameters = (*parameters, site) if site else parameters
    overrides = ("--parameter-overrides", *parameters) if parameters and "--parameter-overrides" not in options else ()
    with aws.running(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main(["check", "--aws", *options, *overrides])
        except SystemExit as exit_:  # from `argparse`
            code = int(exit_.code or 0)
    return Checked(code, out.getvalue(), err.getvalue(), aws)


# ---- an account in which the deployment would succeed ------------------------------------------------------


def test_new_account_has_no_problem_with_the_defaults() -> None:
    checked = check({})
    assert (checked.code, checked.err) == (0, "")
    assert {name: line["status"] for name, line in checked.lines.items()} == dict.fromkeys(
        [
            *("aws.account", "aws.stack", "aws.bucket", "aws.site-url", "aws.region", "aws.concurrency"),
            *("aws.permissions", "aws.domain", "aws.certificate", "aws.web-acl", "aws.site-ca-layer"),
            *("aws.subnets", "aws.alarm-topic", "aws.access-log"),
        ],
        "OK",
    )
    document = json.loads(checked.out)
    assert (document["account"], document["region"], document["stack"]) == (ACCOUNT, REGION, "shotgrid-login")


def test_check_only_reads() -> None:
    checked = check({}, *WITH_DOMAIN, f"AlarmTopicArn={TOPIC}")
    assert checked.code == 0
    verbs = {re.sub(r"^[a-z0-9-]+\.([A-Z][a-z]+).*", r"\1", operation) for operation, _ in checked.aws.calls}
    assert verbs == {"Get", "List", "Describe", "Simulate"}


def test_table_shows_commands_in_one_line_each() -> None:
    changes = {"lambda.GetAccountSettings": concurrency(10, 10)}
    checked = check(changes, "ReservedConcurrency=25", options=())
    assert checked.code == 1
    command = "aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384"
    assert any(line.strip().startswith(f"{command} --desired-value 1000") for line in checked.out.splitlines())
    assert checked.out.startswith(f"AWS account {ACCOUNT}, region {REGION}, stack shotgrid-login\n")


def test_defaults_of_the_check_are_those_of_the_template() -> None:
    defaults = {name: str(row["Default"]) for name, row in template()["Parameters"].items() if "Default" in row}
    assert Parameters.of(defaults) == Parameters()
    assert template()["Parameters"].keys() == NAMES


def test_concurrency_of_the_check_is_that_of_the_template() -> None:
    functions = {name.removesuffix("Function") for name in resources("AWS::Lambda::Function")}
    assert functions == {*FUNCTION_NAMES}
    assert len(functions - {"Authorizer"}) == FUNCTIONS
    assert Parameters(reserved_concurrency=2, authorizer_reserved_concurrency=5).concurrency == 2 * FUNCTIONS + 5


# ---- the site ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [NAME, "login-trial"])
def test_first_deployment_needs_the_url_of_the_site(name: str) -> None:
    line = check({}, site="", options=("--json", "--stack", name)).problem("aws.site-url")
    assert "ShotGridSiteUrl" in line["meaning"]
    (command,) = line["commands"]
    assert command.startswith(f"sam deploy --stack-name {name} --s3-prefix {name} --parameter-overrides {SITE} ")


def test_deployed_stack_keeps_the_url_of_the_site() -> None:
    deployed = stack("CREATE_COMPLETE", GATEWAY_OUTPUTS, ShotGridSiteUrl=SITE.partition("=")[2])
    assert check({"cloudformation.DescribeStacks": stacks(shotgrid_login=deployed)}, site="").code == 0


# ---- the quota ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("quota", "reserved", "desired"), [(10, 1, "1000"), (109, 1, "1000"), (1000, 91, "1010"), (3000, 300, "3100")]
)
def test_reservation_that_leaves_too_little_unreserved_names_the_quota_to_request(
    quota: int, reserved: int, desired: str
) -> None:
    changes = {"lambda.GetAccountSettings": concurrency(quota, quota)}
    line = check(changes, f"ReservedConcurrency={reserved}").problem("aws.concurrency")
    assert f"--desired-value {desired} --region {REGION}" in line["commands"][0]
    assert "ReservedConcurrency=0" in line["next_step"]


def test_reservation_that_leaves_100_unreserved_is_no_problem() -> None:
    changes = {"lambda.GetAccountSettings": concurrency(355, 355)}
    checked = check(changes, "ReservedConcurrency=25", "AuthorizerReservedConcurrency=5")
    assert checked.code == 0
    assert checked.lines["aws.concurrency"]["value"] == "355 of 355 unreserved"


def test_account_with_a_small_quota_can_deploy_without_reservations() -> None:
    checked = check({"lambda.GetAccountSettings": concurrency(10, 10)})
    assert checked.code == 0
    line = checked.lines["aws.concurrency"]
    assert line["status"] == "OK"
    assert "10 requests at once, and further ones get 500" in line["meaning"]
    assert "2 users who open it together can be too many" in line["meaning"]
    assert line["next_step"].startswith("Request the usual quota before users come.")
    assert "--desired-value 1000" in line["commands"][0]


def test_reservation_of_the_existing_stack_counts_once() -> None:
    deployed = stack("UPDATE_COMPLETE", GATEWAY_OUTPUTS, ReservedConcurrency="25")
    changes: Replies = {
        "cloudformation.DescribeStacks": stacks(shotgrid_login=deployed),
        "lambda.GetAccountSettings": concurrency(375, 125),
    }
    assert check(changes).code == 0  # 250 are reserved already, and stay so
    assert check(changes, "ReservedConcurrency=27").code == 0  # 20 more leave 105
    check(changes, "ReservedConcurrency=28").problem("aws.concurrency")  # 30 more leave 95


# ---- the stack ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"])
def test_stack_of_a_failed_deployment_shows_how_to_delete_it(status: str) -> None:
    changes: Replies = {"cloudformation.DescribeStacks": stacks(shotgrid_login=stack(status, []))}
    line = check(changes).problem("aws.stack")
    assert line["value"] == status
    assert f"aws cloudformation delete-stack --stack-name shotgrid-login --region {REGION}" in line["commands"]


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        ("UPDATE_IN_PROGRESS", "Wait"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "Wait"),
        ("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"),
        ("UPDATE_FAILED", "rollback-stack"),
    ],
)
def test_stack_that_cannot_be_updated_shows_what_to_do(status: str, advice: str) -> None:
    changes: Replies = {"cloudformation.DescribeStacks": stacks(shotgrid_login=stack(status, GATEWAY_OUTPUTS))}
    line = check(changes).problem("aws.stack")
    assert advice in " ".join([line["next_step"], *line["commands"]])
    assert not any("delete-stack" in command for command in line["commands"])


def test_stack_of_another_template_is_a_problem() -> None:
    other = stack("CREATE_COMPLETE", [{"OutputKey": "Url", "OutputValue": "x"}])
    line = check({"cloudformation.DescribeStacks": stacks(shotgrid_login=other)}).problem("aws.stack")
    assert "--stack-name NAME --s3-prefix NAME" in line["next_step"]


@pytest.mark.parametrize("status", ["CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"])
def test_deployed_gateway_can_be_updated(status: str) -> None:
    deployed = stack(status, GATEWAY_OUTPUTS, DomainName=DOMAIN, CertificateArn=CERTIFICATE)
    checked = check({"cloudformation.DescribeStacks": stacks(shotgrid_login=deployed)})
    assert checked.code == 0
    assert checked.lines["aws.stack"]["value"] == status
    # `sam deploy` keeps the stack's current parameters.
    assert checked.lines["aws.certificate"]["value"] == "issued"
    assert checked.lines["aws.domain"]["meaning"] == "The stack has this custom domain already."


def test_change_set_that_was_not_executed_does_not_take_the_name() -> None:
    changes: Replies = {"cloudformation.DescribeStacks": stacks(shotgrid_login=stack("REVIEW_IN_PROGRESS", []))}
    assert check(changes).lines["aws.stack"]["value"] == "free"


def test_broken_stack_of_the_bucket_for_code_is_a_problem() -> None:
    broken = stacks(aws_sam_cli_managed_default=stack("ROLLBACK_COMPLETE", []))
    line = check({"cloudformation.DescribeStacks": broken}).problem("aws.bucket")
    assert "delete-stack --stack-name aws-sam-cli-managed-default" in " ".join(line["commands"])


# ---- the region --------------------------------------------------------------------------------------------


def test_region_without_the_runtime_is_a_problem() -> None:
    checked = check({"lambda.ListLayers": Error("InvalidParameterValueException")})
    assert "python3.13 on arm64" in checked.problem("aws.region")["meaning"]
    (parameters,) = checked.aws.parameters("lambda.ListLayers")
    assert (parameters["CompatibleRuntime"], parameters["CompatibleArchitecture"]) == ("python3.13", "arm64")


def test_runtime_of_the_check_is_that_of_the_template() -> None:
    for function in resources("AWS::Lambda::Function").values():
        assert (function["Runtime"], function["Architectures"]) == ("python3.13", ["arm64"])


def test_region_without_a_service_is_a_problem() -> None:
    error = EndpointConnectionError(endpoint_url="https://kms.eu-west-1.amazonaws.com")
    assert "kms" in check({"kms.ListKeys": error}).problem("aws.region")["meaning"]


def test_region_that_the_credentials_cannot_check_is_unknown() -> None:
    checked = check({"lambda.ListLayers": Error("AccessDeniedException")})
    assert (checked.code, checked.lines["aws.region"]["status"]) == (0, "UNKNOWN")


# ---- permissions -------------------------------------------------------------------------------------------


def test_denied_actions_are_a_problem_that_names_them() -> None:
    def reply(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        return simulated(
            parameters,
            {"kms:CreateKey": {"EvalDecision": "explicitDeny"}, "iam:CreateRole": {"EvalDecision": "implicitDeny"}},
        )

    line = check({"iam.SimulatePrincipalPolicy": reply}).problem("aws.permissions")
    assert line["value"] == "2 denied"
    assert "iam:CreateRole, kms:CreateKey." in line["meaning"]


def test_condition_that_iam_cannot_simulate_is_unknown() -> None:
    def reply(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        missing = {"EvalDecision": "implicitDeny", "MissingContextValues": ["aws:SourceIp"]}
        return simulated(parameters, {"kms:CreateKey": missing})

    checked = check({"iam.SimulatePrincipalPolicy": reply})
    assert (checked.code, checked.lines["aws.permissions"]["status"]) == (0, "UNKNOWN")
    assert "kms:CreateKey." in checked.lines["aws.permissions"]["meaning"]


def test_resource_that_iam_does_not_simulate_is_unknown() -> None:
    def reply(parameters: Mapping[str, Any]) -> Mapping[str, Any] | Error:
        is_transform = parameters["ResourceArns"][0].endswith(":aws:transform/Serverless-2016-10-31")
        return Error("InvalidInput") if is_transform else simulated(parameters, {})

    line = check({"iam.SimulatePrincipalPolicy": reply}).lines["aws.permissions"]
    assert (line["status"], line["value"]) == ("UNKNOWN", "1 not simulated")
    assert "cloudformation:CreateChangeSet." in line["meaning"]


def test_simulation_is_for_the_role_of_a_session_and_for_resources_with_the_stacks_name() -> None:
    checked = check({}, "PermissionsBoundary=arn:aws:iam::123456789012:policy/boundary")
    calls = checked.aws.parameters("iam.SimulatePrincipalPolicy")
    assert {call["PolicySourceArn"] for call in calls} == {ROLE}
    by_resource = {call["ResourceArns"][0]: call["ActionNames"] for call in calls}
    assert len(by_resource) == len(calls)
    assert "iam:PassRole" in by_resource[f"arn:aws:iam::{ACCOUNT}:role/{NAME}-PasswordRole-1"]
    assert (
        "dynamodb:CreateTable" in by_resource[f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/shotgrid-login-StateTable-1"]
    )
    context = {entry["ContextKeyName"]: entry["ContextKeyValues"][0] for entry in calls[0]["ContextEntries"]}
    assert context == {
        "aws:RequestedRegion": REGION,
        "iam:PassedToService": "lambda.amazonaws.com",
        "iam:PermissionsBoundary": "arn:aws:iam::123456789012:policy/boundary",
    }


@pytest.mark.parametrize(
    ("parameters", "action"),
    [
        (("ReservedConcurrency=1",), "lambda:PutFunctionConcurrency"),
        (("AuthorizerReservedConcurrency=1",), "lambda:PutFunctionConcurrency"),
        (("KeepWarm=on",), "events:PutRule"),
        (WITH_DOMAIN, "iam:CreateServiceLinkedRole"),
        ((f"AlarmTopicArn={TOPIC}",), "cloudwatch:PutMetricAlarm"),
        (("SubnetIds=subnet-12345678",), "ec2:DescribeSubnets"),
        (("SubnetIds=subnet-12345678",), "ec2:DescribeNetworkInterfaces"),
        ((f"WebAclArn=arn:aws:wafv2:{REGION}:{ACCOUNT}:regional/webacl/a/1",), "wafv2:AssociateWebACL"),
    ],
)
def test_permission_is_needed_only_with_its_parameter(parameters: tuple[str, ...], action: str) -> None:
    assert action not in check({}).simulated
    assert action in check({}, *parameters).simulated


def test_permission_to_set_the_policy_of_the_api_is_always_needed() -> None:
    (api,) = resources("AWS::ApiGateway::RestApi").values()
    assert "Policy" in api
    assert "apigateway:UpdateRestApiPolicy" in check({}).simulated


BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/boundary"


@pytest.mark.parametrize(
    ("before", "after", "actions"),
    [
        (None, BOUNDARY, set()),
        (BOUNDARY, BOUNDARY, set()),
        ("", "", set()),
        ("", BOUNDARY, {"iam:PutRolePermissionsBoundary"}),
        (BOUNDARY, BOUNDARY.replace("boundary", "other"), {"iam:PutRolePermissionsBoundary"}),
        (BOUNDARY, "", {"iam:DeleteRolePermissionsBoundary"}),
    ],
)
def test_permission_for_boundaries_is_needed_only_if_the_boundary_of_a_stack_changes(
    before: str | None, after: str, actions: set[str]
) -> None:
    deployed = stack("CREATE_COMPLETE", GATEWAY_OUTPUTS, PermissionsBoundary=before or "")
    exists = stacks() if before is None else stacks(shotgrid_login=deployed)
    checked = check({"cloudformation.DescribeStacks": exists}, f"PermissionsBoundary={after}")
    assert {action for action in checked.simulated if action.endswith("RolePermissionsBoundary")} == actions


def test_layers_in_the_check_have_the_names_of_the_template() -> None:
    names = {layer["LayerName"]["Fn::Sub"] for layer in resources("AWS::Lambda::LayerVersion").values()}
    assert names == {"${AWS::StackName}-login", "${AWS::StackName}-packages"}  # those of another stack differ
    assert all(len(name.replace("${AWS::StackName}", "x" * 128)) <= 140 for name in names)
    actions = permissions.RESOURCE_TYPES["AWS::Lambda::LayerVersion"]
    assert {arn.split(":layer:")[1].removesuffix(":1").replace("{s}", "${AWS::StackName}") for arn in actions} <= names


def test_permission_to_create_the_bucket_for_code_is_needed_once() -> None:
    assert "s3:CreateBucket" in check({}).simulated
    exists = stacks(aws_sam_cli_managed_default=stack("CREATE_COMPLETE", []))
    checked = check({"cloudformation.DescribeStacks": exists})
    assert "s3:CreateBucket" not in checked.simulated
    assert "s3:PutObject" in checked.simulated


@pytest.mark.parametrize(
    ("caller", "source"), [("user/teams/ada", f"arn:aws:iam::{ACCOUNT}:user/teams/ada"), ("root", None)]
)
def test_user_is_simulated_and_the_root_user_is_not(caller: str, source: str | None) -> None:
    identity = {"Account": ACCOUNT, "UserId": "x", "Arn": f"arn:aws:iam::{ACCOUNT}:{caller}"}
    checked = check({"sts.GetCallerIdentity": identity})
    calls = checked.aws.parameters("iam.SimulatePrincipalPolicy")
    assert {call["PolicySourceArn"] for call in calls} == ({source} if source else set())
    assert checked.lines["aws.permissions"]["status"] == "OK"


def test_credentials_that_cannot_simulate_show_which_services_they_can_read() -> None:
    changes = {"iam.GetRole": Error("AccessDenied"), "kms.ListKeys": Error("AccessDeniedException")}
    checked = check(changes)
    line = checked.lines["aws.permissions"]
    assert (checked.code, line["status"], line["value"]) == (0, "UNKNOWN", "not simulated")
    assert "cannot even read names of kms." in line["meaning"]


def test_check_knows_the_permissions_for_every_type_of_resource() -> None:
    in_template = {resource["Type"] for resource in template()["Resources"].values()}
    assert in_template <= permissions.RESOURCE_TYPES.keys()


def test_denied_call_is_one_unknown_line_and_the_others_stay() -> None:
    checked = check({"lambda.GetAccountSettings": Error("AccessDeniedException")})
    line = checked.lines["aws.concurrency"]
    assert (checked.code, line["status"], line["value"]) == (0, "UNKNOWN", None)
    assert "do not permit GetAccountSettings" in line["meaning"]
    assert checked.lines["aws.permissions"]["status"] == "OK"


# ---- the custom domain -------------------------------------------------------------------------------------


def test_issued_certificate_of_the_domain_is_no_problem() -> None:
    checked = check({}, *WITH_DOMAIN)
    assert checked.code == 0
    assert [checked.lines[name]["value"] for name in ("aws.domain", "aws.certificate")] == ["free", "issued"]


@pytest.mark.parametrize(
    ("names", "domain", "is_covered"),
    [
        ([DOMAIN], DOMAIN, True),
        (["*.studio.com"], DOMAIN, True),
        (["STUDIO.COM", "*.Studio.com"], DOMAIN, True),
        (["studio.com"], DOMAIN, False),
        (["*.studio.com"], "studio.com", False),
        (["*.studio.com"], "a.login.studio.com", False),
        (["*.com"], "studio.com", True),
    ],
)
def test_star_of_a_certificate_is_one_label(names: list[str], domain: str, *, is_covered: bool) -> None:
    assert covers(names, domain) is is_covered


@pytest.mark.parametrize("status", ["EXPIRED", "REVOKED", "FAILED", "VALIDATION_TIMED_OUT", "INACTIVE"])
def test_certificate_that_is_not_valid_is_a_problem(status: str) -> None:
    line = check({"acm.DescribeCertificate": certificate(Status=status)}, *WITH_DOMAIN).problem("aws.certificate")
    assert line["value"] == status
    assert line["commands"] == [
        f"aws acm request-certificate --domain-name {DOMAIN} --validation-method DNS --region {REGION}"
    ]


def test_certificate_that_waits_for_dns_shows_the_record_to_create() -> None:
    value = "_b" * 40 + ".acm-validations.aws."
    record = {"Name": f"_a.{DOMAIN}.", "Type": "CNAME", "Value": value}
    option = {"DomainName": DOMAIN, "ValidationStatus": "PENDING_VALIDATION", "ResourceRecord": record}
    pending = certificate(Status="PENDING_VALIDATION", DomainValidationOptions=[option])
    line = check({"acm.DescribeCertificate": pending}, *WITH_DOMAIN).problem("aws.certificate")
    assert line["commands"] == [
        f"_a.{DOMAIN}. CNAME {value}",
        f"aws acm wait certificate-validated --certificate-arn {CERTIFICATE} --region {REGION}",
    ]


def test_certificate_of_another_domain_is_a_problem() -> None:
    other = certificate(DomainName="studio.com", SubjectAlternativeNames=["www.studio.com"])
    check({"acm.DescribeCertificate": other}, *WITH_DOMAIN).problem("aws.certificate")


@pytest.mark.parametrize(("found", "replaced"), [(REGION, "us-east-1"), (ACCOUNT, "210987654321")])
def test_certificate_of_another_region_or_account_is_a_problem(found: str, replaced: str) -> None:
    checked = check({}, f"DomainName={DOMAIN}", f"CertificateArn={CERTIFICATE.replace(found, replaced)}")
    assert f"region {REGION}" in checked.problem("aws.certificate")["meaning"]


def test_certificate_that_does_not_exist_is_a_problem() -> None:
    missing: Replies = {"acm.DescribeCertificate": Error("ResourceNotFoundException")}
    check(missing, *WITH_DOMAIN).problem("aws.certificate")


def test_domain_without_a_certificate_shows_those_of_the_account() -> None:
    summaries = [
        {"CertificateArn": CERTIFICATE, "DomainName": "studio.com", "SubjectAlternativeNameSummaries": [DOMAIN]},
        {"CertificateArn": f"{CERTIFICATE}-2", "DomainName": "other.com"},
    ]
    listed: Replies = {"acm.ListCertificates": {"CertificateSummaryList": summaries}}
    checked = check(listed, f"DomainName={DOMAIN}")
    assert checked.problem("aws.certificate")["commands"] == [f"CertificateArn={CERTIFICATE}"]
    (parameters,) = checked.aws.parameters("acm.ListCertificates")
    assert "EC_prime256v1" in parameters["Includes"]["keyTypes"]  # ACM lists these only on request

    line = check({"acm.ListCertificates": {"CertificateSummaryList": []}}, f"DomainName={DOMAIN}").problem(
        "aws.certificate"
    )
    assert "request-certificate" in line["commands"][0]


def test_certificate_without_a_domain_is_a_problem() -> None:
    check({}, f"CertificateArn={CERTIFICATE}").problem("aws.certificate")


def test_domain_that_exists_already_is_a_problem() -> None:
    exists: Replies = {"apigateway.GetDomainName": {"domainName": DOMAIN}}
    assert check(exists, *WITH_DOMAIN).problem("aws.domain")["value"] == "exists"


# ---- the web ACL, the layer of the site's CA, and the subnets ----------------------------------------------


@pytest.mark.parametrize(
    ("name", "parameter", "arn"),
    [
        ("aws.web-acl", "WebAclArn", "arn:aws:wafv2:{}:123456789012:regional/webacl/a/1"),
        ("aws.site-ca-layer", "SiteCaLayerArn", "arn:aws:lambda:{}:123456789012:layer:site-ca:1"),
    ],
)
def test_arn_of_another_region_is_a_problem(name: str, parameter: str, arn: str) -> None:
    assert check({}, f"{parameter}={arn.format(REGION)}").lines[name]["value"] == "in the region"
    assert check({}, f"{parameter}={arn.format('us-east-1')}").problem(name)["value"] == "another region"


def test_subnets_that_do_not_exist_in_the_region_are_a_problem() -> None:
    subnets = "SubnetIds=subnet-12345678,subnet-87654321"
    checked = check({}, subnets)
    assert checked.lines["aws.subnets"]["value"] == "in the region"
    assert checked.aws.parameters("ec2.DescribeSubnets") == [{"SubnetIds": ["subnet-12345678", "subnet-87654321"]}]
    missing: Replies = {"ec2.DescribeSubnets": Error("InvalidSubnetID.NotFound")}
    assert check(missing, subnets).problem("aws.subnets")["value"] == "not found"


# ---- the topic of the alarms -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value"), [("", "exists"), (f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1", "exists, own key")]
)
def test_topic_that_cloudwatch_can_use_is_no_problem(key: str, value: str) -> None:
    checked = check({"sns.GetTopicAttributes": {"Attributes": {"KmsMasterKeyId": key}}}, f"AlarmTopicArn={TOPIC}")
    assert (checked.code, checked.lines["aws.alarm-topic"]["value"]) == (0, value)


def test_topic_that_is_encrypted_with_the_key_of_sns_is_a_problem() -> None:
    encrypted: Replies = {"sns.GetTopicAttributes": {"Attributes": {"KmsMasterKeyId": "alias/aws/sns"}}}
    check(encrypted, f"AlarmTopicArn={TOPIC}").problem("aws.alarm-topic")


def test_topic_that_does_not_exist_or_is_in_another_region_is_a_problem() -> None:
    missing: Replies = {"sns.GetTopicAttributes": Error("NotFound")}
    assert check(missing, f"AlarmTopicArn={TOPIC}").problem("aws.alarm-topic")["value"] == "not found"
    elsewhere = TOPIC.replace(REGION, "us-east-1")
    assert check({}, f"AlarmTopicArn={elsewhere}").problem("aws.alarm-topic")["value"] == "another region"


# ---- the access log ----------------------------------------------------------------------------------------


def test_access_log_needs_the_role_of_api_gateway() -> None:
    with_role: Replies = {"apigateway.GetAccount": {"cloudwatchRoleArn": f"arn:aws:iam::{ACCOUNT}:role/logs"}}
    assert check(with_role, "AccessLog=on").lines["aws.access-log"]["value"] == "on"
    line = check({"apigateway.GetAccount": {}}, "AccessLog=on").problem("aws.access-log")
    assert line["commands"][0].startswith(f"aws apigateway update-account --region {REGION} --patch-operations ")


# ---- documents ---------------------------------------------------------------------------------------------


def test_documents_list_every_option_and_line() -> None:
    options, lines = tables(section(OPERATIONS, "Check the account"))
    with contextlib.redirect_stdout(io.StringIO()) as out, pytest.raises(SystemExit):
        cli.main(["check", "--aws", "--help"])
    shown = {*re.findall(r"--[a-z-]+", out.getvalue())} - {"--help", "--aws"}
    assert {code_spans(row[0])[0].split()[0] for row in options} == shown
    assert [code_spans(row[0])[0] for row in lines] == [*check({}).lines]


def test_documented_permissions_are_those_of_the_calls() -> None:
    every = (*WITH_DOMAIN, f"AlarmTopicArn={TOPIC}", "SubnetIds=subnet-12345678")
    checked = [check({}, *every), check({}, f"DomainName={DOMAIN}")]
    calls = {operation for one in checked for operation, _ in one.aws.calls}
    actions = {re.sub(r"^apigateway\.Get.*", "apigateway.GET", call).replace(".", ":") for call in calls}
    (documented,) = (block.text for block in blocks("json") if "iam:SimulatePrincipalPolicy" in block.text)
    (statement,) = json.loads(documented)["Statement"]
    # Every user can call sts:GetCallerIdentity.
    assert {*statement["Action"]} == actions - {"sts:GetCallerIdentity"}


# ---- options -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--parameter-overrides",), "--parameter-overrides: expected at least one argument"),
        (("--parameter-overrides", "hunter2"), "needs NAME=VALUE"),
        (("--parameter-overrides", "AppName=x", "Hunter2=hunter2"), "in argument 2 is not the name of a parameter"),
        (
            ("--parameter-overrides", "ParameterKey=DomainName,ParameterValue=x"),
            "in argument 1 is not the name of a parameter",
        ),
        (("--parameter-overrides", "ReservedConcurency=hunter2"), "Is it ReservedConcurrency?"),
        (("--parameter-overrides", "ShotGridSiteUrl=hunter2"), "ShotGridSiteUrl has a value"),
        (("--parameter-overrides", "SiteCaLayerArn=hunter2"), "SiteCaLayerArn has a value"),
        (("--parameter-overrides", "DomainName=hunter2!"), "DomainName has a value that the template does not allow"),
        (("--parameter-overrides", "ReservedConcurrency=hunter2"), "ReservedConcurrency has a value"),
        (("--parameter-overrides", "CertificateArn=hunter2"), "CertificateArn has a value"),
        (("--stack", "hunter2!"), "--stack must be the name of a stack"),
        (("--stack", "a" * 129), "--stack must be the name of a stack"),
        (("--region", "hunter2"), "--region must be the name of a region"),
        (("https://hunter2.shotgrid.autodesk.com",), "unknown option or argument"),
    ],
)
def test_wrong_option_is_a_usage_error_that_does_not_repeat_it(options: tuple[str, ...], message: str) -> None:
    checked = check({}, options=options)
    assert (checked.code, checked.out) == (2, "")
    assert message in checked.err
    assert "hunter2" not in checked.err
    assert checked.aws.calls == []


def test_values_can_be_quoted_as_for_sam() -> None:
    assert check({}, f'DomainName="{DOMAIN}"', f"CertificateArn={CERTIFICATE}", 'AppName="Studio pages"').code == 0


def test_credentials_that_aws_rejects_are_one_line() -> None:
    checked = check({"sts.GetCallerIdentity": Error("ExpiredToken")})
    assert (checked.code, checked.out) == (1, "")
    assert "AWS does not accept these credentials" in checked.err


def test_check_without_aws_names_the_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["check", "--help"])
    assert "check --aws --help" in " ".join(capsys.readouterr().out.split())
