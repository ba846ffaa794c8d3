"""The commands of `shotgrid-login` that call AWS: options, hashes, permissions, and errors of AWS."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import re
import secrets
from typing import Any

import pytest
from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

from shotgrid_login.hashes import Hashes
from shotgrid_login.table import Row, Table
from shotgrid_login_ops import cli
from shotgrid_login_ops.stack.failures import explain
from tests.local.stack import REGION, ROOT, LocalAws
from tests.support.docs import blocks, code_spans, section, tables
from tests.support.ops import Operator, Ran, create_stack

OPERATIONS = ROOT / "docs" / "operations.md"
STACK = "ops-command"
SITE = "ShotGridSiteUrl=https://studio.shotgrid.autodesk.com"
LIST, END = ("sessions", "list"), ("sessions", "end", "--all", "--yes")
USER_HASH, NETWORK_HASH = ("user-hash", "a_login"), ("network-hash", "203.0.113.7")

# A row with what the command reads of a session.
SESSION: Row = {
    "id": "session#x",
    "user_type": "HumanUser",
    "user_id": 24,
    "login": "a_login",
    "bearers": "b",
    "lease": "",
    "generation": "g",
    "lease_until": 0,
    "previous_until": 0,
    "signed_in_at": 1,
    "fresh_until": 1,
    **dict.fromkeys(("expires_at", "idle_expires_at", "access_expires_at"), 4_000_000_000),
}


@pytest.fixture(scope="module")
def outputs(aws: LocalAws) -> dict[str, str]:
    """Create a stack, and return its outputs."""
    names = {"StateTable": f"{STACK}-state", "BearersTable": f"{STACK}-bearers"}
    for name in names.values():
        aws.client("dynamodb").create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        )
    key = aws.client("kms").create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["KeyMetadata"]["Arn"]
    created = {**names, "HashKeyArn": key}
    create_stack(aws, STACK, created)
    return created


@pytest.fixture
def rows(aws: LocalAws, outputs: dict[str, str]) -> tuple[Table, Table]:
    """Return the two tables, with one session and its bearer."""
    state, bearers = (Table(aws.client("dynamodb"), outputs[name]) for name in ("StateTable", "BearersTable"))
    state.put(SESSION)
    bearers.put({"id": "b"})
    return state, bearers


@pytest.fixture
def operator(aws: LocalAws, outputs: dict[str, str]) -> Operator:
    assert outputs
    return Operator(aws)


class User:
    """An operator whose only permissions are those of one policy."""

    def __init__(self, aws: LocalAws, policy: dict[str, Any]) -> None:
        self.policy = policy
        self._iam, self._name = aws.client("iam"), f"operator-{secrets.token_hex(4)}"
        self._iam.create_user(UserName=self._name)
        key = self._iam.create_access_key(UserName=self._name)["AccessKey"]
        self.credentials = {
            "aws_access_key_id": key["AccessKeyId"],
            "aws_secret_access_key": key["SecretAccessKey"],
        }
        self.operator = Operator(aws, {name.upper(): value for name, value in self.credentials.items()})
        self.allow()

    def allow(self, *, without: str = "") -> None:
        """Set the policy, without one of its statements."""
        statements = [one for one in self.policy["Statement"] if not without or one["Sid"] != without]
        assert len(statements) == len(self.policy["Statement"]) - bool(without)
        document = json.dumps({**self.policy, "Statement": statements})
        self._iam.put_user_policy(UserName=self._name, PolicyName="documented", PolicyDocument=document)


class Iam(User):
    """An operator whose only permissions are those of the documented policy for a deployed stack."""

    def __init__(self, aws: LocalAws, outputs: dict[str, str]) -> None:
        (documented,) = (block.text for block in blocks("json") if "FindTheStack" in block.text)
        for name, value in {
            "HASH_KEY_ARN": outputs["HashKeyArn"],
            "STATE_TABLE": outputs["StateTable"],
            "BEARERS_TABLE": outputs["BearersTable"],
            "ACCOUNT": "000000000000",
            "REGION": REGION,
            "STACK": STACK,
        }.items():
            documented = documented.replace(name, value)
        super().__init__(aws, json.loads(documented))


@pytest.fixture
def iam(aws: LocalAws, outputs: dict[str, str]) -> Iam:
    return Iam(aws, outputs)


def run(operator: Operator, *arguments: str, typed: str | None = None) -> Ran:
    return operator.run(*arguments, "--stack", STACK, typed=typed)


# ---- options -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sessions"], "the following arguments are required: COMMAND"),
        (["sessions", "end"], "one of the arguments --user --all is required"),
        (["sessions", "end", "--user", "hunter2", "--all"], "not allowed with argument"),
        (["sessions", "end", "--user"], "--user: expected one argument"),
        (["sessions", "end", "hunter2"], "one of the arguments --user --all is required"),
        (["sessions", "list", "hunter2"], "Never type a password here"),
        (["sessions", "hunter2"], "Never type a password here"),
        (["user-hash"], "the following arguments are required: LOGIN"),
        (["user-hash", "a_login", " "], "LOGIN is empty"),
        (["user-hash", "-"], "Standard input has no login"),
        (["network-hash", "203.0.113.7", "hunter2"], "Never type a password here"),
        (["user-hash", "a_login", "--stack", "hunter2!"], "--stack must be the name of a stack"),
        (["user-hash", "a_login", "--region", "hunter2"], "--region must be the name of a region"),
        (["network-hash", "hunter2"], "ADDRESS must be an IP address"),
        (["network-hash", "203.0.113.0/24"], "ADDRESS must be an IP address"),
    ],
)
def test_wrong_option_is_a_usage_error_that_does_not_repeat_it(
    operator: Operator, arguments: list[str], message: str
) -> None:
    ran = operator.run(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert message in ran.err
    assert "hunter2" not in ran.err


def test_documents_list_every_option_and_exit_code() -> None:
    text = section(OPERATIONS, "Commands")
    _, options, exit_codes = tables(text)
    documented = {code_spans(row[0])[0].split()[0] for row in options}
    shown: set[str] = set()
    for command in ("sessions list", "sessions end", "user-hash", "network-hash"):
        assert f"shotgrid-login {command}" in text
        shown |= set(re.findall(r"--[a-z]+", help_of(*command.split()))) - {"--help"}
    assert documented == shown
    assert [row[0] for row in exit_codes] == re.findall(r"(\d+): ", help_of("sessions", "end"))


def help_of(*command: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out), pytest.raises(SystemExit):
        cli.main([*command, "--help"])
    return out.getvalue()


def test_missing_boto3_is_a_usage_error_that_names_the_installation(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "boto3" else object())
    ran = run(operator, *LIST)
    assert (ran.code, ran.out) == (2, "")
    assert "pip install '.[aws]'" in ran.err


# ---- hashes ------------------------------------------------------------------------------------------------


def test_hashes_are_those_of_the_stacks_functions(aws: LocalAws, operator: Operator, outputs: dict[str, str]) -> None:
    hashes = Hashes(aws.client("kms"), outputs["HashKeyArn"])
    assert run(operator, "user-hash", "A_Login ").out == f"{hashes.user('a_login')}\n"
    assert run(operator, *NETWORK_HASH).out == f"{hashes.network('203.0.113.7')}\n"
    assert run(operator, "network-hash", "2001:db8::1").out == f"{hashes.network('2001:db8::2')}\n"


def test_hashes_of_several_logins_are_printed_with_the_logins(
    aws: LocalAws, operator: Operator, outputs: dict[str, str]
) -> None:
    hashes = Hashes(aws.client("kms"), outputs["HashKeyArn"])
    lines = {name: f"{hashes.user(name)}  {name}\n" for name in ("ada", "bob", "eve")}
    assert run(operator, "user-hash", "ada", "bob").out == lines["ada"] + lines["bob"]
    # A saved list can have a byte order mark, the line ends of Windows, and empty lines.
    ran = run(operator, "user-hash", "eve", "-", typed="\ufeffada\r\n\r\n bob \n")
    assert ran.out == lines["eve"] + lines["ada"] + lines["bob"]
    assert run(operator, "user-hash", "-", typed="ada").out == lines["ada"]
    control = run(operator, "user-hash", "-", typed="a\x1b[2Jda\n")
    assert control.out == f"{hashes.user(chr(27).join(('a', '[2Jda')))}  a?[2Jda\n"


# ---- the check of an account -------------------------------------------------------------------------------


def test_documented_permissions_are_enough_to_check_an_account(aws: LocalAws) -> None:
    (documented,) = (block.text for block in blocks("json") if "iam:SimulatePrincipalPolicy" in block.text)
    ran = User(aws, json.loads(documented)).operator.run(
        *("check", "--aws", "--json", "--stack", "not-deployed"),
        *("--parameter-overrides", SITE, "DomainName=login.studio.com", "AccessLog=on"),
    )
    lines = {line["name"]: line for line in json.loads(ran.out)["findings"]}
    problems = {name for name, line in lines.items() if line["status"] != "OK"}
    assert (ran.code, problems) == (1, {"aws.permissions", "aws.certificate", "aws.access-log"})
    # This user may check, and not deploy. Local AWS simulates the user's policies.
    assert "dynamodb:CreateTable" in lines["aws.permissions"]["meaning"]
    assert "dynamodb:ListTables" not in lines["aws.permissions"]["meaning"]


def test_root_user_of_an_empty_account_can_deploy(aws: LocalAws) -> None:
    ran = Operator(aws).run("check", "--aws", "--json", "--parameter-overrides", SITE, "--stack", "not-deployed")
    assert ran.code == 0
    assert {line["status"] for line in json.loads(ran.out)["findings"]} == {"OK"}


# ---- AWS ---------------------------------------------------------------------------------------------------


def test_documented_permissions_are_enough_and_give_no_others(
    iam: Iam, rows: tuple[Table, Table], aws: LocalAws
) -> None:
    for command in (LIST, END, USER_HASH, NETWORK_HASH):
        ran = run(iam.operator, *command)
        assert (ran.code, ran.err) == (0, "")
    assert [list(table.scan("")) for table in rows] == [[], []]
    state = Table(aws.client("dynamodb", **iam.credentials), f"{STACK}-state")
    with pytest.raises(ClientError, match="AccessDenied"):
        state.delete("challenge#x")
    with pytest.raises(ClientError, match="AccessDenied"):
        state.put(SESSION)


@pytest.mark.parametrize(
    ("without", "command", "operation"),
    [
        ("FindTheStack", LIST, "DescribeStacks"),
        ("ReadSessions", LIST, "Scan"),
        ("EndSessions", END, "DeleteItem"),
        ("EndBearers", END, "DeleteItem"),
        ("HashNames", USER_HASH, "GenerateMac"),
    ],
)
def test_missing_permission_is_one_line_that_names_the_call(
    iam: Iam, rows: tuple[Table, Table], without: str, command: tuple[str, ...], operation: str
) -> None:
    iam.allow(without=without)
    ran = run(iam.operator, *command)
    assert ran.code == 1
    assert ran.err == f"These AWS credentials do not permit {operation}. docs/operations.md lists the permissions.\n"
    assert ran.out == ("Ended 0 sessions of 0 users.\n" if command == END else "")
    assert rows[0].get("session#x")


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "There are no AWS credentials."),
        ({"AWS_PROFILE": "missing"}, "There are no AWS credentials."),
        ({"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"}, "AWS does not accept these credentials."),
        ({"AWS_DEFAULT_REGION": ""}, "or none is set. Name the region of the stack with --region."),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, f"There is no stack {STACK} in eu-west-1. Check --stack and --region."),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "AWS cannot be reached. Check the network, and the name"),
    ],
)
def test_aws_that_cannot_be_called_is_one_line_that_names_what_to_change(
    aws: LocalAws, outputs: dict[str, str], environment: dict[str, str], message: str
) -> None:
    assert outputs
    ran = run(Operator(aws, environment), *LIST)
    assert (ran.code, ran.out) == (1, "")
    assert message in ran.err
    assert ran.err.count("\n") == 1


def test_stack_without_the_outputs_is_one_line_that_names_the_output(aws: LocalAws) -> None:
    create_stack(aws, "ops-other", {"Url": "https://login.studio.com"})
    for command, output in ((LIST, "StateTable"), (USER_HASH, "HashKeyArn")):
        ran = Operator(aws).run(*command, "--stack", "ops-other")
        assert (ran.code, ran.out) == (1, "")
        assert f"The stack ops-other has no output {output}." in ran.err


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (exceptions.UnauthorizedSSOTokenError(), "AWS cannot be called with these credentials: UnauthorizedSSOToken"),
        (ClientError({"Error": {"Code": "ExpiredToken", "Message": "x"}}, "Scan"), "They are invalid or have expired"),
        (
            ClientError({"Error": {"Code": "ThrottlingException", "Message": "x"}}, "Scan"),
            "AWS rejected Scan: Thr",
        ),
    ],
)
def test_other_error_of_aws_is_explained_without_its_text(error: BotoCoreError | ClientError, message: str) -> None:
    assert message in explain(error)
    assert "\n" not in explain(error)
