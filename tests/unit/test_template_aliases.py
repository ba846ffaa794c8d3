"""Why the stack has no Lambda aliases: SAM would leave them at a version with old values of parameters.

If one of these tests fails, SAM has changed. Then read the section "No Lambda aliases" of docs/decisions.md again.
"""

from __future__ import annotations

from typing import Any

from tests.local.stack import ROOT
from tests.support.template import parsed, translate_source


def published_version(parameters: dict[str, str], layers: str = "s3://bucket/layers") -> str:
    """Return the id of the version that SAM publishes of one function, with all that it offers for aliases."""
    source = parsed(ROOT / "template.yaml")
    kept = ("LogoutFunction", "LoginLayer", "DependenciesLayer")
    resources: dict[str, Any] = {name: source["Resources"][name] for name in kept}
    resources["LogoutFunction"]["Properties"].pop("Events")
    source["Globals"]["Function"] |= {"AutoPublishAlias": "live", "AutoPublishAliasAllProperties": True}
    for name in ("LoginLayer", "DependenciesLayer"):
        resources[name]["Properties"] |= {"ContentUri": layers, "PublishLambdaVersion": True}
    translated = translate_source({**source, "Resources": resources, "Outputs": {}}, parameters)["Resources"]
    (version,) = (name for name, resource in translated.items() if resource["Type"] == "AWS::Lambda::Version")
    return str(version)


def test_sam_publishes_no_version_if_only_a_parameter_changes() -> None:
    before = {"ShotGridSiteUrl": "https://studio.example", "SessionHours": "12"}
    after = {"ShotGridSiteUrl": "https://other.example", "SessionHours": "24"}
    assert published_version(before) == published_version(after)


def test_sam_publishes_a_version_if_a_layer_changes() -> None:
    parameters = {"ShotGridSiteUrl": "https://studio.example"}
    assert published_version(parameters) != published_version(parameters, "s3://bucket/changed")
