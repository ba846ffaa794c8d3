"""A check kept for later, and what has changed since.

The file holds the site's and the gateway's address, the time, and each line's status and value: no secret, no token,
no user name. It is JSON: `{"format", "version", "site", "gateway", "saved_at", "findings": {name: {"status",
"value"}}}`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from shotgrid_login_ops.check.findings import Finding, Status, shown

FORMAT = "shotgrid_login check"
VERSION = 1
MAX_BYTES = 1024 * 1024


class NotUsable(Exception):
    """The file cannot be written, or is none that a check has saved; the message says which and what to do."""


@dataclass(frozen=True)
class Saved:
    """An earlier check. `values` has no line that nobody looked at then."""

    site: str
    saved_at: str
    values: Mapping[str, str]


class File:
    """A new file, made before anybody is asked for a password, so that no check is done for nothing."""

    def __init__(self, path: Path) -> None:
        """Make it, readable by its owner alone; raises `NotUsable`."""
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise NotUsable(
                f"--save: {path} exists already and may be what you compare with. Use another name."
            ) from None
        except OSError as error:
            raise NotUsable(f"--save: {path} cannot be written ({error.strerror}). Use another place.") from None

    def write(self, site: str, gateway: str | None, now: str, findings: Iterable[Finding]) -> None:
        """Fill it; raises `NotUsable`."""
        text = json.dumps(
            {
                "format": FORMAT,
                "version": VERSION,
                "site": site,
                "gateway": gateway,
                "saved_at": now,
                "findings": {one.name: {"status": one.status.value, "value": one.value} for one in findings},
            },
            indent=1,
        )
        try:
            with os.fdopen(self._descriptor, "w") as file:
                file.write(f"{text}\n")
        except OSError as error:
            self.path.unlink(missing_ok=True)
            raise NotUsable(f"--save: {self.path} cannot be written ({error.strerror}).") from None

    def drop(self) -> None:
        """Take it away again: there is nothing to keep."""
        os.close(self._descriptor)
        self.path.unlink(missing_ok=True)


def load(path: Path, site: str) -> Saved:
    """Read what an earlier check of the same site has saved; raises `NotUsable`."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES)
    except OSError as error:
        raise NotUsable(f"--compare: {path} cannot be read ({error.strerror}).") from None
    foreign = NotUsable(f"--compare: {path} is no file that --save has written. Name one that is.")
    try:
        kept = json.loads(text)
    except (ValueError, RecursionError):
        raise foreign from None
    if not isinstance(kept, dict) or kept.get("format") != FORMAT:
        raise foreign
    if kept.get("version") != VERSION:
        raise NotUsable(f"--compare: {path} was saved by another version of this command. Save a new one.")
    of, saved_at, findings = kept.get("site"), kept.get("saved_at"), kept.get("findings")
    if not isinstance(of, str) or not isinstance(saved_at, str) or not isinstance(findings, dict):
        raise foreign
    if of != site:
        raise NotUsable(f"--compare: {path} is about {shown(of)}, and this check about {site}. Compare the same site.")
    values = {
        shown(name): shown(line["value"])
        for name, line in findings.items()
        if isinstance(line, dict) and isinstance(line.get("value"), str)
    }
    return Saved(site, shown(saved_at), values)


def compare(saved: Saved, findings: Iterable[Finding]) -> list[Finding]:
    """Return the lines with what they were, where both checks looked and saw something else."""
    return [_compared(finding, saved.values.get(finding.name)) for finding in findings]


def only_then(saved: Saved, findings: Iterable[Finding]) -> list[str]:
    """Return the names of the lines that were looked at then, and were not now."""
    return sorted(saved.values.keys() - {finding.name for finding in findings if finding.value is not None})


def _compared(finding: Finding, was: str | None) -> Finding:
    if was is None or finding.value in (None, was):
        return finding
    status = Status.CHANGED if finding.status is Status.OK else finding.status
    return replace(finding, status=status, was=was)
