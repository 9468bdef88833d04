"""Types of options: states, dates, ids, dictionaries. Each says what it would accept."""

from __future__ import annotations

import ast
import json
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import click
from click.shell_completion import CompletionItem

from jfcelery.cli.lazy import did_you_mean
from jfcelery.controller import ids
from jfcelery.errors import InputError

if TYPE_CHECKING:
    _ParamType = click.ParamType[Any]
else:  # older versions of click are not generic
    _ParamType = click.ParamType

_State = TypeVar("_State", bound=StrEnum)

#: Forms of a date that options accept, all in local time. The last two mean today.
DATE_FORMATS = (
    "%Y-%m-%d",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%H:%M:%S",
    "%H:%M",
)


class StateType(_ParamType, Generic[_State]):
    """A state by its full or short name, in any case.

    Args:
        states: The enumeration.
    """

    name = "state"

    def __init__(self, states: type[_State]) -> None:
        self.states = states

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> _State:
        """Return the state of that name."""
        if isinstance(value, self.states):
            return value
        known = self._by_name()
        found = known.get(str(value).upper())
        if found is None:
            names = ", ".join(self.states)
            hint = did_you_mean(str(value).upper(), [s.value for s in self.states])
            self.fail(f"{value!r} is no state.{hint} States: {names}", param, ctx)
        return found

    def _by_name(self) -> dict[str, _State]:
        shorts = {getattr(s, "short", s.value): s for s in self.states}
        return shorts | {s.value: s for s in self.states}

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Return the states that begin like what was typed."""
        del ctx, param
        return [CompletionItem(s) for s in self.states if s.startswith(incomplete.upper())]


class LocalDate(_ParamType):
    """A date or time, local, as an aware datetime."""

    name = "date"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the aware datetime of a text in one of :data:`DATE_FORMATS`."""
        if isinstance(value, datetime):
            return value.astimezone()
        moment = next(filter(None, (_parsed(value, form) for form in DATE_FORMATS)), None)
        if moment is None:
            forms = "YYYY-MM-DD, YYYY-MM-DDTHH:MM:SS or HH:MM"
            self.fail(f"{value!r} is no date that exists. Write {forms}.", param, ctx)
        return moment


def _parsed(text: str, form: str) -> datetime | None:
    try:
        parsed = datetime.strptime(text, form)  # noqa: DTZ007 - made aware below
    except ValueError:
        return None
    return parsed.astimezone() if "%Y" in form else _today(parsed)


def _today(clock: datetime) -> datetime:
    now = datetime.now().astimezone()
    moment = datetime.combine(now.date(), clock.time()).astimezone()
    return moment if moment <= now else moment - timedelta(days=1)


class IdType(_ParamType):
    """An id of one kind, checked by one of the functions of :mod:`~jfcelery.controller.ids`.

    Args:
        name: What help shows.
        check: Returns the value or raises InputError.
    """

    def __init__(self, name: str, check: Any) -> None:
        self.name = name
        self.check = check

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the checked id."""
        if not isinstance(value, str):
            return value
        try:
            return self.check(value)
        except InputError as error:
            self.fail(f"{error.message}. {error.remedy}", param, ctx)


class Dictionary(_ParamType):
    """A dictionary: JSON, or ``key=value`` pairs separated by commas."""

    name = "dict"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, Any]:
        """Return the dictionary."""
        if isinstance(value, dict):
            return value
        if value.lstrip().startswith(("{", "[")):
            return self._from_json(value, param, ctx)
        pairs = [chunk.partition("=") for chunk in value.split(",")]
        if not all(key.strip() and equals for key, equals, _ in pairs):
            self.fail(
                f"{value!r} is neither JSON ('{{\"key\": 1}}') nor key=value,key2=value2",
                param,
                ctx,
            )
        return {key.strip(): literal(text.strip()) for key, _, text in pairs}

    def _from_json(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, Any]:
        try:
            loaded = json.loads(value)
        except json.JSONDecodeError as error:
            self.fail(f"{value!r} is no JSON: {error}", param, ctx)
        if not isinstance(loaded, dict):
            self.fail(f"{value!r} is no JSON object", param, ctx)
        return loaded


def literal(text: str) -> Any:
    """Return the number, boolean, None or quoted string that a text spells, or the text itself."""
    words = {"true": True, "false": False, "null": None}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


#: ``UUID:INDEX`` of a job.
JOB_ID = IdType("uuid:index", ids.parse_job_id)
#: uuid of a job, without index.
JOB_UUID = IdType("uuid", ids.check_uuid)
#: ``db_id`` of a job.
DB_ID = IdType("db id", ids.check_db_id)
