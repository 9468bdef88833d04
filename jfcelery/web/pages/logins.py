"""Logging in to a host that wants a person, with its questions asked in the browser."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import TYPE_CHECKING

from nicegui import run

from jfcelery.controller.holding import try_now
from jfcelery.errors import JfceleryError
from jfcelery.messages import messenger
from jfcelery.web.pages.actions import leave, show_error
from jfcelery.web.pages.dialogs import asked, tell
from jfcelery.web.pages.markup import Safe, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from nicegui import ui

    from jfcelery.questions import Question
    from jfcelery.web.current import Current
    from jfcelery.web.door import Caller

#: Seconds between two looks whether an answer is still of use.
LOOK_INTERVAL = 0.2


class Conversation:
    """Carries questions from the thread that logs in to the page, and the answers back."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._asked: asyncio.Queue[tuple[Question, Future[str | None]]] = asyncio.Queue()

    def ask(self, question: Question, alive: Callable[[], bool]) -> str | None:
        """Wait, in the thread, until the page answers; None if it does not."""
        answer: Future[str | None] = Future()
        self._loop.call_soon_threadsafe(self._asked.put_nowait, (question, answer))
        while alive():
            try:
                return answer.result(LOOK_INTERVAL)
            except TimeoutError:
                continue
        return None

    async def next(self) -> tuple[Question, Future[str | None]]:
        """Return the next question, and where its answer goes."""
        return await self._asked.get()


async def log_in(current: Current, caller: Caller, worker: str) -> None:
    """Log in to the hosts of a worker, and say how it went."""
    if not caller.may_act:
        leave()
        return
    if worker in current.logins:
        tell(f"Somebody is logging in to {worker} right now.", "warning")
        return
    current.logins.add(worker)
    try:
        lines = await _converse(current, caller, worker)
    except JfceleryError as error:
        show_error(error)
    else:
        tell("\n".join(lines))
    finally:
        current.logins.discard(worker)


async def _converse(current: Current, caller: Caller, worker: str) -> list[str]:
    talk = Conversation()

    def work() -> list[str]:
        controller = current.controller()
        lines = messenger(controller.project).log_in(worker, talk.ask)
        try_now(controller, worker)
        return lines

    done, before = asyncio.ensure_future(run.io_bound(work)), ""
    while not done.done():
        coming = asyncio.ensure_future(talk.next())
        await asyncio.wait({done, coming}, return_when=asyncio.FIRST_COMPLETED)
        if not coming.done():
            coming.cancel()
            break
        question, answer = coming.result()
        given = await _answer(worker, question, done, again=question.text == before)
        answer.set_result(given if caller.may_act else None)
        before = question.text
    return await done or []


async def _answer(
    worker: str, question: Question, done: asyncio.Task[list[str] | None], *, again: bool
) -> str | None:
    """Ask on the page; None if the person gives up, or the login is over meanwhile."""
    said = f"<pre>{text(question.said)}</pre>" if question.said else ""
    if again:
        said += '<p class="error">The answer was not taken; the host asks again.</p>'
    content = Safe(f"<h2>Log in to {text(worker)}</h2>{said}<p>{text(question.text)}</p>")
    if not question.wants_answer:
        tell(question.text, "info")
        return ""

    def opened(dialog: ui.dialog) -> None:
        def leave(_: object) -> None:
            if not dialog.is_deleted:
                dialog.submit(None)

        done.add_done_callback(leave)

    return await asked(
        "Answer",
        "It goes to the host, and is not kept.",
        content=content,
        button="Send",
        secret=question.secret,
        opened=opened,
    )
