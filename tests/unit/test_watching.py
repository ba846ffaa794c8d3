"""Alarms, dashboard, saved queries, access log and traces in the translated template, and what they cost."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from tests.local.stack import ROOT
from tests.support.docs import blocks, code_spans, section, tables
from tests.support.source import written_metrics
from tests.support.template import FUNCTIONS, resources, template

# A metric: namespace, name, and dimensions.
Metric = tuple[str, str, tuple[tuple[str, str], ...]]

OPERATIONS = ROOT / "docs" / "operations.md"

STACK = (("stack", "AWS::StackName"),)
API = (("ApiName", "AWS::StackName"),)

# Public prices in us-east-1, in dollars a month. Source: "Amazon CloudWatch Pricing".
METRIC_PRICE, ALARM_PRICE = 0.30, 0.10
FREE_DASHBOARD_METRICS = 50

# What API Gateway writes for each route and method. Source: AWS documentation, "Amazon API Gateway dimensions and
# metrics". The other two are about its cache, which this API does not have.
DETAILED_METRICS = ("4XXError", "5XXError", "Count", "IntegrationLatency", "Latency")


def own_metrics() -> set[Metric]:
    return {("ShotGridLogin", name, STACK) for name in written_metrics()}


def of_functions(metric: str) -> set[Metric]:
    return {("AWS/Lambda", metric, (("FunctionName", f"{function}Function"),)) for function in FUNCTIONS}


def alarm_metric(alarm: dict[str, Any]) -> Metric:
    dimensions = tuple((dimension["Name"], dimension["Value"]["Ref"]) for dimension in alarm["Dimensions"])
    return alarm["Namespace"], alarm["MetricName"], dimensions


def widgets() -> list[dict[str, Any]]:
    (dashboard,) = resources("AWS::CloudWatch::Dashboard").values()
    body = dashboard["DashboardBody"]["Fn::Sub"]
    found: list[dict[str, Any]] = json.loads(re.sub(r"\$\{(.*?)\}", r"\1", body))["widgets"]
    return found


def dashboard_metrics() -> Iterator[Metric]:
    """Yield the metrics of the dashboard. "..." repeats the previous row, except for its last value."""
    for widget in widgets():
        previous: list[str] = []
        for row in widget["properties"].get("metrics", []):
            values = [value for value in row if isinstance(value, str)]
            previous = [*previous[:-1], *values[1:]] if values[0] == "..." else values
            namespace, name, *dimensions = previous
            yield namespace, name, tuple(zip(dimensions[::2], dimensions[1::2], strict=True))


# ---- metrics -----------------------------------------------------------------------------------------------


def test_functions_write_only_metrics_that_an_alarm_or_the_dashboard_shows() -> None:
    shown = set(dashboard_metrics()) | {alarm_metric(alarm) for alarm in resources("AWS::CloudWatch::Alarm").values()}
    assert {metric for metric in shown if metric[0] == "ShotGridLogin"} == own_metrics()
    for function in FUNCTIONS:
        environment = resources("AWS::Lambda::Function")[f"{function}Function"]["Environment"]["Variables"]
        assert environment["STACK_NAME"] == {"Ref": "AWS::StackName"}  # the dimension


def test_metrics_of_each_route_are_off_by_default() -> None:
    (stage,) = resources("AWS::ApiGateway::Stage").values()
    for settings in stage["MethodSettings"]:
        assert settings["MetricsEnabled"] == {"Fn::If": ["HasDetailedMetrics", True, False]}
    assert template()["Parameters"]["DetailedMetrics"]["Default"] == "off"
    (api,) = resources("AWS::ApiGateway::RestApi").values()
    assert api["Name"] == {"Ref": "AWS::StackName"}  # the dimension of the metrics of the whole API


# ---- alarms ------------------------------------------------------------------------------------------------


def test_each_alarm_watches_one_metric_and_reports_to_the_topic() -> None:
    alarms = resources("AWS::CloudWatch::Alarm")
    watched = {alarm_metric(alarm) for alarm in alarms.values()}
    assert watched == {
        ("AWS/ApiGateway", "5XXError", API),
        *of_functions("Throttles"),
        *(own_metrics() - {("ShotGridLogin", "approval_lost", STACK)}),  # this one is only on the dashboard
    }
    assert len(watched) == len(alarms)
    for name, alarm in alarms.items():
        assert template()["Resources"][name]["Condition"] == "HasAlarmTopic"
        assert alarm["AlarmActions"] == [{"Ref": "AlarmTopicArn"}]
        assert alarm["TreatMissingData"] == "notBreaching"  # a metric is missing while nothing is counted
        assert alarm["Statistic"] == "Sum"
        assert alarm["ComparisonOperator"] == "GreaterThanThreshold"


def test_each_alarm_names_its_section_of_the_runbook() -> None:
    sections: dict[str, str] = {}
    for names, _, what_to_do in tables(section(OPERATIONS, "Alarms"))[0]:
        sections |= dict.fromkeys(code_spans(names), re.findall(r"\[(.*)\]", what_to_do)[0])
    assert {
        name.removesuffix("Alarm"): re.findall('See "(.*)" in docs/operations.md', alarm["AlarmDescription"])[0]
        for name, alarm in resources("AWS::CloudWatch::Alarm").items()
    } == sections


def test_no_alarm_counts_errors_of_functions_because_each_rejected_token_is_one() -> None:
    assert not any(alarm["MetricName"] == "Errors" for alarm in resources("AWS::CloudWatch::Alarm").values())


def test_failure_of_the_site_is_an_alarm_only_if_it_lasts() -> None:
    alarms = resources("AWS::CloudWatch::Alarm")
    lasting = {name for name, alarm in alarms.items() if "DatapointsToAlarm" in alarm}
    assert lasting == {"ServerErrorsAlarm", "SiteFailedAlarm"}
    for name in lasting:
        assert (alarms[name]["DatapointsToAlarm"], alarms[name]["EvaluationPeriods"]) == (2, 3)
    thresholds = {name: alarm["Threshold"] for name, alarm in alarms.items() if alarm["Threshold"] != 0}
    assert thresholds == {
        "FailedSignInsAlarm": {"Ref": "FailedSignIns"},
        "StartsWithoutApprovalAlarm": {"Ref": "StartsWithoutApproval"},
    }
    assert all(alarms[name]["Period"] == 3600 for name in thresholds)  # the descriptions of the parameters name an hour


# ---- dashboard and queries ---------------------------------------------------------------------------------


def test_dashboard_shows_metrics_that_exist_and_is_small_enough_to_be_free() -> None:
    shown = list(dashboard_metrics())
    assert set(shown) == {
        *own_metrics(),
        *(("AWS/ApiGateway", name, API) for name in ("Count", "4XXError", "5XXError", "Latency")),
        *of_functions("Throttles"),
        *of_functions("ConcurrentExecutions"),
        *of_functions("Duration"),
        ("AWS/Lambda", "Invocations", (("FunctionName", "AuthorizerFunction"),)),
        ("AWS/Lambda", "Errors", (("FunctionName", "AuthorizerFunction"),)),
    }
    assert len(shown) <= FREE_DASHBOARD_METRICS
    assert f"This one has {len(shown)}." in section(OPERATIONS, "What watching costs")
    assert all(widget["properties"]["region"] == "AWS::Region" for widget in widgets())


def test_dashboard_has_a_name_of_its_own_in_each_stack_and_region() -> None:
    (dashboard,) = resources("AWS::CloudWatch::Dashboard").values()
    assert dashboard["DashboardName"] == {"Fn::Sub": "${AWS::StackName}-${AWS::Region}"}


def test_dashboard_does_not_overlap() -> None:
    cells = [
        (x, y)
        for widget in widgets()
        for x in range(widget["x"], widget["x"] + widget["width"])
        for y in range(widget["y"], widget["y"] + widget["height"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24


def test_queries_read_all_logs_and_name_only_messages_that_exist() -> None:
    groups: list[Any] = [{"Ref": f"{function}Logs"} for function in FUNCTIONS]
    groups.append({"Fn::If": ["HasAccessLog", {"Ref": "AccessLogs"}, {"Ref": "AWS::NoValue"}]})
    queries = resources("AWS::Logs::QueryDefinition")
    assert all(query["LogGroupNames"] == groups for query in queries.values())
    text = "\n".join(query["QueryString"] for query in queries.values())
    named = {name for names in re.findall(r"message in \[(.*?)\]", text) for name in re.findall(r'"(.*?)"', names)}
    source = "\n".join(path.read_text() for path in (ROOT / "layers" / "shotgrid_login").rglob("*.py"))
    source += "\n".join(path.read_text() for path in (ROOT / "functions").glob("*/app.py"))
    assert {name for name in named if f'"{name}"' not in source} == set()


def test_documented_command_shows_the_same_lines_as_the_query_of_failures() -> None:
    query = resources("AWS::Logs::QueryDefinition")["FailureQuery"]["QueryString"]
    (named,) = re.findall(r'filter level = "ERROR" or message in \[(.*)\]', query)
    expected = " || ".join(['($.level = "ERROR")', *(f"($.message = {name})" for name in named.split(", "))])
    assert f"--filter-pattern '{{ {expected} }}'" in OPERATIONS.read_text()


@pytest.mark.parametrize("query", ["RequestQuery", "CallerQuery"])
def test_query_shows_the_address_which_only_the_access_log_has(query: str) -> None:
    (stage,) = resources("AWS::ApiGateway::Stage").values()
    fields = json.loads(stage["AccessLogSetting"]["Fn::If"][1]["Format"])
    shown = re.split(r"\W+", resources("AWS::Logs::QueryDefinition")[query]["QueryString"])
    assert {"address", "route", "status"} <= fields.keys() & set(shown)


def test_commands_that_create_a_lost_table_again_match_the_template() -> None:
    commands = [block.text for block in blocks("text") if "aws dynamodb create-table" in block.text]
    options = shlex.split(commands[0].splitlines()[0])
    words: dict[str, list[str]] = {}
    for option in options[3:]:
        if option.startswith("--"):
            words[option] = []
        else:
            words[[*words][-1]].append(option)
    table = resources("AWS::DynamoDB::Table")["StateTable"]
    rows = table["AttributeDefinitions"]
    (index,) = table["GlobalSecondaryIndexes"]
    key = f"KeySchema=[{{AttributeName={index['KeySchema'][0]['AttributeName']},KeyType=HASH}}]"
    projection = f"Projection={{ProjectionType={index['Projection']['ProjectionType']}}}"
    assert words == {
        "--table-name": ["STATE_TABLE"],
        "--billing-mode": [table["BillingMode"]],
        "--attribute-definitions": [
            f"AttributeName={row['AttributeName']},AttributeType={row['AttributeType']}" for row in rows
        ],
        "--key-schema": ["AttributeName=id,KeyType=HASH"],
        "--global-secondary-indexes": [f"IndexName={index['IndexName']},{key},{projection}"],
        "--sse-specification": ["Enabled=true,SSEType=KMS,KMSMasterKeyId=KEY_ARN"],
    }
    assert table["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert "Enabled=true,AttributeName=expires_at" in commands[0]


# ---- access log and traces ---------------------------------------------------------------------------------


def test_access_log_is_off_by_default_and_contains_nothing_that_a_caller_typed() -> None:
    assert template()["Parameters"]["AccessLog"]["Default"] == "off"
    assert template()["Resources"]["AccessLogs"]["Condition"] == "HasAccessLog"
    (stage,) = resources("AWS::ApiGateway::Stage").values()
    condition, setting, otherwise = stage["AccessLogSetting"]["Fn::If"]
    assert (condition, otherwise) == ("HasAccessLog", {"Ref": "AWS::NoValue"})
    assert setting["DestinationArn"] == {"Fn::GetAtt": ["AccessLogs", "Arn"]}
    assert "\n" not in setting["Format"]
    # Error messages of API Gateway repeat the Authorization header. Paths and header fields can be anything.
    assert set(json.loads(setting["Format"]).values()) == {
        "$context.requestId",
        "$context.extendedRequestId",
        "$context.requestTimeEpoch",
        "$context.httpMethod",
        "$context.resourcePath",
        "$context.status",
        "$context.error.responseType",
        "$context.responseLatency",
        "$context.integrationLatency",
        "$context.identity.sourceIp",
    }


def test_traces_are_off_by_default_and_never_have_the_headers_of_a_request() -> None:
    assert template()["Parameters"]["Tracing"]["Default"] == "off"
    (stage,) = resources("AWS::ApiGateway::Stage").values()
    assert "TracingEnabled" not in stage  # API Gateway records headers in its traces
    for function in FUNCTIONS:
        mode = resources("AWS::Lambda::Function")[f"{function}Function"]["TracingConfig"]["Mode"]
        assert mode == {"Fn::If": ["HasTracing", "Active", "PassThrough"]}


def test_every_role_can_send_traces_before_they_are_switched_on() -> None:
    for function in FUNCTIONS:
        policies = resources("AWS::IAM::Role")[f"{function}Role"]["Policies"]
        sends = {
            "Sid": "SendTraces",
            "Effect": "Allow",
            "Action": ["xray:PutTraceSegments", "xray:PutTelemetryRecords"],
            "Resource": "*",  # X-Ray has no resources for these actions
        }
        policy = {"PolicyName": "traces", "PolicyDocument": {"Version": "2012-10-17", "Statement": [sends]}}
        assert policy in policies


# ---- the bill ----------------------------------------------------------------------------------------------


def test_operations_guide_has_the_bill_of_metrics_and_alarms() -> None:
    (api,) = resources("AWS::ApiGateway::RestApi").values()
    methods = sum(len(operations) for operations in api["Body"]["paths"].values())
    numbers = {
        "Alarms": (len(resources("AWS::CloudWatch::Alarm")), ALARM_PRICE),
        "Metrics of the functions": (len(written_metrics()), METRIC_PRICE),
        "`DetailedMetrics=on`": (methods * len(DETAILED_METRICS), METRIC_PRICE),
    }
    rows = tables(section(OPERATIONS, "What watching costs"))[0]
    documented = {row[0]: (row[1], row[2]) for row in rows}
    for name, (number, price) in numbers.items():
        assert documented[name] == (f"{number} × ${price:.2f}", f"${number * price:.2f}"), name


@pytest.mark.parametrize("parameter", ["Dashboard", "DetailedMetrics", "AccessLog", "Tracing"])
def test_parameter_that_switches_something_has_two_values(parameter: str) -> None:
    assert template()["Parameters"][parameter]["AllowedValues"] == ["on", "off"]
    assert template()["Conditions"][f"Has{parameter}"] == {"Fn::Equals": [{"Ref": parameter}, "on"]}
