"""Rules by permission group: valid and invalid lists, and which rules a user does not meet."""

from __future__ import annotations

import re

import pytest

from shotgrid_login.authorizer_rules import Rule, Rules
from shotgrid_login.configuration_error import ConfigurationError
from tests.support.template import template

APIS = "123456789012:abcdef1234,210987654321:ghijkl5678,111122223333:*"

VALID = [
    "",
    "abcdef1234=Admin;",
    "abcdef1234=Artist|Manager|Admin;",
    "abcdef1234/reports=Manager|Admin;",
    "abcdef1234/reports/daily=Manager,ghijkl5678=Admin,abcdef1234=Artist;",
    "abcdef1234=Production Coordinator|Équipe Léon & Co. (Paris);",
    f"abcdef1234/{'x' * 255}=Admin;",
]
# The template's pattern rejects these before the deployment.
MALFORMED = [
    "abcdef1234;",
    "=Admin;",
    "abcdef1234=;",
    "abcdef1234=Admin,;",
    ",abcdef1234=Admin;",
    "abcdef1234=Admin, ghijkl5678=Admin;",
    "abcdef1234 =Admin;",
    "abcdef1234= Admin;",
    "abcdef1234=Admin ;",
    "abcdef1234=Admin|;",
    "abcdef1234=|Admin;",
    "abcdef1234=Admin||Manager;",
    "abcdef1234=Admin=Manager;",
    "abcdef1234=Admin;ghijkl5678=Admin;",
    "abcdef1234=Admin;;",
    'abcdef1234="Admin";',
    "ABCDEF1234=Admin;",
    "*=Admin;",
    "123456789012:abcdef1234=Admin;",
    "abcdef1234/=Admin;",
    "abcdef1234/reports/=Admin;",
    "abcdef1234//reports=Admin;",
    "abcdef1234/*=Admin;",
    "abcdef1234/re?orts=Admin;",
    "abcdef1234/%72eports=Admin;",
    "abcdef1234/re\\ports=Admin;",
    "abcdef1234\\reports=Admin;",
    "abcdef1234/${stage}=Admin;",
    "abcdef1234=Admin\n;",
    ";",
    "\n;",
    f"abcdef1234/{'x' * 256}=Admin;",
    f"abcdef1234=Admin,abcdef1234{'/x' * 129}=Admin;",
]
# A pattern cannot detect these, because they depend on other rules or on the other parameter.
CONTRADICTORY = [
    ("abcdef1235=Admin;", "rule 1 is for API abcdef1235, which AUTHORIZER_APIS does not name"),
    ("abcdef1234=Admin,other12345/reports=Admin;", "rule 2 is for API other12345"),
    ("abcdef1234=Admin,abcdef1234=Manager;", "rule 2 is the second rule for abcdef1234"),
    ("abcdef1234/a=Admin,abcdef1234/b=Admin,abcdef1234/a=Manager;", "rule 3 is the second rule for abcdef1234/a"),
    ("abcdef1234/../reports=Admin;", "rule 1 has a dot segment"),
    ("abcdef1234/reports/.=Admin;", "rule 1 has a dot segment"),
]


def template_accepts(text: str) -> bool:
    """Whether CloudFormation accepts the parameter. Its patterns are Java's, where `\\s` matches ASCII only."""
    return bool(re.fullmatch(template()["Parameters"]["AuthorizerRules"]["AllowedPattern"], text, re.ASCII))


@pytest.mark.parametrize("text", VALID)
def test_valid_list_is_accepted_by_the_template_and_the_function(text: str) -> None:
    Rules.parse(text, APIS)
    assert template_accepts(text)


@pytest.mark.parametrize("text", MALFORMED)
def test_malformed_list_is_rejected_by_the_template_and_the_function(text: str) -> None:
    assert not template_accepts(text)
    with pytest.raises(ConfigurationError, match=r"AUTHORIZER_RULES: rule \d must be"):
        Rules.parse(text, APIS)


@pytest.mark.parametrize("text", VALID)
def test_list_that_is_truncated_anywhere_is_rejected(text: str) -> None:
    for end in range(1, len(text)):
        assert not template_accepts(text[:end])
        with pytest.raises(ConfigurationError, match="must end with a semicolon"):
            Rules.parse(text[:end], APIS)


@pytest.mark.parametrize("space", ["\u00a0", "\u3000", "\u2028"])
def test_space_outside_ascii_is_part_of_the_group_for_the_template_and_the_function(space: str) -> None:
    text = f"abcdef1234=Admin{space};"
    assert template_accepts(text)
    assert len(Rules.parse(text, APIS).unmet("abcdef1234", "Admin")) == 1


@pytest.mark.parametrize(("text", "error"), CONTRADICTORY)
def test_rule_that_contradicts_other_settings_is_rejected(text: str, error: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(error)):
        Rules.parse(text, APIS)


def test_rule_is_rejected_if_only_the_account_of_its_api_is_named() -> None:
    with pytest.raises(ConfigurationError):
        Rules.parse("abcdef1234=Admin;", "123456789012:*")


@pytest.mark.parametrize("apis", ["", "123456789012:abcdef1234", "123456789012:*,210987654321:ghijkl5678"])
def test_valid_apis_are_accepted_by_the_template_and_the_function(apis: str) -> None:
    Rules.parse("", apis)
    assert re.fullmatch(template()["Parameters"]["AuthorizerApis"]["AllowedPattern"], apis)


@pytest.mark.parametrize(
    "apis", ["*", "*:*", "abcdef1234", "123456789012", "123456789012:abcdef1234,", "123456789012:a/b"]
)
def test_malformed_apis_are_rejected_by_the_template_and_the_function(apis: str) -> None:
    assert not re.fullmatch(template()["Parameters"]["AuthorizerApis"]["AllowedPattern"], apis)
    with pytest.raises(ConfigurationError, match=r"AUTHORIZER_APIS: entry \d must be"):
        Rules.parse("", apis)


def test_user_meets_a_rule_that_lists_their_group() -> None:
    rules = Rules.parse("abcdef1234=Artist|Admin,abcdef1234/reports=Manager|Admin;", APIS)
    whole_api = Rule("abcdef1234", "", frozenset({"Artist", "Admin"}))
    reports = Rule("abcdef1234", "/reports", frozenset({"Manager", "Admin"}))
    assert rules.unmet("abcdef1234", "Admin") == ()
    assert rules.unmet("abcdef1234", "Artist") == (reports,)
    assert rules.unmet("abcdef1234", "Manager") == (whole_api,)
    assert rules.unmet("abcdef1234", "Vendor") == (whole_api, reports)
    assert rules.unmet("ghijkl5678", "Vendor") == ()


@pytest.mark.parametrize("group", ["", "admin", "Admin ", "Artist|Admin", "Admi"])
def test_group_that_is_spelled_differently_does_not_meet_a_rule(group: str) -> None:
    assert len(Rules.parse("abcdef1234=Artist|Admin;", APIS).unmet("abcdef1234", group)) == 1
