"""The OpenAPI document: that it agrees with the template, the code and the HTTP contract."""

from __future__ import annotations

import ast
import inspect
import json
import re
from typing import Any

import pytest

from shotgrid_login import cookie, errors, http, token_endpoint
from tests.local.stack import ROOT
from tests.support.docs import blocks, subsections
from tests.support.lambda_events import event
from tests.support.openapi import document, error_codes, operations, resolve, violations
from tests.support.template import resources

SCHEMAS = "#/components/schemas/"

# The error codes that every route can return.
EVERYWHERE = {"internal_error", "too_many_requests", "bad_request", "gateway_error"}
# Further codes of all routes that pages call, and of those with a body.
OF_PAGES = {"invalid_request", "origin_not_allowed"}
WITH_BODY = {"payload_too_large", "unsupported_media_type"}

# The token endpoint has no challenges, no browser sign-in and no files.
NOT_OF_THE_TOKEN_ENDPOINT = {"invalid_otp", "challenge_ended", "browser_sign_in_disabled", "not_found"}


def test_document_is_valid() -> None:
    from openapi_spec_validator import validate  # takes half a second, in each process of the suite

    validate(document())


def test_document_has_the_routes_of_the_template() -> None:
    (api,) = resources("AWS::ApiGateway::RestApi").values()
    deployed = {
        (method.upper(), path.replace("+}", "}"), "security" in operation)
        for path, methods in api["Body"]["paths"].items()
        for method, operation in methods.items()
    }
    assert deployed == {
        (method, path, operation["security"] == [{"apiToken": []}]) for method, path, operation in operations()
    }
    assert document()["components"]["securitySchemes"]["sessionCookie"]["name"] == cookie.SESSION


# ---- Requests ----------------------------------------------------------------------------------------------


def accepted_fields(function: str) -> tuple[dict[str, int], dict[str, int], frozenset[str]]:
    """Return what a function passes to `Request.fields`: its required fields, its optional fields and its flags."""
    tree = ast.parse((ROOT / "functions" / function / "app.py").read_text())
    # The imports and the constants. Other statements need the environment of a function.
    constants: dict[str, Any] = {}
    for statement in tree.body:
        is_constant = isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]).isupper()
        if is_constant or isinstance(statement, ast.Import | ast.ImportFrom):
            exec(ast.unparse(statement), constants)
    (call,) = (
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "request.fields"
    )
    arguments = {str(keyword.arg): eval(ast.unparse(keyword.value), constants) for keyword in call.keywords}
    return arguments["required"], arguments["optional"], arguments.get("flags", frozenset())


@pytest.mark.parametrize("function", ["password", "otp", "browser", "approval", "refresh", "logout"])
def test_request_has_the_fields_that_the_function_accepts(function: str) -> None:
    required, optional, flags = accepted_fields(function)
    request_body = document()["paths"][f"/auth/{function}"]["post"]["requestBody"]
    assert request_body["required"] == bool(required)
    schema = resolve(request_body["content"]["application/json"]["schema"])
    assert schema["additionalProperties"] is False
    assert set(schema.get("required", [])) == required.keys()
    properties = schema["properties"]
    assert properties.keys() == required.keys() | optional.keys() | flags
    assert {name for name, value in properties.items() if value.get("type") == "boolean"} == flags
    texts = {name: value for name, value in properties.items() if value.get("type") == "string"}
    assert {name: value["maxLength"] for name, value in texts.items()} == {
        name: longest for name, longest in (required | optional).items() if name != "transport"
    }


@pytest.mark.parametrize("version", ["v1", "v1.1"])
def test_form_has_the_fields_that_the_token_endpoint_accepts(version: str) -> None:
    (media_type,) = document()["paths"][f"/api/{version}/auth/access_token"]["post"]["requestBody"]["content"].items()
    assert media_type[0] == "application/x-www-form-urlencoded"
    properties = resolve(media_type[1]["schema"])["properties"]
    longest = {name: value.get("maxLength") for name, value in properties.items()}
    assert longest == token_endpoint.FIELDS | {"grant_type": None}
    for grant_type in properties["grant_type"]["enum"]:
        form = {"grant_type": grant_type, "username": "a", "password": "a", "refresh_token": "a"}
        assert token_endpoint.parse_grant(form, "https://site.example")


# ---- Responses ---------------------------------------------------------------------------------------------


def error_classes() -> list[type[errors.LoginError]]:
    classes = [value for value in vars(errors).values() if isinstance(value, type)]
    return [value for value in classes if issubclass(value, errors.LoginError) and value is not errors.LoginError]


def instance(error: type[errors.LoginError]) -> errors.LoginError:
    """Return an error, with values for what its class requires."""
    values: dict[str, Any] = {
        "detail": "A text.",
        "site_code": 108,
        "attempts_left": 3,
        "retry_after": 30,
        "reason": "a reason",
    }
    parameters = inspect.signature(error).parameters.values()
    needed = [parameter.name for parameter in parameters if parameter.default is inspect.Parameter.empty]
    return error(**{name: values[name] for name in needed})


def test_document_has_every_error_code_with_its_status() -> None:
    documented = {code for _, _, operation in operations() for code in error_codes(operation)}
    # Only the token endpoint sends OtpRequired to a caller, as the site's error code 106.
    expected = {(str(error.status), error.code) for error in error_classes() if error is not errors.OtpRequired}
    (api,) = resources("AWS::ApiGateway::RestApi").values()
    for response_type, response in api["Body"]["x-amazon-apigateway-gateway-responses"].items():
        (body,) = response["responseTemplates"].values()
        (code,) = re.findall('"code": "(.*?)"', body)
        status = str(response.get("statusCode", response_type.removeprefix("DEFAULT_")))
        expected.add((status, code))
    # API Gateway has its own limit of the size of a body, and fails with 500 if the authorizer fails.
    assert documented == expected | {("413", "bad_request"), ("500", "gateway_error")}


def test_each_route_has_the_error_codes_of_the_contract() -> None:
    contract = subsections(ROOT / "docs" / "http.md", "Routes")
    for method, path, operation in operations():
        text = contract.get(f"{method} {path}")
        if text is None or "access_token" in path:
            continue
        errors_of_route = text.rpartition("\nErrors:")[2] if "\nErrors:" in text else ""
        expected = EVERYWHERE | OF_PAGES | set(re.findall(r"\[(\w+)\]\(#\1\)", errors_of_route))
        if method == "POST":
            expected |= WITH_BODY
        if path == "/auth/session":
            expected.add("access_denied")
        assert {code for _, code in error_codes(operation)} == expected, path


@pytest.mark.parametrize("error", error_classes())
def test_error_response_matches_its_schema(error: type[errors.LoginError]) -> None:
    request = http.Request(event())
    if error is not errors.OtpRequired:
        response = http.problem(request, instance(error))
        assert violations({"$ref": SCHEMAS + error.code}, response.body) == []
    if error.code not in NOT_OF_THE_TOKEN_ENDPOINT:
        response = token_endpoint.error_response(request, instance(error))
        assert violations({"$ref": f"{SCHEMAS}TokenError{response.status}"}, response.body) == []


def test_examples_of_the_contract_match_the_schemas() -> None:
    names = {
        "signed_in": "SignedIn",
        "otp_required": "OtpRequired",
        "approval_required": "ApprovalRequired",
        "approval_pending": "ApprovalPending",
    }
    checked = set()
    for block in blocks("json"):
        if block.document != "docs/http.md":
            continue
        example = json.loads(block.text)
        name = names.get(example.get("status"), "Methods" if "method" in example else example.get("code"))
        # Some values are placeholders, so only the names of the fields count.
        found = violations({"$ref": SCHEMAS + name}, example)
        assert [error for error in found if "required" in error or "not allowed" in error] == []
        checked.add(name)
    assert checked == {*names.values(), "Methods", "invalid_otp"}
