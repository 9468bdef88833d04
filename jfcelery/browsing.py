"""Opening an address that lets in whoever has it.

On the command line of a browser everybody on this machine could read it. So the browser is given a
page that only its owner may read, and that leads there.
"""

from __future__ import annotations

import webbrowser
from html import escape
from typing import TYPE_CHECKING

from jfcelery.services.record import write_private

if TYPE_CHECKING:
    from pathlib import Path

#: Name of the page.
PAGE = "open.html"
_TEXT = """<!DOCTYPE html>
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url={url}">
<title>jfcelery</title>
<a href="{url}">jfcelery</a>
"""


def open_privately(url: str, folder: Path) -> None:
    """Open an address in a browser, if there is one.

    Args:
        url: The address, with what lets in.
        folder: Where the page is put.
    """
    page = folder / PAGE
    write_private(page, _TEXT.format(url=escape(url)))
    webbrowser.open(page.absolute().as_uri())
