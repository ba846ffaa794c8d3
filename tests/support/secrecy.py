"""The search for secrets in the logs and tables of a stack.

The tests remember every password, code, token, handle, challenge and user name that they use.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from tests.support.client import Gateway

SHORTEST_SECRET = 6  # characters: a code of an app


def secrets_in_logs(gateway: Gateway) -> list[str]:
    """Return the secrets and user names that are in a log of the account."""
    return secrets_in(function_logs(gateway), known_secrets(gateway) | gateway.names)


def secrets_in_tables(gateway: Gateway) -> list[str]:
    """Return the secrets that are in the clear in a table of the stack."""
    values = b"\n".join(_values([*gateway.state.all(), *gateway.bearers.all()])).decode("latin-1")
    return secrets_in(values, {secret.encode().decode("latin-1") for secret in known_secrets(gateway)})


def known_secrets(gateway: Gateway) -> set[str]:
    """Return the secrets that tests have used. Shorter ones are words and numbers that every text contains."""
    return {secret for secret in gateway.secrets | gateway.site.secrets if len(secret) >= SHORTEST_SECRET}


def secrets_in(text: str, secrets: set[str]) -> list[str]:
    """Return the secrets that the text contains, in one pass: there are thousands of secrets and megabytes of text."""
    by_start: dict[str, list[str]] = defaultdict(list)
    for secret in secrets:
        by_start[secret[:SHORTEST_SECRET]].append(secret)
    found = set()
    for position in range(len(text)):
        for secret in by_start.get(text[position : position + SHORTEST_SECRET], ()):
            if text.startswith(secret, position) and (len(secret) > 8 or _stands_alone(text, secret, position)):
                found.add(secret)
    return sorted(found)


def _stands_alone(text: str, secret: str, position: int) -> bool:
    """Whether a short secret is a word of its own: the digits of a code can be part of a number, such as a time."""
    end = position + len(secret)
    return not (text[position - 1 : position].isalnum() or text[end : end + 1].isalnum())


def function_logs(gateway: Gateway) -> str:
    """Return all log lines of all functions."""
    logs = gateway.aws.client("logs")
    lines = []
    for group in logs.get_paginator("describe_log_groups").paginate().search("logGroups[].logGroupName"):
        for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group):
            lines += [event["message"] for event in page["events"]]
    return "\n".join(lines)


def _values(value: Any) -> list[bytes]:
    if isinstance(value, dict):
        return [part for item in value.values() for part in _values(item)]
    if isinstance(value, list):
        return [part for item in value for part in _values(item)]
    return [value if isinstance(value, bytes) else str(value).encode()]
