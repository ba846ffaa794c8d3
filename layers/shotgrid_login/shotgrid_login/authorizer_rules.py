"""Rules that limit an API, or some of its paths, to permission groups.

The parameter `AuthorizerRules` is a list of `API=GROUP` or `API/path=GROUP|GROUP`, with commas between the rules and a
semicolon at the end. The semicolon shows that the list is complete: `sam` cuts a value at a space that is not quoted
twice, and a truncated list has fewer rules.

A user has one permission group, spelled as on the site. A user whose group is unknown meets no rule. A request must
meet every rule that applies to it.

A malformed rule, or a rule for an API that `AuthorizerApis` does not name, is never skipped. The function then fails to
start, and API Gateway rejects every request.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from shotgrid_login.configuration import ConfigurationError

# The same patterns as in `template.yaml`, which rejects most mistakes before the deployment. CloudFormation's `\s`
# matches ASCII only.
_API = re.compile(r"[0-9]{12}:([a-z0-9]{6,20}|\*)")
_GROUP = r'[^\s,;|="\\](?:[^,;|="\\]*[^\s,;|="\\])?'
_RULE = re.compile(rf"([a-z0-9]{{6,20}})((?:/[A-Za-z0-9._~-]+)*)=({_GROUP}(?:\|{_GROUP})*)", re.ASCII)

# IAM wildcards by length: `???` matches GET and PUT, `????` HEAD and POST. `*` also matches `/`, so `*/reports` would
# match every path that contains `/reports`.
METHOD_PATTERNS = ("???", "????", "PATCH", "DELETE", "OPTIONS")

# API Gateway fails if a response is longer than 8 KB (quota "AWS Lambda authorizer result size"). A response names
# each denied path once per entry of `METHOD_PATTERNS`, with the ARN of the stage before it. The rest of the 8 KB is
# for the user's data. Bytes.
_MAX_PATHS_BYTES = 5_000
_STAGE_ARN_BYTES = 80


@dataclass(frozen=True)
class Rule:
    """Callers of this API must be in one of these groups.

    `path` is the beginning of the paths that the rule applies to: `/reports` means `/reports`, `/reports/7` and
    `/reports-old`. An empty `path` means all paths.
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
        known_apis = set()
        for number, api in enumerate(apis.split(",") if apis else [], 1):
            match = _API.fullmatch(api)
            if not match:
                raise ConfigurationError(f"AUTHORIZER_APIS: entry {number} must be ACCOUNT:API or ACCOUNT:*")
            known_apis.add(match[1])
        if text and not text.endswith(";"):
            raise ConfigurationError("AUTHORIZER_RULES must end with a semicolon; the list may be truncated")
        rules: dict[tuple[str, str], Rule] = {}
        paths_bytes: Counter[str] = Counter()
        for number, part in enumerate(text[:-1].split(",") if text else [], 1):
            match = _RULE.fullmatch(part)
            if not match:
                raise ConfigurationError(f"AUTHORIZER_RULES: rule {number} must be API=GROUP or API/path=GROUP|GROUP")
            api_id, path, groups = match.groups()
            if api_id not in known_apis:
                # The id may be misspelled. Without this check, the API that was meant would have no rule.
                raise ConfigurationError(
                    f"AUTHORIZER_RULES: rule {number} is for API {api_id}, which AUTHORIZER_APIS does not name"
                )
            if {".", ".."} & set(path.split("/")):
                raise ConfigurationError(f"AUTHORIZER_RULES: rule {number} has a dot segment; no request has this path")
            if (api_id, path) in rules:
                raise ConfigurationError(f"AUTHORIZER_RULES: rule {number} is the second rule for {api_id}{path}")
            if path:
                paths_bytes[api_id] += len(METHOD_PATTERNS) * (_STAGE_ARN_BYTES + len(path))
            if paths_bytes[api_id] > _MAX_PATHS_BYTES:
                raise ConfigurationError(f"AUTHORIZER_RULES: rule {number}: too many path rules for API {api_id}")
            rules[api_id, path] = Rule(api_id, path, frozenset(groups.split("|")))
        return cls(tuple(rules.values()))

    def unmet(self, api_id: str, permission_group: str) -> tuple[Rule, ...]:
        """Return the rules of an API that a user in this group does not meet."""
        return tuple(rule for rule in self._rules if rule.api_id == api_id and permission_group not in rule.groups)
