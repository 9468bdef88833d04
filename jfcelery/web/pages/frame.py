"""What all pages have in common: navigation, live parts, who looks."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from nicegui import run, ui
from nicegui.elements.mixins.content_element import ContentElement

from jfcelery.errors import JfceleryError
from jfcelery.web.door import caller_of
from jfcelery.web.pages.markup import Safe, text
from jfcelery.web.pages.style import CSS
from jfcelery.web.shared import REST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi import Request

    from jfcelery.web.current import Current
    from jfcelery.web.door import Caller

#: Seconds between two looks of an open page at what was read for all.
LOOK_INTERVAL = 0.5
#: Seconds between two looks at a file that grows; the host is asked each time.
FOLLOW_INTERVAL = 2.0
#: The pages of the navigation.
PAGES = {
    "/": "Overview",
    "/flows": "Flows",
    "/jobs": "Jobs",
    "/reports": "Reports",
    "/workers": "Workers",
}


@contextmanager
def frame(title: str, request: Request, current: Current) -> Iterator[Caller]:
    """Put the page's content between navigation and end; yield who looks at it."""
    path = request.url.path
    ui.add_css(CSS)
    ui.dark_mode(value=None)
    ui.page_title(f"{title} - {current.project.name}")
    items = "".join(
        f'<a href="{target}"{_current(target, path)}>{words}</a>' for target, words in PAGES.items()
    )
    with ui.header(fixed=False, wrap=False, add_scroll_padding=False):  # outside of `main`
        markup(
            Safe(
                '<a class="skip" href="#content">Skip to content</a><div class="top">'
                f'<strong>{text(current.project.name)}</strong><nav aria-label="Pages">{items}'
                '</nav><form method="post" action="/logout"><button class="plain">Log out</button>'
                "</form></div>"
            )
        )
    with ui.element("div").classes("page").props('id="content" tabindex="-1"'):
        markup(Safe(f"<h1>{text(title)}</h1>"))
        yield caller_of(request.scope)


def _current(target: str, path: str) -> str:
    same = path == target or (target != "/" and path.startswith(target.rstrip("s")))
    return ' aria-current="page"' if same else ""


def markup(content: Safe) -> ui.html:
    """Show HTML that :mod:`.markup` made."""
    return ui.html(content, sanitize=False)


class Live(ContentElement, component="live.js"):
    """HTML of which a change replaces only what differs."""


def live(
    current: Current, load: Callable[..., Safe], *arguments: object, rest: float = REST
) -> None:
    """Show what a function returns, and again whenever it is another.

    Args:
        current: The project.
        load: Reads the database and returns HTML; called in a thread with the project and the
            arguments, once for all who look at the same.
        arguments: What it needs to know besides.
        rest: For how many times as long as that took it is not called again.
    """
    place = Live(content=Safe('<p class="soft">Loading …</p>'))

    async def look() -> None:
        shown = await current.shared.get(
            (load, repr(arguments)), lambda: _guarded(lambda: load(current, *arguments)), rest=rest
        )
        if shown is not None and shown != place.content:
            place.content = shown

    ui.timer(LOOK_INTERVAL, look)


def _guarded(load: Callable[[], Safe]) -> Safe:
    try:
        return load()
    except JfceleryError as error:
        return problem(error)


def problem(error: JfceleryError) -> Safe:
    """Return what went wrong, and what to do next."""
    words = f"{error.message} {error.remedy or ''}"
    return Safe(f'<p class="error" role="alert">{text(words)}</p>')


def card(title: str) -> ui.element:
    """Return a frame around a part of a page, with its heading in it."""
    made = ui.element("section").classes("card")
    with made:
        markup(Safe(f"<h2>{text(title)}</h2>"))
    return made


def later(
    title: str,
    load: Callable[[], Safe],
    *,
    goes_on: Callable[[], bool] | None = None,
    within: bool = False,
) -> None:
    """Show a part that is read only once somebody opens it.

    Args:
        title: Its heading.
        load: Reads it and returns HTML; called in a thread.
        goes_on: Whether it still grows; it is then read again and again while it is open.
        within: Whether it stands in another part.
    """
    with ui.expansion(title).classes("" if within else "card").props("dense") as part:
        place = markup(Safe('<p class="soft">Open to load.</p>'))

    async def look() -> None:
        more = bool(goes_on and await run.io_bound(goes_on))  # first: the last reading has it all
        shown = await run.io_bound(_guarded, load)
        if shown is not None and shown != place.content:
            place.content = shown
        timer.active = more and part.value

    timer = ui.timer(FOLLOW_INTERVAL, look, active=False, immediate=False)
    part.on("show", look)
