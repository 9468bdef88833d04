"""The two kinds of ids of a job, and how to tell them apart."""

from __future__ import annotations

import re
from uuid import UUID

from jfcelery.errors import InputError

#: A ULID, which jobflow can be set to use instead of a UUID.
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
#: A ``db_id``: a number, after the project's prefix if it has one.
_DB_ID = re.compile(r"[^\s:]*[0-9]+")


def is_uuid(text: str) -> bool:
    """Return whether a text is a jobflow id (UUID or ULID) as jobflow writes it."""
    if _ULID.fullmatch(text):
        return True
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def is_db_id(text: str) -> bool:
    """Return whether a text has the form of a ``db_id``."""
    return not is_uuid(text) and _DB_ID.fullmatch(text) is not None


def check_db_id(text: str) -> str:
    """Return a ``db_id`` unchanged.

    Raises:
        InputError: It is of another kind.
    """
    if is_uuid(text):
        raise InputError(
            f"{text} is a job's or flow's uuid where a db id is expected",
            remedy="Give it with --job-id UUID:INDEX or --flow-id UUID instead.",
        )
    if not is_db_id(text):
        raise InputError(f"{text!r} is no db id", remedy="A db id is a number: see `jfc job list`.")
    return text


def check_uuid(text: str) -> str:
    """Return a uuid unchanged.

    Raises:
        InputError: It is of another kind.
    """
    if is_uuid(text):
        return text
    remedy = "A uuid looks like e1d66c4f-81db-4fff-bda2-2bf1d79d5961."
    if is_db_id(text):
        remedy = f"It looks like a db id: give it with --db-id {text} instead."
    raise InputError(f"{text!r} is no uuid", remedy=remedy)


def parse_job_id(text: str) -> tuple[str, int]:
    """Return uuid and index of ``UUID:INDEX``.

    Raises:
        InputError: The text has another form.
    """
    uuid, colon, index = text.partition(":")
    check_uuid(uuid)
    if not colon:
        raise InputError(
            f"{text} lacks the index of the job", remedy=f"Write UUID:INDEX, for example {text}:1."
        )
    if not index.isascii() or not index.isdigit() or int(index) < 1:
        raise InputError(f"{index!r} is no index of a job", remedy="Indexes count from 1.")
    return uuid, int(index)
