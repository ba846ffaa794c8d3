"""A check as people read it, and as programs do."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

from shotgrid_login_ops.check.findings import Finding, Status

# Columns: of the status, of a name, and of the whole where no terminal says, or says more than is easy to read.
STATUS_COLUMNS = 9
NAME_COLUMNS = 22
WIDTH = 110
SMALLEST_WIDTH = 60

_COLOURS = {Status.OK: "32", Status.CHANGED: "36", Status.PROBLEM: "31", Status.UNKNOWN: "33"}


@dataclass(frozen=True)
class Report:
    """A whole check.

    Attributes:
        site, gateway: the addresses that were looked at.
        checked_at: RFC 3339, UTC.
        findings: the lines, in the order in which they were looked at.
        compared_with: when the check was saved that this one was compared with; None where with none.
        only_then: lines that the saved check has looked at and this one has not.
    """

    site: str
    gateway: str | None
    checked_at: str
    findings: Sequence[Finding]
    compared_with: str | None
    only_then: Sequence[str]

    @property
    def exit_code(self) -> int:
        """1 where something would break, else 0."""
        return int(any(finding.status is Status.PROBLEM for finding in self.findings))

    def as_json(self) -> str:
        """Return it for programs."""
        return json.dumps(
            {
                "site": self.site,
                "gateway": self.gateway,
                "checked_at": self.checked_at,
                "compared_with": self.compared_with,
                "exit_code": self.exit_code,
                "findings": [
                    {
                        "name": one.name,
                        "status": one.status.value,
                        "value": one.value,
                        "was": one.was,
                        "meaning": one.meaning,
                        "next_step": one.next_step or None,
                    }
                    for one in self.findings
                ],
                "only_then": list(self.only_then),
            },
            indent=1,
        )

    def as_table(self, width: int, *, coloured: bool) -> str:
        """Return it for people, as lines of at most `width` characters where words allow."""
        heads = [self.site if self.gateway is None else f"{self.site} and the gateway {self.gateway}"]
        if self.compared_with is not None:
            heads.append(f"compared with the check of {self.compared_with}")
        lines = [", ".join(heads), ""]
        for finding in self.findings:
            lines += _rows(finding, width, coloured=coloured)
        lines.append("")
        for sentence in self._sum():
            lines += textwrap.wrap(sentence, width, break_on_hyphens=False)
        return "\n".join(lines)

    def _sum(self) -> Iterable[str]:
        def named(status: Status) -> str:
            return ", ".join(finding.name for finding in self.findings if finding.status is status)

        problems, changed = named(Status.PROBLEM), ", ".join(one.name for one in self.findings if one.was is not None)
        yield f"Would break, or does: {problems}." if problems else "Nothing that was looked at would break."
        if self.compared_with is not None:
            yield f"Changed: {changed}." if changed else "Nothing has changed."
        if self.only_then:
            yield f"Looked at then and not now: {', '.join(self.only_then)}."


def width_of_terminal() -> int:
    """Return how many columns to use."""
    return max(SMALLEST_WIDTH, min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns - 1))


def wants_colour(output: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether colours are shown and wanted (no-color.org). They repeat what the words say."""
    return output.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


def _rows(finding: Finding, width: int, *, coloured: bool) -> Iterable[str]:
    status = finding.status.value.ljust(STATUS_COLUMNS)
    if coloured:
        status = f"\033[{_COLOURS[finding.status]}m{status}\033[0m"
    indent = STATUS_COLUMNS + NAME_COLUMNS
    said = f"{finding.value}{f' (was: {finding.was})' if finding.was is not None else ''}. " if finding.value else ""
    texts = [said + finding.meaning]
    if finding.next_step:
        texts.append(f"Next: {finding.next_step}")
    rows = [row for text in texts for row in textwrap.wrap(text, width - indent, break_on_hyphens=False)]
    if len(finding.name) >= NAME_COLUMNS:
        yield status + finding.name
    else:
        yield status + finding.name.ljust(NAME_COLUMNS) + rows.pop(0)
    for row in rows:
        yield " " * indent + row
