"""The documents: their links, and that their tables agree with the code and the template."""

from __future__ import annotations

import os
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import jmespath  # type: ignore[import-untyped]
import pytest

from shotgrid_login import errors, log
from tests.local.stack import ROOT
from tests.support.docs import DOCUMENTS, anchors, blocks, code_spans, links, section, subsections, tables
from tests.support.documented_pages import documented_pages
from tests.support.source import calls, written_metrics
from tests.support.template import parsed, resources, template

README, CONTRIBUTING = ROOT / "README.md", ROOT / "CONTRIBUTING.md"
HTTP, OPERATIONS, TWO_FACTOR = (ROOT / "docs" / f"{name}.md" for name in ("http", "operations", "two-factor"))

# The languages of code blocks. The suite runs `sh` and `html`, and applies `diff`. It does not run the others.
LANGUAGES = {"sh", "html", "diff", "text", "json", "css", "js", "mermaid"}

# Wording that CONTRIBUTING.md rules out and that no correct sentence of this repository needs.
FORBIDDEN = [
    r"\bis told\b",
    r"\bkept answers?\b",
    r"\bwishes\b",
    r"\bthat is none\b",
    r"\b(?:is|are|was|were|be) said\b",
    r"\bsaid to be\b",
    r"\bbelongs? into\b",
    r"(?<!/)\bstand-in\b(?!/)",  # `/stand-in/` is a path of the fake site
]
TEXT_SUFFIXES = {".py", ".js", ".mjs", ".ts", ".html", ".css", ".md", ".yaml", ".toml"}
NOT_OURS = {"node_modules", "vendor", "__pycache__", "build"}

LEVELS = ("debug", "info", "warning", "error", "critical", "exception")


# ---- text --------------------------------------------------------------------------------------------------


def test_readme_has_at_most_150_lines() -> None:
    assert len(README.read_text().splitlines()) <= 150


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_anchors_resolve(document: Path) -> None:
    assert len(anchors(document)) == len(set(anchors(document)))
    for link in links(document):
        name, _, anchor = link.partition("#")
        target = (document.parent / name).resolve() if name else document
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_code_blocks_have_a_known_language() -> None:
    assert {block.language for block in blocks()} == LANGUAGES


def test_browser_tests_open_every_documented_page() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests" / "browser").glob("test_*.py"))
    assert [name for name in documented_pages() if not re.search(rf'["/]{name}"', tests)] == []


def test_two_factor_guide_has_the_table_of_the_readme() -> None:
    """The rehearsal compares the README's table with what it sees."""
    heading = "Switch two-factor authentication on"
    assert tables(section(TWO_FACTOR, "What breaks and what does not")) == tables(section(README, heading))


def text_files() -> Iterator[Path]:
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in NOT_OURS]
        yield from (Path(folder, name) for name in names if Path(name).suffix in TEXT_SUFFIXES or name == "Makefile")


def test_texts_do_not_have_forbidden_wording() -> None:
    forbidden = re.compile("|".join(FORBIDDEN), re.IGNORECASE)
    found = [
        f"{path}:{number}: {line.strip()}"
        for path in text_files()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if forbidden.search(line)
    ]
    assert found == []


def test_contributing_lists_every_make_target() -> None:
    (rows,) = tables(section(CONTRIBUTING, "Make targets"))
    documented = {span.split()[1] for row in rows for span in code_spans(row[0]) if " " in span}
    assert documented == set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


# ---- sam ---------------------------------------------------------------------------------------------------


def test_each_documented_stack_has_its_own_folder_in_the_bucket_of_sam() -> None:
    """`sam delete` deletes the folder of the stack, or the files of its last deployment, which another can share.

    It takes the folder from the stack's template (samcli.commands.delete.delete_context).
    """
    commands = [
        line for block in blocks() for line in block.text.replace("\\\n", " ").splitlines() if "sam deploy" in line
    ]
    stacks = [found for line in commands if (found := re.search(r"--stack-name (\S+)", line))]
    assert len(stacks) > 5
    assert [found.string for found in stacks if f" --s3-prefix {found[1]} " not in f"{found.string} "] == []


def test_stacks_share_no_folder_in_the_bucket_of_sam() -> None:
    settings = tomllib.loads((ROOT / "samconfig.toml").read_text())["default"].values()
    assert not any("s3_prefix" in command["parameters"] for command in settings)


# ---- routes and error codes --------------------------------------------------------------------------------


# Sites have their token endpoint at two paths, and so has the gateway. The documents describe the first one.
SECOND_PATHS = {"POST /api/v1.1/auth/access_token": "POST /api/v1/auth/access_token"}

# The common rules of the HTTP contract describe them together.
WARM_UPS = {f"/auth/{name}" for name in ("password", "otp", "browser", "approval")}


def routes() -> dict[str, str]:
    """Return the code of each route in the template: `{"POST /auth/otp": "functions/otp"}`.

    Preflights, `SECOND_PATHS` and `WARM_UPS` are left out.
    """
    found = all_routes()
    assert all(found.pop(f"GET {path}") == found[f"POST {path}"] for path in WARM_UPS)
    assert all(found.pop(second) == found[first] for second, first in SECOND_PATHS.items())
    return found


def all_routes() -> dict[str, str]:
    source = parsed(ROOT / "template.yaml")
    return {
        f"{event['Properties']['Method']} {event['Properties']['Path']}": resource["Properties"]["CodeUri"]
        for resource in source["Resources"].values()
        for event in resource["Properties"].get("Events", {}).values()
        if event["Properties"]["Method"] != "OPTIONS"
    }


def test_readme_lists_every_route_with_its_code() -> None:
    (rows,) = tables(section(README, "Routes"))
    documented = {code_spans(row[0])[0]: re.sub(r".*\((.*)/app\.py\)", r"\1", row[2]) for row in rows}
    pages = documented.pop("GET /…")
    expected = routes()
    assert {route for route, code in expected.items() if code == pages} == {
        "GET /",
        "GET /{file}",
        "GET /example/{file+}",
    }
    assert documented == {route: code for route, code in expected.items() if code != pages}


def test_contract_describes_the_routes_that_can_be_warmed_up() -> None:
    (rule,) = re.findall(r"^- \*\*Warming up\*\*: (.*?\.)", section(HTTP, "Common rules"), re.DOTALL | re.MULTILINE)
    assert set(code_spans(rule)) - {"GET"} == WARM_UPS


def test_contract_describes_every_route() -> None:
    described = subsections(HTTP, "Routes")
    for second, first in SECOND_PATHS.items():
        assert second.partition(" ")[2] in code_spans(described[first])
    pages = described.pop("GET: the modules and the example page")
    assert described.keys() == {route for route, code in routes().items() if code != "functions/pages"}

    (rows,) = tables(pages)
    served = {f"/{path.name}" for path in (ROOT / "functions" / "pages" / "files").iterdir() if path.is_file()}
    assert {path for row in rows for path in code_spans(row[0])} == served | {"/", "/example/…"}


def error_classes() -> list[type[errors.LoginError]]:
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    return [value for value in classes if issubclass(value, errors.LoginError)]


def test_contract_has_one_paragraph_for_each_error_code() -> None:
    # Only the token endpoint sends OtpRequired to a caller, as the site's error code 106.
    expected = {error.code: f"{error.status}." for error in error_classes() if error is not errors.OtpRequired}
    (api,) = resources("AWS::ApiGateway::RestApi").values()
    for response in api["Body"]["x-amazon-apigateway-gateway-responses"].values():
        (body,) = response["responseTemplates"].values()
        (code,) = re.findall('"code": "(.*?)"', body)
        expected[code] = str(response.get("statusCode", ""))

    described = subsections(HTTP, "Error codes")
    del described["Responses of API Gateway"]
    assert described.keys() == expected.keys()
    for code, text in described.items():
        assert text.strip().startswith(f"**{expected[code]}"), code


# ---- parameters, logs and metrics --------------------------------------------------------------------------


def test_operations_guide_has_every_parameter_with_its_default() -> None:
    documented: dict[str, str | None] = {}
    for names, default, _ in tables(section(OPERATIONS, "Parameters"))[0]:
        values = [value.strip("`") for value in default.split(", ")]
        for index, name in enumerate(code_spans(names)):
            value = values[index % len(values)]
            documented[name] = {"": None, "none": ""}.get(value, value)
    parameters = template()["Parameters"].items()
    assert documented == {name: str(row["Default"]) if "Default" in row else None for name, row in parameters}


def test_roll_back_saves_the_parameters_in_the_form_that_sam_reads() -> None:
    """In one argument, `sam deploy` reads only values in quotes that a space separates (samcli.cli.types)."""
    (save,) = (block.text for block in blocks("text") if "> ../parameters.txt" in block.text)
    values = {name: row.get("Default", "") for name, row in template()["Parameters"].items()}
    values |= {"AppName": "Studio pages", "AuthorizerRules": "abcdef1234=Artist,Vendor Manager;", "AllowedNetworks": ""}
    rows = [{"ParameterKey": name, "ParameterValue": str(value)} for name, value in values.items()]
    words = shlex.split(save)
    saved = jmespath.search(words[words.index("--query") + 1], {"Stacks": [{"Parameters": rows}]})
    assert dict(re.findall(r'(?:^| )([A-Za-z]+)="([^"]*)"(?=$| )', saved)) == {
        name: str(value) for name, value in values.items()
    }


def test_operations_guide_has_every_output() -> None:
    (rows,) = tables(section(OPERATIONS, "Outputs"))
    assert {name for row in rows for name in code_spans(row[0])} == template()["Outputs"].keys()


def outcomes() -> set[tuple[str, int]]:
    """Return the outcome and the status of every response that is logged."""
    found = {(error.outcome or error.code, error.status) for error in error_classes()}
    found |= {(outcome, status) for status, outcome, *_ in calls(r"(http\.)?Response") if outcome is not None}
    return found - {("preflight", 204)}


def test_operations_guide_has_every_outcome_with_its_status() -> None:
    rows = tables(section(OPERATIONS, "Outcomes"))[0]
    documented = {name: " ".join(row) for row in rows for name in code_spans(row[0])}
    assert documented.keys() == {outcome for outcome, _ in outcomes()}
    for outcome, status in outcomes():
        assert str(status) in documented[outcome], outcome


def test_operations_guide_has_every_log_message_with_its_level() -> None:
    logged = {(message, level.upper()) for level in LEVELS for message, *_ in calls(rf"(log\.)?logger\.{level}")}
    logged |= {(message, "ERROR") for message, *_ in calls(r"(log\.)?record_error")}
    _, additional = tables(section(OPERATIONS, "Outcomes"))
    (authorizer,) = tables(section(OPERATIONS, "The authorizer"))
    documented = {tuple(code_spans(row[0] + row[1])) for row in [*additional, *authorizer]}
    assert documented == {(message, level) for message, level in logged if message} - {("unexpected_error", "ERROR")}
    assert "unexpected_error" in code_spans(section(OPERATIONS, "Outcomes"))  # in the row of `internal_error`


def test_runbook_explains_reasons_that_exist_and_every_failure_of_the_network() -> None:
    (rows,) = tables(section(OPERATIONS, "The site fails"))
    documented = {name for row in rows for name in code_spans(row[0])}
    source = "".join(path.read_text() for path in (ROOT / "layers" / "shotgrid_login" / "shotgrid_login").glob("*.py"))
    assert {reason for reason in documented if reason not in source} == set()
    written = {reason for reason, *_ in calls("SiteUnavailable") if reason}
    assert {reason for reason in written if not reason.startswith(tuple(documented))} == set()


def test_operations_guide_has_every_metric_with_its_outcomes() -> None:
    rows = tables(section(OPERATIONS, "Metrics"))[0]
    documented = {code_spans(row[0])[0]: set(code_spans(row[1])) for row in rows}
    assert documented.keys() == written_metrics()
    for metric, names in documented.items():
        assert names >= {outcome for outcome, name in log.METRICS.items() if name == metric}, metric


def test_operations_guide_has_every_alarm_and_every_saved_query() -> None:
    alarms = [name for row in tables(section(OPERATIONS, "Alarms"))[0] for name in code_spans(row[0])]
    assert sorted(alarms) == sorted(name.removesuffix("Alarm") for name in resources("AWS::CloudWatch::Alarm"))
    queries = {name for row in tables(section(OPERATIONS, "Saved queries"))[0] for name in code_spans(row[0])}
    names = {query["Name"]["Fn::Sub"] for query in resources("AWS::Logs::QueryDefinition").values()}
    assert {f"${{AWS::StackName}}/{name}" for name in queries} == names
