"""Outputs of jobs in the JobStore."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jfcelery.controller.listing import pandas
from jfcelery.controller.references import References
from jfcelery.database.chunks import chunks
from jfcelery.database.connection import translated
from jfcelery.database.flows import Flows
from jfcelery.errors import DatabaseUnavailableError, JobNotFoundError
from jfcelery.states import JobState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobflow import JobStore
    from pandas import DataFrame

    from jfcelery.database.connection import QueueDatabase
    from jfcelery.database.documents import JobDoc
    from jfcelery.project import Project

#: Jobs whose outputs are removed with one command.
PIECE = 500


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
    """Return the output of a job as plain data: no class that it names is imported.

    References to the outputs of other jobs are followed.

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
            found = store.query_one(criteria, ["output"], load=load)
            if found is None:
                raise JobNotFoundError(
                    f"The JobStore holds no output of job {doc.db_id}, which is {doc.state}.",
                    remedy=f"`jfc job info {doc.db_id}` tells more.",
                )
            return References(store).resolved(found.get("output"), frozenset({doc.uuid}))
    finally:
        store.close()


def outputs_frame(
    project: Project, queue: QueueDatabase, docs: Sequence[JobDoc], *, load: Any = False
) -> DataFrame:
    """Return the outputs of the COMPLETED among some jobs, a row for each.

    Args:
        project: The project.
        queue: Its database.
        docs: The jobs.
        load: Whether, or which, data of additional stores are loaded.

    Raises:
        InputError: pandas is not installed.
        DatabaseUnavailableError: A JobStore cannot be reached.
    """
    module = pandas()
    done = [doc for doc in docs if doc.state is JobState.COMPLETED]
    stores = {flow: Flows(queue).get(flow).jobstore for flow in {doc.flow for doc in done}}
    outputs: dict[tuple[str, int], Any] = {}
    for name in set(stores.values()):
        uuids = sorted({doc.uuid for doc in done if stores[doc.flow] == name})
        store = connected_store(project, name)
        try:
            with translated(what="The JobStore's database"):
                for piece in chunks(uuids, PIECE):
                    for found in store.query({"uuid": {"$in": piece}}, load=load):
                        outputs[found["uuid"], found["index"]] = found.get("output")
        finally:
            store.close()
    rows = []
    for doc in done:
        if (doc.uuid, doc.index) in outputs:
            output = outputs[doc.uuid, doc.index]
            columns = output if isinstance(output, dict) else {"output": output}
            about = {"job_name": doc.job.name, "job_uuid": doc.uuid, "job_index": doc.index}
            rows.append({**columns, "db_id": doc.db_id, **about})
    frame: DataFrame = module.json_normalize(rows)
    return frame.set_index("db_id") if rows else frame


def remove_outputs(project: Project, queue: QueueDatabase, docs: Sequence[JobDoc]) -> int:
    """Remove the outputs of jobs from the JobStore; return how many there were."""
    by_flow: dict[str, list[JobDoc]] = {}
    for doc in docs:
        by_flow.setdefault(doc.flow, []).append(doc)
    number = 0
    for flow, members in by_flow.items():
        store = connected_store(project, Flows(queue).get(flow).jobstore)
        try:
            for piece in chunks(members, PIECE):
                number += _remove_from(store, piece)
        finally:
            store.close()
    return number


def _remove_from(store: JobStore, docs: Sequence[JobDoc]) -> int:
    """Remove the outputs of jobs; those of whole uuids with one command."""
    wanted = {(doc.uuid, doc.index) for doc in docs}
    query = {"uuid": {"$in": sorted({doc.uuid for doc in docs})}}
    found = {(raw["uuid"], raw["index"]) for raw in store.query(query, ["uuid", "index"])}
    # Another index of the uuid may be a job that stays.
    split = {uuid for uuid, _ in found - wanted}
    whole = sorted({uuid for uuid, _ in found & wanted} - split)
    if whole:
        store.remove_docs({"uuid": {"$in": whole}})
    for uuid, index in found & wanted:
        if uuid in split:
            store.remove_docs({"uuid": uuid, "index": index})
    return len(found & wanted)
