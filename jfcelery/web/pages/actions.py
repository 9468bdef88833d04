"""Buttons that change jobs: a preview first, then a confirmation, then what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nicegui import run, ui

from jfcelery.errors import JfceleryError
from jfcelery.web.acting import perform, preview
from jfcelery.web.api.models import Act, JobSelection
from jfcelery.web.pages.frame import markup
from jfcelery.web.pages.markup import Safe, text

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from jfcelery.web.api.models import ActionName
    from jfcelery.web.current import Current
    from jfcelery.web.door import Caller

#: The actions that need nothing but the jobs, in the order of their buttons.
BUTTONS: dict[str, ActionName] = {
    "Retry": "retry",
    "Rerun": "rerun",
    "Pause": "pause",
    "Resume": "resume",
    "Stop": "stop",
    "Delete": "delete",
}


class ActionBar:
    """A row of buttons for the jobs that are chosen when one of them is pressed.

    Args:
        current: The project.
        caller: Who looks; without the right to act there are no buttons.
        chosen: Returns the jobs.
    """

    def __init__(
        self, current: Current, caller: Caller, chosen: Callable[[], JobSelection]
    ) -> None:
        self.current = current
        self.caller = caller
        self.chosen = chosen
        if not caller.may_act:
            return
        with ui.element("div").classes("buttons").props('role="group" aria-label="Actions"'):
            for words, action in BUTTONS.items():
                _button(words, self._ask, action=action)
            _button("Priority …", self._ask_priority)
            _button("Resources …", self._ask_resources)

    async def _ask(self, **fields: Any) -> None:
        """Show what an action would touch, and do it once it is confirmed."""
        jobs = self.chosen()
        if jobs.filter().is_empty:
            ui.notify("Choose jobs first.", type="warning")
            return
        act = Act(jobs=jobs, **fields)
        try:
            seen = await run.io_bound(preview, self.current.controller(), act)
        except JfceleryError as error:
            _show_error(error)
            return
        if seen is None:  # the server ends
            return
        warning = f'<p class="error">{text(seen.warning)}</p>' if seen.warning else ""
        content = Safe(f"<p>{text(seen.text)}</p>{warning}")
        confirmed = await _confirmed(content, seen.text.split(" ", maxsplit=1)[0])
        if confirmed:
            await self._do(act.model_copy(update={"expected": seen.number}))

    async def _do(self, act: Act) -> None:
        if not self.caller.may_act:  # the session may have ended since the page was opened
            ui.notify("You are not logged in any more.", type="negative")
            return
        try:
            done = await run.io_bound(perform, self.current.controller(), act)
        except JfceleryError as error:
            _show_error(error)
            return
        if done is None:  # the server ends
            return
        ui.notify(
            "\n".join(done.text),
            type="warning" if done.refused else "positive",
            multi_line=True,
            timeout=8000,
            close_button="OK",
        )

    async def _ask_priority(self) -> None:
        value = await _asked("Priority", "A whole number; higher ones are taken first.")
        if value is None:
            return
        try:
            await self._ask(action="set_priority", priority=int(value))
        except ValueError:
            ui.notify(f"{value!r} is no whole number.", type="negative")

    async def _ask_resources(self) -> None:
        value = await _asked("Resources", "For example nodes=2,time=01:00:00")
        if value is None:
            return
        pairs = [part.partition("=") for part in value.split(",") if part.strip()]
        if not pairs or not all(name.strip() and sign for name, sign, _ in pairs):
            ui.notify("Write name=value, separated by commas.", type="negative")
            return
        given = {name.strip(): _number(word.strip()) for name, _, word in pairs}
        await self._ask(action="set_resources", resources=given)


def _number(word: str) -> str | int:
    return int(word) if word.isdigit() else word


def _button(words: str, then: Callable[..., Awaitable[None]], **fields: Any) -> None:
    made = ui.element("button").classes("plain").props('type="button"')
    with made:
        markup(text(words))

    async def pressed() -> None:
        await then(**fields)

    made.on("click", pressed)


def button(words: str, then: Callable[[], Awaitable[None]]) -> None:
    """Show a button that does something."""
    _button(words, then)


def _show_error(error: JfceleryError) -> None:
    ui.notify(f"{error.message}\n{error.remedy or ''}".strip(), type="negative", multi_line=True)


async def _confirmed(content: Safe, verb: str) -> bool:
    with ui.dialog().props('aria-label="Confirm"') as dialog, ui.card():
        markup(content)
        with ui.row():
            ui.button("Cancel", on_click=lambda: dialog.submit("")).props("flat autofocus")
            ui.button(verb, on_click=lambda: dialog.submit(verb))
    answer = await dialog
    dialog.delete()
    return bool(answer)


async def _asked(title: str, hint: str) -> str | None:
    with ui.dialog().props(f'aria-label="{title}"') as dialog, ui.card():
        field = ui.input(title).props(f'autofocus hint="{hint}"').classes("w-64")
        field.on("keydown.enter", lambda: dialog.submit(field.value))
        with ui.row():
            ui.button("Cancel", on_click=lambda: dialog.submit(None)).props("flat")
            ui.button("Preview", on_click=lambda: dialog.submit(field.value))
    answer = await dialog
    dialog.delete()
    return str(answer) if answer else None


async def guarded(what: Callable[[], object], done: str) -> None:
    """Do something in a thread and say so, or say why it could not be done."""
    try:
        await run.io_bound(what)
    except JfceleryError as error:
        _show_error(error)
        return
    ui.notify(done, type="positive")
