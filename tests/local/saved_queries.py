"""The resource type AWS::Logs::QueryDefinition, which MiniStack does not have: it checks the log groups of a query.

Nothing runs a saved query here, so nothing keeps it.
"""

# ruff: noqa: SLF001  MiniStack has no public way to add a resource type, and its version is pinned.

from __future__ import annotations

import uuid
from typing import Any

from ministack.services import cloudwatch_logs
from ministack.services.cloudformation import provisioners


def add() -> None:
    """Let MiniStack create, update and delete stacks with saved queries."""
    provisioners._RESOURCE_HANDLERS["AWS::Logs::QueryDefinition"] = {
        "create": lambda logical_id, properties, stack: _checked(str(uuid.uuid4()), properties),
        "update": lambda physical_id, old, new, stack: _checked(physical_id, new),
        "delete": lambda physical_id, properties: None,
    }


def _checked(query_id: str, properties: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    missing = [name for name in properties["LogGroupNames"] if name not in cloudwatch_logs._log_groups]
    if missing or not properties["Name"] or not properties["QueryString"]:
        raise ValueError(f"AWS::Logs::QueryDefinition: no such log group: {missing}")
    return query_id, {"QueryDefinitionId": query_id}
