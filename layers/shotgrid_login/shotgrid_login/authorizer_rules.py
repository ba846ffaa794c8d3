"""Rules: which permission groups an API, or a path of it, asks for.

The parameter `AuthorizerRules` has them as `API=GROUP`, `API/path=GROUP` or `API/path=GROUP|GROUP`, with commas
between. A person has one permission group, spelled as the site spells it; whose group is unknown meets no rule.
Every rule that covers a request has to be met.

A rule that cannot be read, or is for an API that `AuthorizerApis` does not name, is an error and not passed over: the
function does not start then, and API Gateway lets nobody in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from shotgrid_login.configuration import ConfigurationError

# The same as in `template.yaml`, which refuses most mistakes before they are deployed.
_API = re.compile(r"[0-9]{12}:([a-z0-9]{6,20}|\*)")
_GROUP = r"[^\s,|=](?:[^,|=]*[^\s,|=])?"
_RULE = re.compile(rf"([a-z0-9]{{6,20}})((?:/[A-Za-z0-9._~-]+)*)=({_GROUP}(?:\|{_GROUP})*)")


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
        rules: dict[tuple[str, str], Rule] = {}
        for number, part in enumerate(text.split(",") if text else [], 1):
            match = _RULE.fullmatch(part)
            if not match:
                raise ConfigurationError(f"AUTHORIZER_RULES: rule {number} is not API=GROUP or API/path=GROUP|GROUP")
            api_id, path, groups = match.groups()
            if api_id not in named:
                # Perhaps misspelled: the API that was meant would be open to everyone then.
                raise ConfigurationError(f"AUTHORIZER_RULES: rule {number} is for {api_id}, not in AUTHORIZER_APIS")
            if (api_id, path) in rules:
                raise ConfigurationError(f"AUTHORIZER_RULES: rule {number} is for {api_id}{path}, as one before it is")
            rules[api_id, path] = Rule(api_id, path, frozenset(groups.split("|")))
        return cls(tuple(rules.values()))

    def unmet(self, api_id: str, permission_group: str) -> tuple[Rule, ...]:
        """Return the rules of an API that a person of this group does not meet."""
        return tuple(rule for rule in self._rules if rule.api_id == api_id and permission_group not in rule.groups)
