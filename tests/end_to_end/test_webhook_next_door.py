"""A studio's webhook in the same account, with its own role, script key, API and stack, deployed before the gateway.

The first test deploys, updates, floods and deletes the gateway beside it, on a local AWS of their own. The others say
of the translated template what no emulator enforces; what the template's own tests say already is not repeated.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.local.stack import REGION, ROOT, STACK, LocalAws, sam
from tests.local.webhook import SCRIPT, Delivery, Webhook, deploy_webhook
from tests.local.webhook import STACK as WEBHOOK
from tests.site.fake_site import FakeSite
from tests.site.show import make_show
from tests.support.client import OTHER_PAGE, PAGE, Gateway, Response, until
from tests.support.template import FUNCTIONS, resources, statements, template

# Lambda executions at once that the local account has: few, so that a flood can use them up on a small machine.
ACCOUNT_CONCURRENCY = 12
FLOOD_THREADS = 18  # more than the account has
FLOOD_REQUESTS = 300  # at least
FLOOD_SECONDS = 180  # at most
CAPPED = "ReservedFunctionConcurrentInvocationLimitExceeded"  # what the emulator responses where a cap is reached,
STARVED = '"ConcurrentInvocationLimitExceeded"'  # and where the account has nothing left
SIGN_IN_SECONDS = 1  # what the site takes for a sign-in of the flood, and a function with it
DELIVERIES = 10  # that must have been made during each phase
PACE_SECONDS = 0.05  # between two deliveries

# What changes by itself or by design, so that a change is no sign of having been touched.
VOLATILE = {
    "ResponseMetadata",  # number and date of the question
    "Location",  # a link to the code, signed anew for each who asks
    "storedBytes",  # the webhook's own log grows by each delivery
    "RoleLastUsed",  # by each delivery
    "AccountUsage",  # how many functions all stacks have together
    "UnreservedConcurrentExecutions",  # less what the gateway reserves: asserted by itself
}


# ---- The webhook and its account ---------------------------------------------------------------------------


@dataclass
class Studio:
    """An account with a webhook in it, and the site that the webhook reads."""

    webhook: Webhook
    deliveries: list[Delivery] = field(default_factory=list)

    @property
    def aws(self) -> LocalAws:
        return self.webhook.aws

    @property
    def site(self) -> FakeSite:
        return self.webhook.site

    @contextlib.contextmanager
    def delivering(self) -> Iterator[None]:
        """Deliver one event after the other all the while."""
        stop = threading.Event()

        def deliver_until_stopped() -> None:
            while not stop.wait(PACE_SECONDS):
                self.deliveries.append(self.webhook.deliver())

        thread = threading.Thread(target=deliver_until_stopped)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def delivered_since(self, start: float) -> list[Delivery]:
        """Return the deliveries that were started after a time, and answered by now."""
        return [delivery for delivery in list(self.deliveries) if delivery.started >= start]

    @contextlib.contextmanager
    def as_before(self, before: dict[str, Any], phase: str) -> Iterator[None]:
        """Let something happen to the gateway, and see that the webhook answered all the while and is as it was."""
        start = time.monotonic()
        yield
        responses = Counter(delivery.status for delivery in self.delivered_since(start))
        assert responses.keys() == {200}, (phase, responses)
        assert responses[200] >= DELIVERIES, (phase, responses)
        after = self.record()
        assert {question: said for question, said in after.items() if said != before[question]} == {}, phase

    def record(self) -> dict[str, Any]:
        """Describe the webhook, the account's settings and everyone else in the account, as plain data."""
        described = self.aws.client("cloudformation").list_stack_resources(StackName=WEBHOOK)
        ids = {row["LogicalResourceId"]: row["PhysicalResourceId"] for row in described["StackResourceSummaries"]}
        function, role = {"FunctionName": ids["Function"]}, {"RoleName": ids["Role"]}
        api, stack = {"restApiId": ids["Api"]}, {"StackName": WEBHOOK}
        logs = {"logGroupName": ids["Logs"]}
        (bucket,) = self.aws.client("s3").list_buckets()["Buckets"]  # where `sam deploy` keeps all stacks' code
        questions: list[tuple[str, str, dict[str, Any]]] = [
            ("lambda", "get_function", function),
            ("lambda", "get_policy", function),
            ("lambda", "get_function_concurrency", function),
            ("lambda", "list_function_event_invoke_configs", function),
            ("lambda", "list_function_url_configs", function),
            ("lambda", "list_aliases", function),
            ("lambda", "list_versions_by_function", function),
            ("lambda", "list_event_source_mappings", function),
            ("lambda", "get_function_recursion_config", function),
            ("iam", "get_role", role),
            ("iam", "list_role_policies", role),
            ("iam", "get_role_policy", {**role, "PolicyName": "webhook"}),
            ("iam", "list_attached_role_policies", role),
            ("iam", "list_instance_profiles_for_role", role),
            ("apigateway", "get_rest_api", api),
            ("apigateway", "get_resources", {**api, "embed": ["methods"]}),
            ("apigateway", "get_stages", api),
            ("apigateway", "get_deployments", api),
            ("apigateway", "get_authorizers", api),
            ("apigateway", "get_gateway_responses", api),
            ("apigateway", "get_models", api),
            ("apigateway", "get_request_validators", api),
            ("logs", "describe_log_groups", {"logGroupNamePrefix": ids["Logs"]}),
            ("logs", "describe_subscription_filters", logs),
            ("logs", "describe_metric_filters", logs),
            ("cloudformation", "describe_stacks", stack),
            ("cloudformation", "list_stack_resources", stack),
            ("cloudformation", "describe_stack_events", stack),
            ("cloudformation", "get_template", stack),
            ("s3", "list_objects_v2", {"Bucket": bucket["Name"], "Prefix": f"{WEBHOOK}/"}),
            # The account's own settings.
            ("lambda", "get_account_settings", {}),
            ("apigateway", "get_account", {}),
            ("apigateway", "get_usage_plans", {}),
            ("apigateway", "get_api_keys", {}),
            ("apigateway", "get_domain_names", {}),
            ("iam", "list_policies", {"Scope": "Local"}),
            ("iam", "list_account_aliases", {}),
            ("logs", "describe_resource_policies", {}),
        ]
        clients = {service: self.aws.client(service) for service, _, _ in questions}
        said = {
            f"{service} {operation}": _lasting(getattr(clients[service], operation)(**given))
            for service, operation, given in questions
        }
        return said | self.everyone_else()

    def everyone_else(self) -> dict[str, Any]:
        """Return what the account has that is not the gateway's, by kind; a key that waits for its deletion is gone."""
        client = self.aws.client
        keys = [key["KeyId"] for key in client("kms").list_keys()["Keys"]]
        states = {key: client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"] for key in keys}
        found: dict[str, list[str]] = {
            "functions": [row["FunctionName"] for row in client("lambda").list_functions()["Functions"]],
            "layers": [
                row["LatestMatchingVersion"]["LayerVersionArn"] for row in client("lambda").list_layers()["Layers"]
            ],
            "roles": [row["RoleName"] for row in client("iam").list_roles()["Roles"]],
            "tables": client("dynamodb").list_tables()["TableNames"],
            "APIs": [row["id"] for row in client("apigateway").get_rest_apis()["items"]],
            "log groups": [row["logGroupName"] for row in client("logs").describe_log_groups()["logGroups"]],
            "buckets": [row["Name"] for row in client("s3").list_buckets()["Buckets"]],
            "keys": [key for key, state in states.items() if state != "PendingDeletion"],
            "exports": [
                row["Name"]
                for row in client("cloudformation").list_exports()["Exports"]
                if f":stack/{STACK}/" not in row["ExportingStackId"]
            ],
        }
        ours = set(self.resources_of_the_gateway().values())
        others = {kind: sorted(set(ids) - ours) for kind, ids in found.items()}
        return others | {"reserved concurrency": {name: self.reserved(name) for name in others["functions"]}}

    def resources_of_the_gateway(self) -> dict[str, str]:
        """Return the ids of the gateway's resources by their names in the template; none where it is not deployed."""
        cloudformation = self.aws.client("cloudformation")
        stacks = cloudformation.list_stacks()["StackSummaries"]
        if not any(row["StackName"] == STACK and row["StackStatus"] != "DELETE_COMPLETE" for row in stacks):
            return {}
        rows = cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK)
        return {
            row["LogicalResourceId"]: row["PhysicalResourceId"]
            for page in rows
            for row in page["StackResourceSummaries"]
        }

    def reserved(self, function: str) -> int | None:
        """Return a function's reserved concurrency, None where it shares what nobody has reserved."""
        response = self.aws.client("lambda").get_function_concurrency(FunctionName=function)
        reserved: int | None = response.get("ReservedConcurrentExecutions")
        return reserved

    def unreserved(self) -> int:
        """Return how many executions at once the account has left for functions that reserve none."""
        limits = self.aws.client("lambda").get_account_settings()["AccountLimit"]
        return int(limits["UnreservedConcurrentExecutions"])

    def cap_the_gateway(self) -> int:
        """Do what the emulator's CloudFormation leaves out: reserve what the template says. Return how much in all."""
        parameters = self.aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]["Parameters"]
        (each,) = (int(row["ParameterValue"]) for row in parameters if row["ParameterKey"] == "ReservedConcurrency")
        ids = self.resources_of_the_gateway()
        capped = [
            ids[name] for name, function in resources("AWS::Lambda::Function").items() if _is_capped(function) and each
        ]
        for function in capped:
            self.aws.client("lambda").put_function_concurrency(FunctionName=function, ReservedConcurrentExecutions=each)
        return each * len(capped)

    def uncap_the_gateway(self) -> None:
        for name in resources("AWS::Lambda::Function"):
            self.aws.client("lambda").delete_function_concurrency(FunctionName=self.resources_of_the_gateway()[name])


def _lasting(response: Any) -> Any:
    """Leave out what is volatile, and say times as text."""
    if isinstance(response, dict):
        return {name: _lasting(value) for name, value in response.items() if name not in VOLATILE}
    if isinstance(response, list):
        return [_lasting(value) for value in response]
    return response.isoformat() if isinstance(response, datetime) else response


def _sam(aws: LocalAws, command: str, stack: str, *options: str) -> None:
    done = subprocess.run(
        [sam(), command, "--stack-name", stack, "--region", REGION, *options],
        cwd=ROOT,
        env=aws.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def studio() -> Iterator[Studio]:
    """An account in which the webhook works, and no gateway yet."""
    with (
        pytest.MonkeyPatch.context() as environment,
        FakeSite(show=make_show(datetime.now(UTC).date())) as site,
    ):
        environment.setenv("LAMBDA_ACCOUNT_CONCURRENCY", str(ACCOUNT_CONCURRENCY))
        with LocalAws() as aws:
            yield Studio(deploy_webhook(aws, site))


# ---- The gateway beside it ---------------------------------------------------------------------------------


def _flood(gateway: Gateway, is_over: Callable[[Counter[str]], Any]) -> Counter[str]:
    """Ask for sign-ins that cannot succeed, from many addresses at once, and count the responses by kind."""
    numbers, deadline = itertools.count(), time.monotonic() + FLOOD_SECONDS
    responses: Counter[str] = Counter()
    lock = threading.Lock()

    def ask(number: int) -> Response:
        caller = gateway.caller()
        match number % 8:
            case 0:
                return caller.send("POST", "/auth/password", data=b"\x00{garbage")
            case 1:
                return caller.otp("garbage", "000000")
            case 2:
                return caller.refresh("garbage.handle")
            case 3:
                return caller.send("GET", "/no-such-route", authorization="Bearer garbage")
        return caller.password(gateway.new_user(fault=f"delay:{SIGN_IN_SECONDS}"), "wrong")

    def ask_until_over() -> None:
        while not is_over(responses) and time.monotonic() < deadline:
            response = ask(next(numbers))
            with lock:
                responses["capped" if CAPPED in response.text else str(response.status)] += 1

    with ThreadPoolExecutor(FLOOD_THREADS) as threads:
        for thread in [threads.submit(ask_until_over) for _ in range(FLOOD_THREADS)]:
            thread.result()
    return responses


def test_the_webhook_notices_nothing_of_the_gateways_whole_life(studio: Studio) -> None:
    aws, site = studio.aws, studio.site
    first_shot = {"shot": site.show.shots[0].code}
    assert studio.webhook.deliver("another token").status == 401
    assert json.loads(studio.webhook.deliver().text) == first_shot
    untouched = studio.record()
    assert studio.unreserved() == ACCOUNT_CONCURRENCY

    with studio.delivering():
        with studio.as_before(untouched, "deployed"):
            outputs = aws.deploy({"ShotGridSiteUrl": site.url, "AllowedOrigins": PAGE, "ReservedConcurrency": "0"})
            assert studio.cap_the_gateway() == 0
        assert studio.unreserved() == ACCOUNT_CONCURRENCY

        api = outputs["Url"].removeprefix("https://").partition(".")[0]
        gateway = Gateway(aws, site, outputs, host=f"{api}.execute-api.localhost:{aws.port}", base_path="/v1")
        user = gateway.new_user()
        assert gateway.caller().password(user).status == 200

        with studio.as_before(untouched, "updated"):
            changes = {"SessionHours": "8", "AllowedOrigins": f"{PAGE},{OTHER_PAGE}", "ReservedConcurrency": "1"}
            changes |= {"ThrottleRate": "10000", "ThrottleBurst": "5000"}  # for the cap to meet the flood alone
            assert aws.deploy(changes) == outputs
            reserved = studio.cap_the_gateway()
        assert reserved == len(FUNCTIONS)
        assert studio.unreserved() == ACCOUNT_CONCURRENCY - reserved

        with studio.as_before(untouched, "flooded"):
            start = time.monotonic()
            responses = _flood(
                gateway,
                lambda responses: (
                    responses.total() >= FLOOD_REQUESTS
                    and responses["401"] >= FLOOD_THREADS // 10
                    and len(studio.delivered_since(start)) >= DELIVERIES
                ),
            )
        assert responses.total() >= FLOOD_REQUESTS
        assert responses["401"] > 0, responses  # the site was reached and refused,
        assert responses["capped"] > 0, responses  # and the caps were reached

    # The same flood starves the webhook where nothing is capped: so it is the caps that kept it from that.
    studio.uncap_the_gateway()
    over = threading.Event()
    with ThreadPoolExecutor(1) as thread:
        flood = thread.submit(_flood, gateway, lambda _: over.is_set())
        try:
            starved = until(lambda: (delivery := studio.webhook.deliver()).status != 200 and delivery, FLOOD_SECONDS)
        finally:
            over.set()
        flood.result()
    assert STARVED in starved.text, starved
    studio.cap_the_gateway()
    until(lambda: studio.webhook.deliver().status == 200)

    with studio.delivering():
        with studio.as_before(untouched, "two-factor switched on"):
            site.switch(two_factor=True)
            start = time.monotonic()
            assert gateway.caller().password(user).status == 202
            until(lambda: len(studio.delivered_since(start)) >= DELIVERIES)

        key = studio.resources_of_the_gateway()["Key"]
        with studio.as_before(untouched, "deleted"):
            _sam(aws, "delete", STACK, "--no-prompts")
            start = time.monotonic()
            until(lambda: len(studio.delivered_since(start)) >= DELIVERIES)

    assert studio.resources_of_the_gateway() == {}
    # Of no kind is anything left that was not there before, except the key, which nobody can use any more.
    assert aws.client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    assert studio.unreserved() == ACCOUNT_CONCURRENCY
    assert {delivery.status for delivery in studio.deliveries} == {200}
    assert {delivery.text for delivery in studio.deliveries} == {json.dumps(first_shot)}
    # Each was read at the site with the script's key, and with nothing else.
    assert site.responses[SCRIPT, "api3"] >= len(studio.deliveries)


# ---- The translated template -------------------------------------------------------------------------------

# What AWS keeps for functions that reserve nothing, and what an account has by default (Lambda quotas).
AWS_UNRESERVED = 100
AWS_CONCURRENCY = 1000

OWN = "<own>"
ARN = r"arn:(?:aws|\$\{AWS::Partition\})"  # SAM writes some partitions out, as of the region that it translates for
REGION_OF_STACK = r"\$\{AWS::Region\}"
ACCOUNT_OF_STACK = r"\$\{AWS::AccountId\}"


def _nodes(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Return every part of a template with the way to it."""
    yield path, node
    parts = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, part in parts:
        yield from _nodes(part, (*path, str(name)))


def _is_capped(function: dict[str, Any]) -> bool:
    capped = {"Fn::If": ["HasReservedConcurrency", {"Ref": "ReservedConcurrency"}, {"Ref": "AWS::NoValue"}]}
    return function.get("ReservedConcurrentExecutions") == capped


def _named(reference: Any) -> str:
    """Return the name that a `Ref` or `Fn::GetAtt` has, empty for what is neither."""
    match reference:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]}:
            return name
    return ""


def _with_own_names(text: str, variables: dict[str, Any]) -> str:
    """Put `OWN` where an `Fn::Sub` puts a resource of this template."""

    def named(match: re.Match[str]) -> str:
        reference = variables.get(match[1], {"Ref": match[1].partition(".")[0]})
        return OWN if _named(reference) in template()["Resources"] else match[0]

    return re.sub(r"\$\{([^}]+)\}", named, text)


def test_nothing_is_imported_from_another_stack_or_store() -> None:
    for path, node in _nodes(template()):
        assert "Fn::ImportValue" not in path
        assert "Fn::Transform" not in path
        assert not (isinstance(node, str) and "{{resolve:" in node), path
    for name, parameter in template()["Parameters"].items():
        assert parameter["Type"] in ("String", "Number"), name  # none that CloudFormation looks up


def test_every_reference_is_to_a_resource_or_parameter_of_this_template() -> None:
    named = template()["Resources"].keys() | template()["Parameters"].keys()
    for path, node in _nodes(template()["Resources"]):
        if path[-1:] == ("Ref",):
            assert node in named or node.startswith("AWS::"), path
        if path[-1:] == ("Fn::GetAtt",):
            assert node[0] in template()["Resources"], path


def test_the_only_foreign_resource_is_the_certificate_that_ops_names() -> None:
    users = {path[:-1] for path, node in _nodes(template()["Resources"]) if node == "CertificateArn"}
    assert users == {("Domain", "Properties", "RegionalCertificateArn")}


# The APIs that ops name by `AuthorizerApis`: they may ask the authorizer.
NAMED_BY_OPS = {
    "arn:${AWS::Partition}:execute-api:${AWS::Region}:${NamedApi}/authorizers/*",
    "arn:*:execute-api:*:${NamedApis}/*",
    "/*,arn:*:execute-api:*:",  # joins them
    "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:none/*",
}
WHO_MAY_ASK = {"AuthorizerInvokeRole", *(f"AuthorizerPermission{number}" for number in range(1, 6))}


def test_every_arn_names_a_resource_of_this_stack() -> None:
    found = set()
    for path, node in _nodes(template()["Resources"]):
        if isinstance(node, str) and node in NAMED_BY_OPS:
            assert path[0] in WHO_MAY_ASK, path
            continue
        if isinstance(node, str) and "arn:" in node and "KeyPolicy" not in path:
            assert "Fn::Sub" in path, (path, node)
            substituted = path[: path.index("Fn::Sub") + 1]
            variables: Any = template()["Resources"]
            for step in substituted:
                variables = variables[int(step) if isinstance(variables, list) else step]
            text = _with_own_names(node, variables[1] if isinstance(variables, list) else {})
            of_this_stack = re.fullmatch(
                rf"{ARN}:execute-api:{REGION_OF_STACK}:{ACCOUNT_OF_STACK}:{OWN}/.+"
                rf"|{ARN}:apigateway:{REGION_OF_STACK}:lambda:path/2015-03-31/functions/{OWN}/invocations",
                text,
            )
            assert of_this_stack, (path, node)
            found.add(text.replace("AWS::", "").split(":")[2])
    assert found == {"execute-api", "apigateway"}
    assert not re.search(r"\b[0-9]{12}\b", json.dumps(template()["Resources"]))  # no account by its number


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_role_is_for_lambda_alone_and_says_what_it_may_do(function: str) -> None:
    trust = resources("AWS::IAM::Role")[f"{function}Role"]["AssumeRolePolicyDocument"]["Statement"]
    assert trust == [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]
    for statement in statements(function):
        assert statement.keys() <= {"Sid", "Effect", "Action", "Resource", "Condition"}  # not NotAction or NotResource
        resource = template()["Resources"].get(_named(statement["Resource"]), {})
        assert resource.get("Type") in {"AWS::Logs::LogGroup", "AWS::DynamoDB::Table", "AWS::KMS::Key"}, statement


def test_a_wildcard_resource_is_in_the_keys_own_policy_only() -> None:
    """There `*` means the key that has the policy, whatever else the account has."""
    wildcards = {
        path[:3] for path, node in _nodes(template()["Resources"]) if path[-1:] == ("Resource",) and node == "*"
    }
    assert wildcards == {("Key", "Properties", "KeyPolicy")}
    (key,) = resources("AWS::KMS::Key").values()
    principals = [statement["Principal"]["AWS"] for statement in key["KeyPolicy"]["Statement"]]
    assert principals == [{"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}, "*"]
    # The second one's star is this account through DynamoDB only, so neither statement lets another account in.
    condition = key["KeyPolicy"]["Statement"][1]["Condition"]["StringEquals"]
    assert condition["kms:CallerAccount"] == {"Ref": "AWS::AccountId"}


def test_a_function_has_nothing_of_another_stack() -> None:
    layers = resources("AWS::Lambda::LayerVersion").keys()
    for function in resources("AWS::Lambda::Function").values():
        assert all(_named(layer) in layers for layer in function["Layers"])
        foreign = {"VpcConfig", "FileSystemConfigs", "DeadLetterConfig", "CodeSigningConfigArn", "KmsKeyArn"}
        assert not foreign & function.keys()


def test_only_this_stacks_api_may_call_its_functions_and_named_ones_the_authorizer() -> None:
    for name, permission in resources("AWS::Lambda::Permission").items():
        assert permission["Principal"] == "apigateway.amazonaws.com", name
        assert _named(permission["FunctionName"]) in resources("AWS::Lambda::Function"), name
        if name in WHO_MAY_ASK:
            assert _named(permission["FunctionName"]) == "AuthorizerFunction"
            assert permission["SourceArn"]["Fn::Sub"][0] in NAMED_BY_OPS
            continue
        substituted = permission["SourceArn"]["Fn::Sub"]
        text, variables = substituted if isinstance(substituted, list) else (substituted, {"__ApiId__": None})
        assert re.match(rf"{ARN}:execute-api:{REGION_OF_STACK}:{ACCOUNT_OF_STACK}:\$\{{__ApiId__\}}/", text), name
        assert variables["__ApiId__"] == {"Ref": "Api"}, name


def test_every_function_is_capped_unless_ops_turns_it_off() -> None:
    functions = resources("AWS::Lambda::Function")
    assert [name for name, function in functions.items() if not _is_capped(function)] == []
    assert functions.keys() == {f"{name}Function" for name in FUNCTIONS}
    assert template()["Conditions"]["HasReservedConcurrency"] == {
        "Fn::Not": [{"Fn::Equals": [{"Ref": "ReservedConcurrency"}, 0]}]
    }
    each = template()["Parameters"]["ReservedConcurrency"]["Default"]
    assert 0 < each * len(functions) <= AWS_CONCURRENCY - AWS_UNRESERVED


def test_an_exported_name_is_the_stacks_own() -> None:
    """Exported names are unique in an account, so that a fixed one could be somebody else's."""
    for name, output in template()["Outputs"].items():
        assert "${AWS::StackName}" in json.dumps(output.get("Export", "${AWS::StackName}")), name
