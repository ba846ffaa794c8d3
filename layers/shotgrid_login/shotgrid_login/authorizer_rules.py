"""Rules: which permission groups an API, or a path of it, asks for.

The parameter `AuthorizerRules` has them as `API=GROUP` or `API/path=GROUP|GROUP`, with commas between and a semicolon
at the end: `sam` cuts a value at a space that is not quoted twice, and a list that lost its end has lost rules.
A person has one permission group, spelled as the site spells it; whose group is unknown meets no rule. Every rule that
covers a request has to be met.

A rule that cannot be read, or is for an API that `AuthorizerApis` does not name, is an error and not passed over: the
function does not start then, and API Gateway lets nobody in.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from shotgrid_login.configuration import ConfigurationError

# The same as in `template.yaml`, which refuses most mistakes before they are deployed. CloudFormation's `\s` is ASCII.
_API = re.compile(r"[0-9]{12}:([a-z0-9]{6,20}|\*)")
_GROUP = r'[^\s,;|="\\](?:[^,;|="\\]*[^\s,;|="\\])?'
_RULE = re.compile(rf"([a-z0-9]{{6,20}})((?:/[A-Za-z0-9._~-]+)*)=({_GROUP}(?:\|{_GROUP})*)", re.ASCII)

# API Gateway takes answers of 8 KB (quota "AWS Lambda authorizer result size") and fails for whoever gets a longer one.
# An answer names each path that a person may not use once for each of `METHODS`, with all of the stage's ARN before it.
# The rest is for what the API is told of the person. Bytes.
_LONGEST_PATHS = 5_000
_ARN = 80

# `???` is GET and PUT, `????` is HEAD and POST. A `*` would be slashes as well, and so paths that only contain the one
# that is meant.
METHODS = ("???", "????", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True)
class Rule:
    """Whoever calls this API must be in one of these groups.

    `path` is how the paths begin that it is for, `/reports` for `/reports`, `/reports/7` and `/reports-old`; empty
    for all.
    """

    api_id: str
    path: str
    groups: frozenset[str]


class Rules:
    """All rules of a deployment."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._rules = rules

    @classmethod
    def parse(cls, text: str, apis: str) -> Rules:
        """Read the parameters `AuthorizerRules` and `AuthorizerApis`; raises `ConfigurationError`."""
        named = set()
        for number, api in enumerate(apis.split(",") if apis else [], 1):
            match = _API.fullmatch(api)
            if not match:
                raise ConfigurationError(f"AUTHORIZER_APIS: entry {number} is not ACCOUNT:API or ACCOUNT:*")
            named.add(match[1])
        if text and not text.endswith(";"):
            raise ConfigurationError("AUTHORIZER_RULES: no semicolon at the end, so something of it is missing")
        rules: dict[tuple[str, str], Rule] = {}
        lengths: Counter[str] = Counter()
        for number, part in enumerate(text[:-1].split(",") if text else [], 1):
            match = _RULE.fullmatch(part)
            if not match:
                raise ConfigurationError(f"AUTHORIZER_RULES: rule {number} is not API=GROUP or API/path=GROUP|GROUP")
            api_id, path, groups = match.groups()
            if api_id not in named:
                # Perhaps misspelled: the API that was meant would be open to everyone then.
                raise ConfigurationError(f"AUTHORIZER_RULES: rule {number} is for {api_id}, not in AUTHORIZER_APIS")
            if (api_id, path) in rules:
                raise ConfigurationError(f"AUTHORIZER_RULES: rule {number} is for {api_id}{path}, as one before it is")
            if path:
                lengths[api_id] += len(METHODS) * (_ARN + len(path))
            if lengths[api_id] > _LONGEST_PATHS:
                raise ConfigurationError(f"AUTHORIZER_RULES: rule {number} is one too many for paths of {api_id}")
            rules[api_id, path] = Rule(api_id, path, frozenset(groups.split("|")))
        return cls(tuple(rules.values()))

    def unmet(self, api_id: str, permission_group: str) -> tuple[Rule, ...]:
        """Return the rules of an API that a person of this group does not meet."""
        return tuple(rule for rule in self._rules if rule.api_id == api_id and permission_group not in rule.groups)
