"""The documents of the repository: their links, headings, tables and code blocks."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

from tests.local.stack import ROOT

# The documents whose `sh` blocks and HTML pages the suite runs.
GUIDES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
DOCUMENTS = (*GUIDES, *(ROOT / name for name in ("CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")))

_BLOCK = re.compile(r"^( *)```(\S*)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE_SPAN = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Block:
    """A code block, with the name of its document. `text` has no indentation and ends with a newline."""

    document: str
    language: str
    text: str


def blocks(*languages: str) -> list[Block]:
    """Return the code blocks of the guides, in these languages or in all."""
    found = [
        Block(path.relative_to(ROOT).as_posix(), language, textwrap.dedent(text))
        for path in GUIDES
        for _, language, text in _BLOCK.findall(path.read_text())
    ]
    return [block for block in found if not languages or block.language in languages]


def prose(path: Path) -> str:
    """Return the text of a document without its code blocks."""
    return _BLOCK.sub("", path.read_text())


def anchors(path: Path) -> list[str]:
    """Return the anchor that GitHub makes for each heading of a document."""
    headings = [heading.lower() for _, heading in _HEADING.findall(prose(path))]
    return [re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in headings]


def links(path: Path) -> list[str]:
    """Return the targets of the links and pictures of a document that are not URLs."""
    return [target for target in _LINK.findall(prose(path)) if not re.match(r"[a-z]+:", target)]


def section(path: Path, heading: str) -> str:
    """Return the text below a heading, including the sections below it."""
    text = prose(path)
    for match in _HEADING.finditer(text):
        if match[2] == heading:
            after = text[match.end() :]
            end = re.search(rf"^#{{1,{len(match[1])}}} ", after, re.MULTILINE)
            return after[: end.start()] if end else after
    raise AssertionError(f"{path.name} has no heading {heading!r}")


def subsections(path: Path, heading: str) -> dict[str, str]:
    """Return the text of each section one level below a heading."""
    parts = re.split(r"^### (.+)\n", section(path, heading), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def tables(text: str) -> list[list[list[str]]]:
    """Return the tables of a text: for each table its rows without the heading, for each row its cells."""
    found = []
    for table in re.findall(r"(?:^\|.*\|\n)+", text + "\n", re.MULTILINE):
        rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in table.splitlines()]
        found.append([[cell.strip() for cell in row] for row in rows[2:]])
    return found


def code_spans(text: str) -> list[str]:
    """Return what a text has between backticks."""
    return _CODE_SPAN.findall(text)
