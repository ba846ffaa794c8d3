"""Two resource types that MiniStack's CloudFormation does not have.

- AWS::Logs::QueryDefinition: it checks the log groups of a query. Nothing runs a saved query here, so nothing keeps it.
- AWS::WAFv2::WebACLAssociation: it associates a web ACL, as the call of AWS WAF does. Nothing filters requests here.
"""

# ruff: noqa: SLF001  MiniStack has no public way to add a resource type, and its version is pinned.

from __future__ import annotations

import uuid
from typing import Any

from ministack.services import cloudwatch_logs, waf
from ministack.services.cloudformation import provisioners


def add() -> None:
    """Let MiniStack create, update and delete stacks with these types."""
    provisioners._RESOURCE_HANDLERS["AWS::Logs::QueryDefinition"] = {
        "create": lambda logical_id, properties, stack: _checked(str(uuid.uuid4()), properties),
        "update": lambda physical_id, old, new, stack: _checked(physical_id, new),
        "delete": lambda physical_id, properties: None,
    }
    provisioners._RESOURCE_HANDLERS["AWS::WAFv2::WebACLAssociation"] = {
        "create": lambda logical_id, properties, stack: _associated(properties),
        "update": lambda physical_id, old, new, stack: _associated(new),
        "delete": lambda physical_id, properties: waf._disassociate_web_acl(properties),
    }


def _checked(query_id: str, properties: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    missing = [name for name in properties["LogGroupNames"] if name not in cloudwatch_logs._log_groups]
    if missing or not properties["Name"] or not properties["QueryString"]:
        raise ValueError(f"AWS::Logs::QueryDefinition: no such log group: {missing}")
    return query_id, {"QueryDefinitionId": query_id}


def _associated(properties: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    status, _, body = waf._associate_web_acl(properties)
    if status != 200:
        raise ValueError(f"AWS::WAFv2::WebACLAssociation: {body!r}")
    return f"{properties['WebACLArn']}|{properties['ResourceArn']}", {}
