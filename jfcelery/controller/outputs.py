"""Outputs of jobs in the JobStore."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jfcelery.database.connection import translated
from jfcelery.database.flows import Flows
from jfcelery.errors import DatabaseUnavailableError, JobNotFoundError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobflow import JobStore

    from jfcelery.database.connection import QueueDatabase
    from jfcelery.database.documents import JobDoc
    from jfcelery.project import Project


def connected_store(project: Project, name: str | None) -> JobStore:
    """Return a JobStore of a project, connected.

    Raises:
        DatabaseUnavailableError: It cannot be reached.
    """
    from pymongo.errors import PyMongoError

    store = project.get_jobstore(name)
    try:
        store.connect()
    except (PyMongoError, OSError) as error:
        line = str(error).partition("\n")[0]
        raise DatabaseUnavailableError(
            f"The JobStore does not answer: {line}", remedy="Check it with `jfc project check`."
        ) from error
    return store


def job_output(project: Project, queue: QueueDatabase, doc: JobDoc, *, load: Any = False) -> Any:
    """Return the output of a job.

    Args:
        project: The project.
        queue: Its database.
        doc: The job.
        load: Whether, or which, data of additional stores are loaded (as jobflow's ``load``).

    Raises:
        JobNotFoundError: The JobStore holds no output of it.
        DatabaseUnavailableError: The JobStore cannot be reached.
    """
    store = connected_store(project, Flows(queue).get(doc.flow).jobstore)
    criteria = {"uuid": doc.uuid, "index": doc.index}
    try:
        with translated(what="The JobStore's database"):
            if store.query_one(criteria, properties=["uuid"]) is None:
                raise JobNotFoundError(
                    f"The JobStore holds no output of job {doc.db_id}, which is {doc.state}.",
                    remedy=f"`jfc job info {doc.db_id}` tells more.",
                )
            # It also follows references to the outputs of other jobs.
            return store.get_output(doc.uuid, which=doc.index, load=load)
    finally:
        store.close()


def remove_outputs(project: Project, queue: QueueDatabase, docs: Sequence[JobDoc]) -> int:
    """Remove the outputs of jobs from the JobStore; return how many there were."""
    by_flow: dict[str, list[JobDoc]] = {}
    for doc in docs:
        by_flow.setdefault(doc.flow, []).append(doc)
    number = 0
    for flow, members in by_flow.items():
        store = connected_store(project, Flows(queue).get(flow).jobstore)
        try:
            for doc in members:
                criteria = {"uuid": doc.uuid, "index": doc.index}
                number += store.count(criteria)
                store.remove_docs(criteria)
        finally:
            store.close()
    return number
