"""What a host asks a person who logs in to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Question:
    """Something that a host, or OpenSSH, wants to know.

    Args:
        text: The question.
        said: What they said before.
        secret: Whether nobody may read the answer along.
        wants_answer: Whether it waits for one; else it only tells, such as to touch a key.
    """

    text: str
    said: str = ""
    secret: bool = True
    wants_answer: bool = True


#: Asks somebody; returns the answer, or None if they give up. The second argument tells whether
#: an answer is still of use.
Ask = Callable[[Question, Callable[[], bool]], "str | None"]
