"""The HTML pages that README.md and docs/*.md show."""

from __future__ import annotations

import re

from tests.support.docs import blocks

# The example hosts of the documents.
GATEWAY = "https://login.studio.com"
SITE = "https://studio.shotgrid.autodesk.com"
STUDIO_API = "https://api.studio.com"


def documented_pages() -> dict[str, str]:
    """Return the pages by name. The page with the title "Own API" has the name `own-api`.

    The page `moved` is the page `before` with the change that the documents show as a diff.
    """
    pages = {}
    for block in blocks("html"):
        title = re.search("<title>(.*)</title>", block.text)
        assert title, block
        name = title[1].replace(" ", "-").lower()
        assert name not in pages, name
        pages[name] = block.text
    (diff,) = blocks("diff")
    moved = pages["before"]
    for old, new in re.findall(r"^-(.*)\n\+(.*)$", diff.text, re.MULTILINE):
        assert moved.count(old) == 1, old
        moved = moved.replace(old, new)
    return pages | {"moved": moved}
