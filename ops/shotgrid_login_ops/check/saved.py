"""Saved checks: write one to a file, and show what has changed since.

The file contains the addresses of the site and the gateway, the time, and each finding's status and value. It contains
no secret, token or user name. It is JSON: `{"format", "version", "site", "gateway", "saved_at", "findings": {name:
{"status", "value"}}}`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from shotgrid_login_ops.check.findings import Finding, Status, printable

FORMAT = "shotgrid_login check"
VERSION = 1
MAX_BYTES = 1024 * 1024


class UnusableFile(Exception):
    """The file cannot be written, or is not a saved check. The message names the file and what to do."""


@dataclass(frozen=True)
class SavedCheck:
    """An earlier check of the same site. `values` contains only what was checked then."""

    saved_at: str
    values: Mapping[str, str]


class NewFile:
    """A file for a check that is about to run.

    It is created before the user is prompted for a password, so that the user does not type it in vain.
    """

    def __init__(self, path: Path) -> None:
        """Create the file, readable by its owner only; raises `UnusableFile`."""
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise UnusableFile(f"--save: {path} already exists and is not overwritten. Use another name.") from None
        except OSError as error:
            raise UnusableFile(f"--save: cannot write {path} ({error.strerror}). Use another folder.") from None

    def write(self, site: str, gateway: str | None, now: str, findings: Iterable[Finding]) -> None:
        """Write the check; raises `UnusableFile`."""
        text = json.dumps(
            {
                "format": FORMAT,
                "version": VERSION,
                "site": site,
                "gateway": gateway,
                "saved_at": now,
                "findings": {
                    finding.name: {"status": finding.status.value, "value": finding.value} for finding in findings
                },
            },
            indent=1,
        )
        try:
            with os.fdopen(self._descriptor, "w") as file:
                file.write(f"{text}\n")
        except OSError as error:
            self.path.unlink(missing_ok=True)
            raise UnusableFile(f"--save: cannot write {self.path} ({error.strerror}). Use another disk.") from None

    def discard(self) -> None:
        """Delete the file, because the check did not finish."""
        os.close(self._descriptor)
        self.path.unlink(missing_ok=True)


def load(path: Path, site: str) -> SavedCheck:
    """Read a saved check of this site; raises `UnusableFile`."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES)
    except OSError as error:
        raise UnusableFile(f"--compare: cannot read {path} ({error.strerror}). Check the name.") from None
    invalid = UnusableFile(f"--compare: {path} is not a saved check. Use a file that --save has written.")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise invalid from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise invalid
    if document.get("version") != VERSION:
        raise UnusableFile(f"--compare: another version of this command has saved {path}. Save a new file.")
    saved_site, saved_at, findings = document.get("site"), document.get("saved_at"), document.get("findings")
    if not isinstance(saved_site, str) or not isinstance(saved_at, str) or not isinstance(findings, dict):
        raise invalid
    if saved_site != site:
        raise UnusableFile(
            f"--compare: {path} is a check of {printable(saved_site)}, and this is a check of {site}. Compare checks "
            "of the same site."
        )
    values = {
        printable(name): printable(finding["value"])
        for name, finding in findings.items()
        if isinstance(finding, dict) and isinstance(finding.get("value"), str)
    }
    return SavedCheck(printable(saved_at), values)


def compare(saved: SavedCheck, findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings, with the saved value where both checks have a value and the values differ."""
    return [_compared(finding, saved.values.get(finding.name)) for finding in findings]


def only_in_saved(saved: SavedCheck, findings: Iterable[Finding]) -> list[str]:
    """Return the names of what the saved check has checked and this one has not."""
    return sorted(saved.values.keys() - {finding.name for finding in findings if finding.value is not None})


def _compared(finding: Finding, was: str | None) -> Finding:
    if was is None or finding.value in (None, was):
        return finding
    status = Status.CHANGED if finding.status is Status.OK else finding.status
    return replace(finding, status=status, was=was)
