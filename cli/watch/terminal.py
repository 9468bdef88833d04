"""The terminal: single keys in, the view out."""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.cli.watch.session import Session

#: Seconds between two looks at the keyboard: so long a changed window stays as it was.
TICK = 0.25
#: Bytes of keys that are read at once.
AT_ONCE = 64
#: What terminals send for keys that are no characters.
SEQUENCES = {
    "\x1b[A": "up",
    "\x1bOA": "up",
    "\x1b[B": "down",
    "\x1bOB": "down",
    "\x1b[D": "left",
    "\x1bOD": "left",
    "\x1b[C": "enter",
    "\x1bOC": "enter",
    "\x1b[H": "home",
    "\x1b[F": "end",
    "\x1b[5~": "pageup",
    "\x1b[6~": "pagedown",
    "\x1b": "escape",
    "\r": "enter",
    "\n": "enter",
    "\x7f": "backspace",
}


def run(session: Session, interval: float) -> None:
    """Show a session until it ends; the terminal is as before afterwards.

    Args:
        session: What is shown.
        interval: Seconds between two looks at the database.
    """
    from rich.console import Console
    from rich.live import Live

    out = Console(highlight=False)
    with _single_keys(), Live(console=out, screen=True, auto_refresh=False) as live:
        due, keyboard = 0.0, Keyboard()
        while not session.ended:
            if time.monotonic() >= due:
                session.look()
                due = time.monotonic() + interval
            live.update(session.screen(out.width, out.height), refresh=True)
            key = keyboard.next(TICK)
            if key and session.press(key):
                due = 0.0


class Keyboard:
    """Keys by their names, in the order in which they were pressed."""

    def __init__(self) -> None:
        self._typed = ""

    def next(self, timeout: float) -> str:
        """Return the next key; empty if none is pressed in time."""
        descriptor = sys.stdin.fileno()
        if not self._typed and select.select([descriptor], [], [], timeout)[0]:
            self._typed = os.read(descriptor, AT_ONCE).decode(errors="replace")
            if not self._typed:  # the terminal is gone
                return "q"
        key, length = first_key(self._typed)
        self._typed = self._typed[length:]
        return key


def first_key(text: str) -> tuple[str, int]:
    """Return the first key in what was typed, and how many characters stand for it."""
    for sequence in sorted(SEQUENCES, key=len, reverse=True):
        if text.startswith(sequence):
            return SEQUENCES[sequence], len(sequence)
    return text[:1], 1


@contextmanager
def _single_keys() -> Iterator[None]:
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
