"""Rules by which jobs that ended badly are run again by themselves."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from jfcelery.project.model import ConfigModel, problem_at

#: Ways in which the queue job of a job may end badly, in the words common to all schedulers.
END_REASONS = (
    "FAILED",
    "TIMEOUT",
    "OUT_OF_MEMORY",
    "NODE_FAIL",
    "PREEMPTED",
    "CANCELLED",
    "LOST",
    "FORGOTTEN",
)
#: Seconds in a day, an hour and a minute.
_DAY, _HOUR, _MINUTE = 86_400, 3_600, 60
_TIME = re.compile(r"(?:(\d+)-)?(\d+):([0-5]\d):([0-5]\d)")
_MEMORY = re.compile(r"(\d+(?:\.\d+)?)([KMGT])i?B?", re.IGNORECASE)
_POWERS = {"K": 1, "M": 2, "G": 3, "T": 4}


def seconds_of(text: str) -> int:
    """Return a time written as ``[DAYS-]HOURS:MINUTES:SECONDS`` in seconds.

    Raises:
        ValueError: It is written in another way.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        msg = "no time; write HOURS:MINUTES:SECONDS, in quotes, such as '48:00:00'"
        raise ValueError(msg)
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return days * _DAY + hours * _HOUR + minutes * _MINUTE + seconds


def bytes_of(text: str) -> int:
    """Return an amount of memory, such as ``64G``, in bytes.

    Raises:
        ValueError: It is written in another way.
    """
    found = _MEMORY.fullmatch(text)
    if found is None:
        msg = "no amount of memory; write a number with its unit, such as 64G"
        raise ValueError(msg)
    return int(float(found[1]) * 1024 ** _POWERS[found[2].upper()])


def _is_time(text: str) -> str:
    seconds_of(text)
    return text


def _is_memory(text: str) -> str:
    bytes_of(text)
    return text


def _is_cause(text: str) -> str:
    if text.isupper() and text not in END_REASONS:
        msg = f"{text!r} is no end that a queue job can have; those are: {', '.join(END_REASONS)}"
        raise ValueError(msg)
    if not re.fullmatch(r"[A-Za-z_][\w.]*", text):
        msg = f"{text!r} is neither the end of a queue job nor the name of an exception"
        raise ValueError(msg)
    return text


#: How a job ended: a word of END_REASONS, or the class of its error.
Cause = Annotated[str, AfterValidator(_is_cause)]


class RecoveryRule(ConfigModel):
    """What to do, without a person, about jobs that ended in a certain way.

    Of the rules of a job's worker, those of the project and the built-in one, in this order, the
    first that fits, is not used up, and can give the job what it says is applied.
    """

    on: list[Cause] = Field(
        min_length=1,
        description="Ends for which the rule is meant. How the queue job ended: `FAILED` (a code "
        "other than 0, or a signal), `TIMEOUT`, `OUT_OF_MEMORY`, `NODE_FAIL`, `PREEMPTED`, "
        "`CANCELLED` (by somebody on the cluster), `LOST` (nobody knows), `FORGOTTEN` (the "
        "scheduler took it, and knew it no more before it began; rules for `LOST` are meant, "
        "too). Or the class of the error that `jfc job info` shows, e.g. `ValueError` or "
        "`SubmissionRejectedError`.",
    )
    action: Literal["retry", "pause_flow", "leave"] = Field(
        default="retry",
        description="`retry`: a new attempt. `pause_flow`: the job stays failed, and what has not "
        "started of its flow is paused. `leave`: nothing, not even what later rules say.",
    )
    attempts: int = Field(
        default=1, ge=1, description="How many new attempts of one job the rule gives at most."
    )
    time_factor: float | None = Field(
        default=None, gt=1, description="Times how much wall time the new attempt gets."
    )
    time_ceiling: Annotated[str, AfterValidator(_is_time)] | None = Field(
        default=None,
        description="The most wall time that `time_factor` leads to, as HOURS:MINUTES:SECONDS. "
        "A job that had that much already is not helped by the rule.",
    )
    memory_factor: float | None = Field(
        default=None, gt=1, description="Times how much memory the new attempt gets."
    )
    memory_ceiling: Annotated[str, AfterValidator(_is_memory)] | None = Field(
        default=None,
        description="The most memory that `memory_factor` leads to, such as `256G`. A job that "
        "had that much already is not helped by the rule.",
    )
    resources: dict[str, Any] = Field(
        default_factory=dict,
        description="Resources that the new attempt gets in place of what it had, e.g. "
        "`partition: long`.",
    )
    worker: str | None = Field(
        default=None,
        description="Worker on which the new attempt runs, by default the same. With another "
        "scheduler it starts from that worker's own resources.",
    )
    keep_files: bool = Field(
        default=False,
        description="Whether the new attempt finds in its folder what the earlier one left there, "
        "so that a code can go on from its restart files. By default it gets an empty folder.",
    )
    notify: bool = Field(
        default=False,
        description="Whether to tell about it, too: a warning in the log, and a message by those "
        "of the `notifications` that ask for `job_recovered`.",
    )

    @property
    def key(self) -> str:
        """Tells the rule from others, wherever it stands."""
        return sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()[:8]

    @model_validator(mode="after")
    def _makes_sense(self) -> RecoveryRule:
        for name in ("time", "memory"):
            if getattr(self, f"{name}_ceiling") and not getattr(self, f"{name}_factor"):
                text = f"of no use without `{name}_factor`; add it"
                raise problem_at(f"{name}_ceiling", text)
        if self.action != "retry":
            options = ("attempts", "time_factor", "memory_factor", "resources", "worker")
            for name in (*options, "keep_files"):
                if name in self.model_fields_set:
                    raise problem_at(name, f"of no use with `action: {self.action}`; remove it")
        if self.worker is not None and self.keep_files:
            raise problem_at("keep_files", "the files stay on the earlier worker; remove it")
        return self


#: What holds where no rule of the project file says otherwise: the job was not to blame.
BUILT_IN = RecoveryRule(on=["NODE_FAIL", "PREEMPTED", "FORGOTTEN"], attempts=3)
