"""The result of a check as a table for operators, and as JSON for programs."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

from shotgrid_login_ops.check.findings import Finding, Status

# Columns of the table. Wider lines than `WIDTH` are hard to read.
STATUS_COLUMNS = 9
NAME_COLUMNS = 22
WIDTH = 110
SMALLEST_WIDTH = 60

_COLORS = {Status.OK: "32", Status.CHANGED: "36", Status.PROBLEM: "31", Status.UNKNOWN: "33"}


@dataclass(frozen=True)
class Report:
    """The result of a check.

    Attributes:
        subject: what was checked, by field of the JSON: the addresses of a site and a gateway, or an AWS account.
        title: the same in words.
        checked_at: RFC 3339, UTC.
        findings: in the order of the checks.
        compared_with: when the other check was saved; None without --compare.
        only_in_saved: names of what only the saved check has checked.
    """

    subject: Mapping[str, str | None]
    title: str
    checked_at: str
    findings: Sequence[Finding]
    compared_with: str | None
    only_in_saved: Sequence[str]

    @property
    def exit_code(self) -> int:
        """1 if something is broken or would break, else 0."""
        return int(any(finding.status is Status.PROBLEM for finding in self.findings))

    def as_json(self) -> str:
        """Return the result for programs."""
        return json.dumps(
            {
                **self.subject,
                "checked_at": self.checked_at,
                "compared_with": self.compared_with,
                "exit_code": self.exit_code,
                "findings": [
                    {
                        "name": finding.name,
                        "status": finding.status.value,
                        "value": finding.value,
                        "was": finding.was,
                        "meaning": finding.meaning,
                        "next_step": finding.next_step or None,
                        "commands": finding.commands,
                    }
                    for finding in self.findings
                ],
                "only_then": list(self.only_in_saved),
            },
            indent=1,
        )

    def as_table(self, width: int, *, is_colored: bool) -> str:
        """Return the result for operators, in lines of at most `width` characters, except long words and commands."""
        title = self.title
        if self.compared_with is not None:
            title += f", compared with the check of {self.compared_with}"
        lines = [title, ""]
        for finding in self.findings:
            lines += _rows(finding, width, is_colored=is_colored)
        lines.append("")
        for sentence in self._summary():
            lines += textwrap.wrap(sentence, width, break_on_hyphens=False)
        return "\n".join(lines)

    def _summary(self) -> Iterable[str]:
        problems = ", ".join(finding.name for finding in self.findings if finding.status is Status.PROBLEM)
        changed = ", ".join(finding.name for finding in self.findings if finding.was is not None)
        yield f"Broken, or would break: {problems}." if problems else "Nothing that was checked would break."
        if self.compared_with is not None:
            yield f"Changed: {changed}." if changed else "Nothing has changed."
        if self.only_in_saved:
            yield f"Checked then, but not now: {', '.join(self.only_in_saved)}."


def write(report: Report, environment: Mapping[str, str], *, is_json: bool) -> None:
    """Write a result to standard output."""
    if is_json:
        text = report.as_json()
    else:
        text = report.as_table(_terminal_width(), is_colored=_use_color(sys.stdout, environment))
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _terminal_width() -> int:
    """Return the number of columns to use."""
    return max(SMALLEST_WIDTH, min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns - 1))


def _use_color(output: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether to color the table (no-color.org). Colors only repeat the status words."""
    return output.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


def _rows(finding: Finding, width: int, *, is_colored: bool) -> Iterable[str]:
    status = finding.status.value.ljust(STATUS_COLUMNS)
    if is_colored:
        status = f"\033[{_COLORS[finding.status]}m{status}\033[0m"
    indent = STATUS_COLUMNS + NAME_COLUMNS
    was = "" if finding.was is None else f" (was: {finding.was})"
    texts = [f"{finding.value}{was}. {finding.meaning}" if finding.value else finding.meaning]
    if finding.next_step:
        texts.append(f"Next: {finding.next_step}")
    rows = [row for text in texts for row in textwrap.wrap(text, width - indent, break_on_hyphens=False)]
    if len(finding.name) >= NAME_COLUMNS:
        yield status + finding.name
    else:
        yield status + finding.name.ljust(NAME_COLUMNS) + rows.pop(0)
    for row in (*rows, *finding.commands):
        yield " " * indent + row
