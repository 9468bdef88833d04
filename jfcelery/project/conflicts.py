"""Conflicts between projects: what two of them must not share."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from jfcelery.project.project import FOLDERS
from jfcelery.project.stores import jobstore_target

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from jfcelery.project.project import Project


@dataclass(frozen=True)
class Conflict:
    """Something that two projects share but must not.

    Args:
        kind: ``collection``, ``folder`` or ``jobs_handle_dir``.
        projects: Names of the two projects.
        message: What they share, in one line.
        remedy: What to change.
    """

    kind: str
    projects: tuple[str, str]
    message: str
    remedy: str


def check_conflicts(projects: Iterable[Project]) -> list[Conflict]:
    """Return the conflicts between projects.

    Args:
        projects: The projects, e.g. ``find_projects().valid.values()``.
    """
    return [
        conflict
        for one, other in combinations(projects, 2)
        for check in (_collections, _folders, _handle_dirs)
        for conflict in check(one, other)
    ]


def _collections(one: Project, other: Project) -> Iterator[Conflict]:
    ours, theirs = dict(_collections_of(one)), dict(_collections_of(other))
    for place in sorted(set(ours) & set(theirs)):
        # Outputs may share a collection; a queue may share one with nothing.
        if ours[place] == theirs[place] == "jobstore":
            continue
        yield Conflict(
            "collection",
            (one.name, other.name),
            f"{'/'.join(place)} holds {ours[place]} of {one.name!r} and {theirs[place]} of "
            f"{other.name!r}",
            "Give one of them another database, or other names of collections.",
        )


def _collections_of(project: Project) -> Iterator[tuple[tuple[str, str, str], str]]:
    outputs = jobstore_target(project.jobstore)
    if outputs is not None:
        yield (outputs.server, outputs.database, outputs.collection), "jobstore"
    if project.queue is None or project.queue.target is None:
        return
    target, queue = project.queue.target, project.queue
    named = {
        "queue.store": target.collection,
        "queue.flows_collection": queue.flows_collection,
        "queue.auxiliary_collection": queue.auxiliary_collection,
        "queue.batches_collection": queue.batches_collection,
    }
    for option, name in named.items():
        yield (target.server, target.database, name), option


def _folders(one: Project, other: Project) -> Iterator[Conflict]:
    ours, theirs = _folders_of(one), _folders_of(other)
    for option, folder in ours.items():
        for their_option, their_folder in theirs.items():
            same = folder == their_folder
            # What lies below a base_dir goes with it; the folders below it need no own line.
            nested = option == their_option == "base_dir" and (
                folder in their_folder.parents or their_folder in folder.parents
            )
            if same or nested:
                yield Conflict(
                    "folder",
                    (one.name, other.name),
                    f"{option} of {one.name!r} ({folder}) and {their_option} of {other.name!r} "
                    f"({their_folder}) {'are the same' if same else 'lie in each other'}",
                    "Change one of them.",
                )


def _folders_of(project: Project) -> dict[str, Path]:
    return {option: getattr(project, option).resolve() for option in ("base_dir", *FOLDERS)}


def _handle_dirs(one: Project, other: Project) -> Iterator[Conflict]:
    ours, theirs = _handle_dirs_of(one), _handle_dirs_of(other)
    for place in sorted(set(ours) & set(theirs)):
        yield Conflict(
            "jobs_handle_dir",
            (one.name, other.name),
            f"workers {ours[place]!r} of {one.name!r} and {theirs[place]!r} of {other.name!r} have "
            f"the same jobs_handle_dir {place[1]} on the same host",
            "Change one of them.",
        )


def _handle_dirs_of(project: Project) -> dict[tuple[str, str], str]:
    return {
        (worker.host_key, str(worker.batch.jobs_handle_dir)): name
        for name, worker in project.workers.items()
        if worker.batch is not None
    }
