"""Dialogs: a question over the page, and what was answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from nicegui import ui

from jfcelery.web.pages.frame import markup
from jfcelery.web.pages.markup import Safe, text

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds for which it is said what was done.
TELL_SECONDS = 20


def tell(words: str, kind: Literal["positive", "negative", "warning", "info"] = "positive") -> None:
    """Say what was done; what was not stays until somebody has read it."""
    timeout = 0 if kind in {"negative", "warning"} else TELL_SECONDS * 1000
    ui.notify(words, type=kind, multi_line=True, timeout=timeout, close_button="OK")


async def confirmed(content: Safe, verb: str) -> bool:
    """Return whether somebody wants what is described.

    Args:
        content: What would be done.
        verb: Words of the button that wants it.
    """
    with ui.dialog().props('aria-label="Confirm"') as dialog, ui.card():
        markup(content)
        with ui.row():
            ui.button("Cancel", on_click=lambda: dialog.submit("")).props("flat autofocus")
            ui.button(verb, on_click=lambda: dialog.submit(verb))
    return bool(await _answer(dialog))


async def asked(
    title: str,
    hint: str,
    *,
    content: Safe = Safe(""),  # noqa: B008 - a text does not change
    button: str = "Preview",
    secret: bool = False,
    opened: Callable[[ui.dialog], None] | None = None,
) -> str | None:
    """Return what somebody types; None if they leave the dialog.

    Args:
        title: What is asked for.
        hint: How it is written.
        content: What is to be read first.
        button: Words of the button that sends it.
        secret: Whether nobody may read along, and an empty answer is one, too.
        opened: Called with the dialog.
    """
    with ui.dialog().props(f'aria-label="{text(title)}"') as dialog, ui.card():
        markup(content)
        entry = ui.input(title, password=secret).props(f'autofocus hint="{text(hint)}"')
        entry.classes("w-64").on("keydown.enter", lambda: dialog.submit(entry.value))
        if secret:
            entry.props("autocomplete=one-time-code")
        with ui.row():
            ui.button("Cancel", on_click=lambda: dialog.submit(None)).props("flat")
            ui.button(button, on_click=lambda: dialog.submit(entry.value))
    if opened:
        opened(dialog)
    answer = await _answer(dialog)
    return None if answer is None or not (answer or secret) else str(answer)


async def _answer(dialog: ui.dialog) -> Any:
    # Not at once: the end of its hiding gives the focus back to the button that opened it.
    dialog.on("hide", dialog.delete)
    return await dialog
