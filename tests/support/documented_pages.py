"""The HTML pages that README.md and docs/*.md show."""

from __future__ import annotations

import re

from tests.local.stack import ROOT

# The example hosts of the documents.
GATEWAY = "https://login.studio.com"
SITE = "https://studio.shotgrid.autodesk.com"
STUDIO_API = "https://api.studio.com"


def documented_pages() -> dict[str, str]:
    """Return the pages by name. The page with the title "Own API" has the name `own-api`.

    The page `moved` is the page `before` with the change that the documents show as a diff.
    """
    text = "\n".join(path.read_text() for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))))
    pages = {}
    for page in re.findall(r"^```html\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        title = re.search("<title>(.*)</title>", page)
        assert title, page
        pages[title[1].replace(" ", "-").lower()] = page
    (diff,) = re.findall(r"^```diff\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    moved = pages["before"]
    for old, new in re.findall(r"^-(.*)\n\+(.*)$", diff, re.MULTILINE):
        assert moved.count(old) == 1, old
        moved = moved.replace(old, new)
    return pages | {"moved": moved}
