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
from dataclasses import dataclass

from shotgrid_login.configuration_error import ConfigurationError

# The same patterns as in `template.yaml`, which rejects most mistakes before the deployment. CloudFormation's `\s`
# matches ASCII only. A path has 256 characters at most: API Gateway rejects a policy with an ARN of more than 512, and
# the ARN of a path also has up to 195 characters with the stage, 9 for the method, and a `*`.
_API = re.compile(r"[0-9]{12}:([a-z0-9]{6,20}|\*)")
_GROUP = r'[^\s,;|="\\](?:[^,;|="\\]*[^\s,;|="\\])?'
_RULE = re.compile(rf"([a-z0-9]{{6,20}})(?=[^=]{{0,256}}=)((?:/[A-Za-z0-9._~-]+)*)=({_GROUP}(?:\|{_GROUP})*)", re.ASCII)

# IAM wildcards by length: `???` matches GET and PUT, `????` HEAD and POST. `*` also matches `/`, so `*/reports` would
# match every path that contains `/reports`.
METHOD_PATTERNS = ("???", "????", "PATCH", "DELETE", "OPTIONS")


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
            rules[api_id, path] = Rule(api_id, path, frozenset(groups.split("|")))
        return cls(tuple(rules.values()))

    @property
    def api_ids(self) -> frozenset[str]:
        """The APIs that have a rule."""
        return frozenset(rule.api_id for rule in self._rules)

    def unmet(self, api_id: str, permission_group: str) -> tuple[Rule, ...]:
        """Return the rules of an API that a user in this group does not meet."""
        return tuple(rule for rule in self._rules if rule.api_id == api_id and permission_group not in rule.groups)
