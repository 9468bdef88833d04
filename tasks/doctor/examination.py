"""All checks, one after the other; none ends the examination."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import TYPE_CHECKING, Protocol

from jfcelery.errors import JfceleryError
from jfcelery.tasks.doctor import (
    database,
    machine,
    messages,
    notifications,
    runner,
    workers,
)
from jfcelery.tasks.doctor.finding import Finding, error
from jfcelery.tasks.pulse import redis_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.project import Project

logger = logging.getLogger(__name__)

#: What helps where a check itself fails.
_REPORT = "This should not be: send the file that `jfc doctor --bug-report FILE` writes."


class Check(Protocol):
    """Looks at one thing."""

    def __call__(self, project: Project) -> Iterator[Finding]:
        """Yield what it finds."""
        ...


#: The checks by what they look at, in the order in which one would repair.
CHECKS: dict[str, Check] = {
    "versions": machine.versions,
    "folders": machine.folders,
    "project file": machine.project_file,
    "database": database.check,
    "broker": messages.check,
    "runner": runner.check,
    "notifications": notifications.check,
    "hosts": workers.breakers,
    "workers": workers.check,
}
#: Those of them that ask Redis.
OF_REDIS = frozenset({"broker", "runner"})


def examine(project: Project, *, reach_workers: bool = True) -> Iterator[Finding]:
    """Yield all findings on a project.

    Args:
        project: The project.
        reach_workers: Whether the workers are logged in to.
    """
    for subject, check in CHECKS.items():
        if subject == "workers" and not reach_workers:
            continue
        try:
            with redis_errors() if subject in OF_REDIS else nullcontext():
                yield from check(project)
        except JfceleryError as failure:
            yield error(subject, failure.message, failure.remedy or _REPORT)
        except Exception as failure:
            logger.debug("The check of %s failed", subject, exc_info=True)
            yield error(subject, f"unexpected {type(failure).__name__}: {failure}", _REPORT)
