"""Rules by permission group: what they ask for, and that a mistake in one keeps everybody out."""

from __future__ import annotations

import re

import pytest

from shotgrid_login.authorizer_rules import Rule, Rules
from shotgrid_login.configuration import ConfigurationError
from tests.support.template import template

APIS = "123456789012:abcdef1234,210987654321:ghijkl5678,111122223333:*"

GOOD = [
    "",
    "abcdef1234=Admin;",
    "abcdef1234=Artist|Manager|Admin;",
    "abcdef1234/reports=Manager|Admin;",
    "abcdef1234/reports/daily=Manager,ghijkl5678=Admin,abcdef1234=Artist;",
    "abcdef1234=Production Coordinator|Équipe Léon & Co. (Paris);",
]
# What the template's pattern refuses, before anything is deployed.
BAD = [
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
    "abcdef1234/${stage}=Admin;",
    "abcdef1234=Admin\n;",
    ";",
    "\n;",
]
# What only the whole of both parameters shows.
CONTRADICTORY = [
    ("abcdef1235=Admin;", "rule 1 is for abcdef1235"),
    ("abcdef1234=Admin,other12345/reports=Admin;", "rule 2 is for other12345"),
    ("abcdef1234=Admin,abcdef1234=Manager;", "rule 2 is for abcdef1234, as one before"),
    ("abcdef1234/a=Admin,abcdef1234/b=Admin,abcdef1234/a=Manager;", "rule 3 is for abcdef1234/a, as one before"),
    (",".join(f"abcdef1234/section-{number:02}=Admin" for number in range(20)) + ";", "rule 11 is one too many"),
]


def deployed(text: str) -> bool:
    """Tell whether CloudFormation takes it. Its patterns are Java's, in which white space is ASCII's."""
    return bool(re.fullmatch(template()["Parameters"]["AuthorizerRules"]["AllowedPattern"], text, re.ASCII))


@pytest.mark.parametrize("text", GOOD)
def test_a_rule_is_read(text: str) -> None:
    Rules.parse(text, APIS)
    assert deployed(text)


@pytest.mark.parametrize("text", BAD)
def test_a_mistake_is_refused_before_it_is_deployed_and_again_by_the_function(text: str) -> None:
    assert not deployed(text)
    with pytest.raises(ConfigurationError, match=r"AUTHORIZER_RULES: rule \d"):
        Rules.parse(text, APIS)


@pytest.mark.parametrize("text", GOOD)
def test_a_list_that_was_cut_anywhere_is_refused(text: str) -> None:
    for end in range(1, len(text)):
        assert not deployed(text[:end])
        with pytest.raises(ConfigurationError, match="no semicolon at the end"):
            Rules.parse(text[:end], APIS)


@pytest.mark.parametrize("space", ["\u00a0", "\u3000", "\u2028"])
def test_both_take_the_same_for_white_space(space: str) -> None:
    text = f"abcdef1234=Admin{space};"
    assert deployed(text)
    assert len(Rules.parse(text, APIS).unmet("abcdef1234", "Admin")) == 1


@pytest.mark.parametrize(("text", "said"), CONTRADICTORY)
def test_a_rule_for_no_known_api_or_for_the_same_twice_is_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        Rules.parse(text, APIS)


def test_an_account_names_no_api_that_a_rule_could_be_for() -> None:
    with pytest.raises(ConfigurationError):
        Rules.parse("abcdef1234=Admin;", "123456789012:*")


@pytest.mark.parametrize("apis", ["", "123456789012:abcdef1234", "123456789012:*,210987654321:ghijkl5678"])
def test_apis_are_named_by_account_and_id(apis: str) -> None:
    Rules.parse("", apis)
    assert re.fullmatch(template()["Parameters"]["AuthorizerApis"]["AllowedPattern"], apis)


@pytest.mark.parametrize(
    "apis", ["*", "*:*", "abcdef1234", "123456789012", "123456789012:abcdef1234,", "123456789012:a/b"]
)
def test_an_api_that_is_named_otherwise_is_refused(apis: str) -> None:
    assert not re.fullmatch(template()["Parameters"]["AuthorizerApis"]["AllowedPattern"], apis)
    with pytest.raises(ConfigurationError, match=r"AUTHORIZER_APIS: entry \d"):
        Rules.parse("", apis)


def test_a_person_meets_a_rule_with_one_of_its_groups() -> None:
    rules = Rules.parse("abcdef1234=Artist|Admin,abcdef1234/reports=Manager|Admin;", APIS)
    whole = Rule("abcdef1234", "", frozenset({"Artist", "Admin"}))
    reports = Rule("abcdef1234", "/reports", frozenset({"Manager", "Admin"}))
    assert rules.unmet("abcdef1234", "Admin") == ()
    assert rules.unmet("abcdef1234", "Artist") == (reports,)
    assert rules.unmet("abcdef1234", "Manager") == (whole,)
    assert rules.unmet("abcdef1234", "Vendor") == (whole, reports)
    assert rules.unmet("ghijkl5678", "Vendor") == ()


@pytest.mark.parametrize("group", ["", "admin", "Admin ", "Artist|Admin", "Admi"])
def test_a_group_is_compared_as_the_site_spells_it(group: str) -> None:
    assert len(Rules.parse("abcdef1234=Artist|Admin;", APIS).unmet("abcdef1234", group)) == 1
