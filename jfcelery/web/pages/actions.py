"""Buttons that change jobs: a preview first, then a confirmation, then what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nicegui import run, ui

from jfcelery.errors import JfceleryError
from jfcelery.web.acting import perform, preview
from jfcelery.web.api.models import Act, JobSelection
from jfcelery.web.pages.dialogs import asked, confirmed, tell
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
            tell("Choose jobs first.", "warning")
            return
        act = Act(jobs=jobs, **fields)
        try:
            seen = await run.io_bound(preview, self.current.controller(), act)
        except JfceleryError as error:
            show_error(error)
            return
        if seen is None:  # the server ends
            return
        warning = f'<p class="error">{text(seen.warning)}</p>' if seen.warning else ""
        content = Safe(f"<p>{text(seen.text)}</p>{warning}")
        agreed = await confirmed(content, seen.text.split(" ", maxsplit=1)[0])
        if agreed:
            await self._do(act.model_copy(update={"expected": seen.number}))

    async def _do(self, act: Act) -> None:
        if not self.caller.may_act:  # the session may have ended since the page was opened
            leave()
            return
        try:
            done = await run.io_bound(perform, self.current.controller(), act)
        except JfceleryError as error:
            show_error(error)
            return
        if done is None:  # the server ends
            return
        tell("\n".join(done.text), "warning" if done.refused else "positive")

    async def _ask_priority(self) -> None:
        value = await asked("Priority", "A whole number; higher ones are taken first.")
        if value is None:
            return
        try:
            await self._ask(action="set_priority", priority=int(value))
        except ValueError:
            tell(f"{value!r} is no whole number.", "negative")

    async def _ask_resources(self) -> None:
        value = await asked("Resources", "For example nodes=2,time=01:00:00")
        if value is None:
            return
        pairs = [part.partition("=") for part in value.split(",") if part.strip()]
        if not pairs or not all(name.strip() and sign for name, sign, _ in pairs):
            tell("Write name=value, separated by commas.", "negative")
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
        if "aria-busy" in made.props:  # pressed twice
            return
        # Not disabled: it would lose the focus of the keyboard.
        made.props('aria-busy="true"')
        try:
            await then(**fields)
        finally:
            made.props(remove="aria-busy")

    made.on("click", pressed)


def button(words: str, then: Callable[[], Awaitable[None]]) -> None:
    """Show a button that does something."""
    _button(words, then)


def show_error(error: JfceleryError) -> None:
    """Say what went wrong, and what to do next."""
    tell(f"{error.message}\n{error.remedy or ''}".strip(), "negative")


async def guarded(caller: Caller, what: Callable[[], str]) -> None:
    """Do something in a thread and say what was done, or why it could not be done."""
    if not caller.may_act:
        leave()
        return
    try:
        done = await run.io_bound(what)
    except JfceleryError as error:
        show_error(error)
        return
    if done is not None:  # else the server ends
        tell(done)


def leave() -> None:
    """Say that a session has ended, which it may since the page was opened."""
    tell("You are not logged in any more.", "negative")
