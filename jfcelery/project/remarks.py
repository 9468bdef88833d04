"""What a valid project file says in vain, or could say better."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from jfcelery.project.problems import Problem
from jfcelery.project.runner import LONGEST_LEASE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.project.project import Project

#: The sentences by which a field's description says that it does nothing.
_IN_VAIN = re.compile(r"Accepted,? (not effective yet|for jobflow-remote's files, without effect)")
#: A call of jobflow-remote's own command.
_JF = re.compile(r"(^|[\s/;&|])jf\s+(-\S+\s+)*execution\s+run\b")
#: A password that stands in a file itself, as a value or in an address.
_PASSWORD = re.compile(
    r"\b(?:password|passphrase)\b['\"]?+\s*+[:=]\s*+['\"]?+(?!\$\{|file:|null\b|[~#,}'\"])\S"
    r"|://[^/\s:@]*+:(?!\$\{)[^/\s@]++@"
)
#: Permission bits of group and others.
_OTHERS = 0o077


def notes(project: Project) -> list[Problem]:
    """Return remarks on a project: options without effect, and what to change.

    Args:
        project: The project.
    """
    return [
        *_in_vain(project, ()),
        *_execution_commands(project),
        *_lease(project),
        *_open(project),
    ]


def _in_vain(model: BaseModel, path: tuple[str, ...]) -> Iterator[Problem]:
    """Yield the options that are set to something but do nothing."""
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if name not in model.model_fields_set or value == field.get_default(
            call_default_factory=True, validated_data={}
        ):
            continue
        found = _IN_VAIN.search(field.description or "")
        if found:
            how = "not effective yet" if "yet" in found[1] else "without effect in jfcelery"
            yield Problem(".".join((*path, name)), f"{how}; the value is ignored")
        else:
            for key, inner in _models_in(name, value):
                yield from _in_vain(inner, (*path, *key))


def _models_in(name: str, value: Any) -> Iterator[tuple[tuple[str, ...], BaseModel]]:
    if isinstance(value, BaseModel):
        yield (name,), value
    elif isinstance(value, dict):
        yield from (((name, key), v) for key, v in value.items() if isinstance(v, BaseModel))


def _execution_commands(project: Project) -> Iterator[Problem]:
    for name, worker in project.workers.items():
        if _JF.search(worker.execution_cmd or ""):
            text = "it runs jobflow-remote's `jf`; write `jfc execution run {}` in its place"
            yield Problem(f"workers.{name}.execution_cmd", text)


def _lease(project: Project) -> Iterator[Problem]:
    if (project.runner.lock_timeout or 0) > LONGEST_LEASE:
        text = f"counts as {LONGEST_LEASE:.0f}: leases of dead Celery workers must expire"
        yield Problem("runner.lock_timeout", text)


def _open(project: Project) -> Iterator[Problem]:
    """Yield the remark that a file with passwords in it can be read by others."""
    source = project.source
    if source is None or not source.exists() or not source.stat().st_mode & _OTHERS:
        return
    text = source.read_text(encoding="utf-8", errors="replace")
    if _PASSWORD.search(text):
        yield Problem("", f"passwords in a file that others may read; run `chmod 600 {source}`")
