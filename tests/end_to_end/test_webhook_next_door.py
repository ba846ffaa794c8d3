"""A studio's webhook in the same account as the gateway keeps working, whatever happens to the gateway.

The webhook has its own role, script key, API and stack, and is deployed first. Then the test deploys, updates, floods,
rolls back and deletes the gateway, on its own local AWS. tests/unit/test_template_isolation.py checks in the translated
template what the emulator does not enforce.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.local.stack import STACK, LocalAws
from tests.local.webhook import SCRIPT, Delivery, Webhook, deploy_webhook
from tests.local.webhook import STACK as WEBHOOK
from tests.site.fake_site import FakeSite
from tests.site.show import make_show
from tests.support.client import OTHER_PAGE, PAGE, Gateway, until
from tests.support.template import FUNCTIONS

# Executions at once that the local account allows: one for each function of the gateway, and one for the webhook.
ACCOUNT_CONCURRENCY = len(FUNCTIONS) + 1
FLOOD_THREADS = 12  # more than the account allows
FLOOD_REQUESTS = 60  # at least
FLOOD_SECONDS = 180  # the longest wait for an effect of a flood, on a loaded machine
# What the emulator returns when a function has reached its reserved concurrency, and when the account has no more.
CAPPED = "ReservedFunctionConcurrentInvocationLimitExceeded"
STARVED = '"ConcurrentInvocationLimitExceeded"'
DELIVERIES = 2  # complete deliveries before a phase ends
PAUSE_SECONDS = 0.2  # between two deliveries, so that they do not take all of the processor

# Fields that change although nothing has touched the webhook.
VOLATILE = {
    "ResponseMetadata",  # number and date of the response
    "Location",  # a link to the code, with a new signature in each response
    "storedBytes",  # the log of the webhook grows with each delivery
    "RoleLastUsed",  # changes with each delivery
    "AccountUsage",  # the number of functions in all stacks
    "UnreservedConcurrentExecutions",  # depends on what the gateway reserves, and is asserted separately
}


@dataclass
class Studio:
    """An account with a webhook, and the site that the webhook reads."""

    webhook: Webhook
    logs_of_gateway: set[str] = field(default_factory=set)  # they stay when the gateway is deleted
    deliveries: list[Delivery] = field(default_factory=list)
    _delivered: threading.Condition = field(default_factory=threading.Condition)

    @property
    def aws(self) -> LocalAws:
        return self.webhook.aws

    @property
    def site(self) -> FakeSite:
        return self.webhook.site

    @contextlib.contextmanager
    def delivering(self) -> Iterator[None]:
        """Deliver one event after the other, until the context ends."""
        stop = threading.Event()

        def deliver_until_stopped() -> None:
            while not stop.wait(PAUSE_SECONDS):
                delivery = self.webhook.deliver()
                with self._delivered:
                    self.deliveries.append(delivery)
                    self._delivered.notify_all()

        thread = threading.Thread(target=deliver_until_stopped)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def wait_for_deliveries(self) -> None:
        """Wait until some deliveries have started and ended."""
        with self._delivered:
            # One more, because the first delivery can already be on its way.
            enough = len(self.deliveries) + DELIVERIES + 1
            assert self._delivered.wait_for(lambda: len(self.deliveries) >= enough, FLOOD_SECONDS)

    @contextlib.contextmanager
    def undisturbed(self, before: dict[str, Any], phase: str) -> Iterator[None]:
        """Assert that all deliveries in this context and some after it succeed, and that the record is unchanged."""
        first = len(self.deliveries)
        yield
        self.wait_for_deliveries()
        statuses = Counter(delivery.status for delivery in self.deliveries[first:])
        assert statuses.keys() == {200}, (phase, statuses)
        after = self.record()
        assert {call: value for call, value in after.items() if value != before[call]} == {}, phase

    def record(self) -> dict[str, Any]:
        """Return the webhook's configuration, the account's settings and all other resources, as plain data."""
        described = self.aws.client("cloudformation").list_stack_resources(StackName=WEBHOOK)
        ids = {row["LogicalResourceId"]: row["PhysicalResourceId"] for row in described["StackResourceSummaries"]}
        function, role = {"FunctionName": ids["Function"]}, {"RoleName": ids["Role"]}
        api, stack = {"restApiId": ids["Api"]}, {"StackName": WEBHOOK}
        logs = {"logGroupName": ids["Logs"]}
        (bucket,) = self.aws.client("s3").list_buckets()["Buckets"]  # it has the code of all stacks
        calls: list[tuple[str, str, dict[str, Any]]] = [
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
            # The settings of the account.
            ("lambda", "get_account_settings", {}),
            ("apigateway", "get_account", {}),
            ("apigateway", "get_usage_plans", {}),
            ("apigateway", "get_api_keys", {}),
            ("apigateway", "get_domain_names", {}),
            ("iam", "list_policies", {"Scope": "Local"}),
            ("iam", "list_account_aliases", {}),
            ("logs", "describe_resource_policies", {}),
        ]
        responses = {
            f"{service} {operation}": _without_volatile(getattr(self.aws.client(service), operation)(**arguments))
            for service, operation, arguments in calls
        }
        return responses | self.other_resources()

    def other_resources(self) -> dict[str, Any]:
        """Return the resources that are not the gateway's, by kind. Keys that wait for deletion do not count."""
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
        gateway = set(self.gateway_resources().values()) | self.logs_of_gateway
        others = {kind: sorted(set(ids) - gateway) for kind, ids in found.items()}
        return others | {"reserved concurrency": {name: self.reserved(name) for name in others["functions"]}}

    def gateway_resources(self) -> dict[str, str]:
        """Return the physical ids of the gateway's resources by logical id, or nothing if it is not deployed."""
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
        """Return a function's reserved concurrency, None if it has no reservation."""
        response = self.aws.client("lambda").get_function_concurrency(FunctionName=function)
        reserved: int | None = response.get("ReservedConcurrentExecutions")
        return reserved

    def unreserved(self) -> int:
        """Return how many executions at once are left for functions without a reservation."""
        limits = self.aws.client("lambda").get_account_settings()["AccountLimit"]
        return int(limits["UnreservedConcurrentExecutions"])

    def reserve_for_the_gateway(self) -> int:
        """Reserve what the template specifies: the emulator's CloudFormation does not. Return the sum."""
        rows = self.aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]["Parameters"]
        parameters = {row["ParameterKey"]: row["ParameterValue"] for row in rows}
        reserved = {name: int(parameters["ReservedConcurrency"]) for name in FUNCTIONS}
        reserved["Authorizer"] = int(parameters["AuthorizerReservedConcurrency"])
        for name, number in reserved.items():
            if number:
                self.aws.client("lambda").put_function_concurrency(
                    FunctionName=self.gateway_resources()[f"{name}Function"], ReservedConcurrentExecutions=number
                )
        return sum(reserved.values())


def _without_volatile(response: Any) -> Any:
    """Return a response without its volatile fields, and with times as text."""
    if isinstance(response, dict):
        return {name: _without_volatile(value) for name, value in response.items() if name not in VOLATILE}
    if isinstance(response, list):
        return [_without_volatile(value) for value in response]
    return response.isoformat() if isinstance(response, datetime) else response


@pytest.fixture(scope="module")
def studio() -> Iterator[Studio]:
    """Start an account with a working webhook, and without a gateway."""
    with (
        pytest.MonkeyPatch.context() as environment,
        FakeSite(show=make_show(datetime.now(UTC).date())) as site,
    ):
        environment.setenv("LAMBDA_ACCOUNT_CONCURRENCY", str(ACCOUNT_CONCURRENCY))
        with LocalAws() as aws:
            yield Studio(deploy_webhook(aws, site))


@contextlib.contextmanager
def _sign_ins_held(gateway: Gateway, number: int) -> Iterator[None]:
    """Keep a number of sign-ins waiting for the site until the context ends. Each occupies one execution of a function.

    A sign-in ends when the gateway no longer waits for the site. Then the next one starts.
    """
    over = threading.Event()

    def sign_in_until_over() -> None:
        while not over.is_set():
            gateway.caller().password(gateway.new_user(fault="hold"), "wrong")

    with ThreadPoolExecutor(number) as threads:
        callers = [threads.submit(sign_in_until_over) for _ in range(number)]
        try:
            for _ in callers:
                assert gateway.site.held.acquire(timeout=FLOOD_SECONDS)
            yield
        finally:
            over.set()
            while wait(callers, timeout=0.05).not_done:  # repeatedly: a sign-in can arrive just after a release
                gateway.site.release()
        for caller in callers:
            caller.result()


def _flood(gateway: Gateway) -> Counter[str]:
    """Send invalid requests of all kinds from many addresses at once. Return the number of responses by kind."""
    user = gateway.new_user()
    responses: Counter[str] = Counter()

    def send(number: int) -> str:
        caller = gateway.caller()
        match number % 8:
            case 0:
                response = caller.send("POST", "/auth/password", data=b"\x00{garbage")
            case 1:
                response = caller.otp("garbage", "000000")
            case 2:
                response = caller.refresh("garbage.handle")
            case 3:
                response = caller.send("GET", "/no-such-route", authorization="Bearer garbage")
            case _:
                response = caller.password(user, "wrong")
        return "capped" if CAPPED in response.text else str(response.status)

    with ThreadPoolExecutor(FLOOD_THREADS) as threads:
        while responses.total() < FLOOD_REQUESTS or not responses["capped"]:
            responses.update(threads.map(send, range(FLOOD_REQUESTS // 2)))
    return responses


def test_webhook_works_unchanged_while_the_gateway_is_deployed_updated_flooded_and_deleted(studio: Studio) -> None:
    aws, site = studio.aws, studio.site
    first_shot = {"shot": site.show.shots[0].code}
    assert studio.webhook.deliver("another token").status == 401
    assert json.loads(studio.webhook.deliver().text) == first_shot
    before = studio.record()
    assert studio.unreserved() == ACCOUNT_CONCURRENCY

    with studio.delivering():
        with studio.undisturbed(before, "deployed"):
            outputs = aws.create({"ShotGridSiteUrl": site.url, "AllowedOrigins": PAGE})
            assert studio.reserve_for_the_gateway() == 0
        assert studio.unreserved() == ACCOUNT_CONCURRENCY

        api = outputs["Url"].removeprefix("https://").partition(".")[0]
        gateway = Gateway(aws, site, outputs, host=f"{api}.execute-api.localhost:{aws.port}", base_path="/v1")
        user = gateway.new_user()
        handle = gateway.caller().signed_in(user).body["refresh_token"]

        with studio.undisturbed(before, "updated"):
            changes = {"SessionHours": "8", "AllowedOrigins": f"{PAGE},{OTHER_PAGE}"}
            changes |= {"ReservedConcurrency": "1", "AuthorizerReservedConcurrency": "1"}
            assert aws.update(changes) == outputs
            reserved = studio.reserve_for_the_gateway()
        assert reserved == len(FUNCTIONS)
        assert studio.unreserved() == ACCOUNT_CONCURRENCY - reserved

        with studio.undisturbed(before, "flooded"), _sign_ins_held(gateway, 1):
            assert _flood(gateway)["capped"] > 0
            studio.wait_for_deliveries()

    # The reservations protect the webhook. Without the reservation of one function, sign-ins take all executions.
    aws.client("lambda").delete_function_concurrency(FunctionName=studio.gateway_resources()["PasswordFunction"])
    with _sign_ins_held(gateway, ACCOUNT_CONCURRENCY):
        until(lambda: STARVED in studio.webhook.deliver().text, FLOOD_SECONDS)
    studio.reserve_for_the_gateway()
    until(lambda: studio.webhook.deliver().status == 200)

    with studio.delivering():
        with studio.undisturbed(before, "two-factor switched on"):
            site.switch(two_factor=True)
            assert gateway.caller().password(user).status == 202

        with studio.undisturbed(before, "rolled back"):
            changes = {"SessionHours": "12", "AllowedOrigins": PAGE}
            changes |= {"ReservedConcurrency": "0", "AuthorizerReservedConcurrency": "0"}
            assert aws.update(changes) == outputs
            assert gateway.caller().refresh(handle).status == 200

        key = studio.gateway_resources()["Key"]
        studio.logs_of_gateway = {studio.gateway_resources()[f"{name}Logs"] for name in FUNCTIONS}
        with studio.undisturbed(before, "deleted"):
            aws.delete()

    assert studio.gateway_resources() == {}
    # The logs and the key are the only things left of the gateway. The key waits for its deletion.
    groups = aws.client("logs").describe_log_groups()["logGroups"]
    assert studio.logs_of_gateway <= {group["logGroupName"] for group in groups}
    assert aws.client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    assert studio.unreserved() == ACCOUNT_CONCURRENCY
    assert {delivery.status for delivery in studio.deliveries} == {200}
    assert {delivery.text for delivery in studio.deliveries} == {json.dumps(first_shot)}
    # Each delivery read the site with the script's key.
    assert site.responses[SCRIPT, "api3"] >= len(studio.deliveries)
