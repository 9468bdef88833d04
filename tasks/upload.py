"""Step 1: the run folder, with the job's input and its script, on the worker."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jfcelery.database.edges import with_parents
from jfcelery.database.payloads import load_payload
from jfcelery.execution.inputs import JobInput
from jfcelery.execution.references import collect_for_job
from jfcelery.execution.warm.place import warm_command
from jfcelery.folders import RunFolder, queue_job_name
from jfcelery.scheduler_io.hosts.parcels import Publication
from jfcelery.scheduler_io.script import build_script
from jfcelery.states import JobState
from jfcelery.tasks.cancel import cancel_requested
from jfcelery.tasks.pool import pilot_command, pool_of
from jfcelery.tasks.runtime import jobstore_outages
from jfcelery.tasks.step import Commit, Step, Work

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jfcelery.database.documents import JobDoc
    from jfcelery.database.packed import Packed
    from jfcelery.project import Project, WorkerBase


@dataclass(frozen=True)
class Known:
    """What was read of the database for many jobs together; what it lacks is read for each.

    Args:
        payloads: Serialised jobs, by the keys of their documents.
        stores: Names of the JobStores, by flow.
    """

    payloads: Mapping[str, Packed] = field(default_factory=dict)
    stores: Mapping[str, str | None] = field(default_factory=dict)


def upload_body(work: Work) -> Commit:
    """Write the run folder on the worker, in one round trip."""
    runtime, doc = work.runtime, work.doc
    if doc.cancel:
        cancel_requested(runtime, doc)
    one = publication(work)
    with runtime.hosts.transfer(doc.worker) as host:
        host.publish(one)
    return uploaded(one)


def publication(work: Work, known: Known | None = None) -> Publication:
    """Return the run folder of a job: its input, its script, and its marker."""
    runtime, doc = work.runtime, work.doc
    marker = {
        "project": runtime.project.name,
        "uuid": doc.uuid,
        "index": doc.index,
        "attempt": doc.attempt,
    }
    return Publication(
        RunFolder.of(work.worker.work_dir, doc.uuid, doc.index),
        {
            RunFolder.INPUT: job_input(work, known or Known()).to_bytes(),
            RunFolder.SCRIPT: job_script(runtime.project, doc).encode(),
        },
        doc.attempt,
        marker,
        keep=doc.recovery is not None and doc.recovery.keep_files,
    )


def uploaded(one: Publication) -> Commit:
    """Return what the step achieved once the run folder is in place."""
    return Commit("upload", JobState.UPLOADED, fields={"run_dir": str(one.folder)})


def job_input(work: Work, known: Known) -> JobInput:
    """Return what ``jfremote_in.json`` says: the job, and all outputs that it refers to."""
    doc, runtime = work.doc, work.runtime
    packed = known.payloads.get(doc.id)
    job = load_payload(runtime.queue, doc.id) if packed is None else packed.load()
    is_known = doc.flow in known.stores
    name = known.stores[doc.flow] if is_known else runtime.jobs.flows.get(doc.flow).jobstore
    store = runtime.jobstore(name)
    with jobstore_outages():
        references = collect_for_job(store, job)
    return JobInput(
        job=job,
        job_doc=public_document(*with_parents(runtime.queue, [doc])),
        references=references,
        stores=doc.stores,
        attempt=doc.attempt,
    )


def public_document(doc: JobDoc) -> dict[str, Any]:
    """Return what a running job may know of its own document."""
    return doc.model_dump(
        mode="json",
        include={
            "uuid",
            "index",
            "db_id",
            "worker",
            "state",
            "parents",
            "priority",
            "created_on",
            "run_dir",
            "exec_config",
            "resources",
            "job",
            "attempt",
        },
    )


def job_script(project: Project, doc: JobDoc) -> str:
    """Return the submission script of a job."""
    worker = project.get_worker(doc.worker)
    folder = RunFolder.of(worker.work_dir, doc.uuid, doc.index)
    return build_script(
        worker,
        None if doc.exec_config is None else project.get_exec_config(doc.exec_config),
        doc.resources,
        folder=folder,
        name=queue_job_name(doc.uuid, doc.index, doc.attempt),
        attempt=doc.attempt,
        command=pilot_command(project, doc)
        if worker.is_batch
        else execution_command(project, worker),
        scheduler=pool_of(worker, doc) if worker.is_batch else None,
    )


def execution_command(project: Project, worker: WorkerBase) -> str | None:
    """Return the command that runs a job, None for what the worker or the default says.

    On this machine it is the very Python that runs this, whatever the PATH of a job may be.
    """
    if worker.starts_warm:
        return warm_command(project, worker)
    if worker.is_local and worker.execution_cmd is None:
        return f"{shlex.quote(sys.executable)} -m jfcelery.execution {{}}"
    return None


upload = Step("upload", JobState.CHECKED_OUT, upload_body)
