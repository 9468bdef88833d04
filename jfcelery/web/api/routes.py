"""The routes of the API; each does by the controller what a command of ``jfc`` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from jfcelery.controller import JobController, queries
from jfcelery.controller.arguments import one_job
from jfcelery.controller.filters import FlowFilter
from jfcelery.controller.holding import hold_back, let_go_on
from jfcelery.controller.ids import is_uuid
from jfcelery.controller.info import FlowInfo, JobInfo  # noqa: TC001 - FastAPI reads them
from jfcelery.controller.outputs import job_output
from jfcelery.controller.queries import (
    count_flows,
    count_jobs,
    find_flows,
    find_jobs,
    find_one_job,
)
from jfcelery.controller.reasons import reasons
from jfcelery.controller.reports import flows_report, jobs_report
from jfcelery.controller.resolve import flow_uuid
from jfcelery.controller.tables import Report, table_of, to_csv
from jfcelery.controller.trends import Interval
from jfcelery.controller.workers import worker_infos
from jfcelery.database.documents import Change, JobDoc
from jfcelery.database.history import History
from jfcelery.errors import FlowNotFoundError
from jfcelery.messages import messenger
from jfcelery.scripts import job_script
from jfcelery.web.acting import perform, preview
from jfcelery.web.api.answers import PROBLEMS, as_json
from jfcelery.web.api.models import (
    MOST_ROWS,
    Act,
    FlowSelection,
    Id,
    JobSelection,
    Outcome,
    Preview,
    Text,
)
from jfcelery.web.door import caller_of

if TYPE_CHECKING:
    from jfcelery.web.current import Current

router = APIRouter(prefix="/api", responses=PROBLEMS)


def controller(request: Request) -> JobController:
    """Return the controller of the server's project."""
    current: Current = request.app.state.current
    return current.controller()


Control = Annotated[JobController, Depends(controller)]
JobPath = Annotated[Id, Path(description="`db_id` or uuid of a job.")]
Index = Annotated[
    int | None, Query(ge=1, le=10**6, description="With a uuid: index; by default the largest.")
]
Limit = Annotated[int, Query(ge=1, le=MOST_ROWS, description="At most so many.")]
Skip = Annotated[int, Query(ge=0, le=10**8, description="Leave out so many from the start.")]
JobSort = Literal["updated_on", "created_on", "db_id", "job.name", "state", "worker", "priority"]
FlowSort = Literal["updated_on", "created_on", "name", "state"]
WorkerPath = Annotated[Text, Path(description="Name of a worker.")]


def find_job(control: Control, job: JobPath, index: Index = None) -> JobDoc:
    """Return the job that a path names."""
    chosen = one_job(job_id=job, job_index=index) if is_uuid(job) else one_job(db_id=job)
    return find_one_job(control.queue, chosen)


Found = Annotated[JobDoc, Depends(find_job)]


@router.get("/session")
def session(request: Request) -> dict[str, str]:
    """Return what the caller may do; with a browser's session, its csrf token as well."""
    caller = caller_of(request.scope)
    project: str = request.app.state.current.project.name
    csrf = {"csrf": caller.session.csrf} if caller.session else {}
    return {"project": project, "role": caller.role, **csrf}


@router.post("/jobs/search")
def search_jobs(
    control: Control,
    selection: JobSelection,
    limit: Limit = 100,
    skip: Skip = 0,
    sort: JobSort = "updated_on",
    descending: bool = True,
) -> list[JobInfo]:
    """Return the jobs that a selection names."""
    order = [(sort, -1 if descending else 1)]
    docs = find_jobs(control.queue, selection.filter(), sort=order, limit=limit, skip=skip)
    return queries.job_infos(control.queue, docs)


@router.post("/jobs/count")
def number_of_jobs(control: Control, selection: JobSelection) -> int:
    """Return how many jobs a selection names."""
    return count_jobs(control.queue, selection.filter())


@router.get("/jobs/{job}")
def job_info(control: Control, doc: Found) -> JobInfo:
    """Return all that is known of a job."""
    return queries.job_info(control.queue, doc)


@router.get("/jobs/{job}/history")
def job_history(control: Control, doc: Found) -> list[Change]:
    """Return every change of a job's state, oldest first."""
    return History(control.queue).of(doc)


@router.get("/jobs/{job}/why")
def job_why(control: Control, doc: Found) -> list[dict[str, str]]:
    """Return why a job is where it is, and the command that would move it on."""
    found = reasons(control.project, control.queue, doc)
    return [{"text": reason.text, "command": reason.command} for reason in found]


@router.get("/jobs/{job}/output")
def output_of_job(control: Control, doc: Found) -> Any:
    """Return the output of a job from the JobStore."""
    return as_json(job_output(control.project, control.queue, doc))


@router.get("/jobs/{job}/script")
def script_of_job(control: Control, doc: Found) -> str:
    """Return the script with which a job is, or would be, submitted."""
    return job_script(control.project, doc)


@router.get("/jobs/{job}/files")
def files_of_job(control: Control, doc: Found) -> list[str]:
    """Return the names of the files in a job's run folder, from its host."""
    return messenger(control.project).run_files(doc)


@router.get("/jobs/{job}/tail")
def tail_of_file(
    control: Control,
    doc: Found,
    name: Annotated[Text, Query(description="Name of a file in the run folder.")] = "queue.out",
) -> str:
    """Return the end of a file in a job's run folder, from its host."""
    return messenger(control.project).file_tail(doc, name)


@router.post("/flows/search")
def search_flows(
    control: Control,
    selection: FlowSelection,
    limit: Limit = 100,
    skip: Skip = 0,
    sort: FlowSort = "updated_on",
    descending: bool = True,
) -> list[FlowInfo]:
    """Return the flows that a selection names."""
    order = [(sort, -1 if descending else 1)]
    return find_flows(control.queue, selection.filter(), sort=order, limit=limit, skip=skip)


@router.post("/flows/count")
def number_of_flows(control: Control, selection: FlowSelection) -> int:
    """Return how many flows a selection names."""
    return count_flows(control.queue, selection.filter())


@router.get("/flows/{flow}")
def flow_info(
    control: Control, flow: Annotated[Id, Path(description="uuid, or `db_id` of a job.")]
) -> FlowInfo:
    """Return a flow with its jobs, the first thousand of them."""
    uuid = flow_uuid(control.queue, flow)
    chosen = FlowFilter(flow_ids=(uuid,))
    found = find_flows(control.queue, chosen, with_jobs=True, jobs_limit=MOST_ROWS)
    if not found:
        raise FlowNotFoundError(f"There is no flow {flow}.")
    return found[0]


@router.post("/actions/preview")
def preview_action(control: Control, act: Act) -> Preview:
    """Return what an action would touch; nothing is changed."""
    return preview(control, act)


@router.post("/actions")
def do_action(control: Control, act: Act) -> Outcome:
    """Do something to jobs; each that is refused is named with the reason."""
    return perform(control, act)


@router.get("/workers")
def workers(control: Control) -> Any:
    """Return the workers, and whether their hosts are held back."""
    return as_json([vars(info) for info in worker_infos(control.project, control.queue)])


@router.post("/workers/{worker}/pause")
def pause_worker(control: Control, worker: WorkerPath, reason: Text = "") -> list[str]:
    """Hold back all steps on a worker's host; return the workers that share it."""
    return hold_back(control, worker, reason)


@router.post("/workers/{worker}/resume")
def resume_worker(control: Control, worker: WorkerPath) -> list[str]:
    """Let the steps on a worker's host go on; return the workers that share it."""
    return let_go_on(control, worker)


@router.get("/reports/{kind}", responses={200: {"content": {"text/csv": {}}}})
def report(
    control: Control,
    kind: Literal["jobs", "flows"],
    interval: Interval = Interval.DAYS,
    number: Annotated[int | None, Query(ge=1, le=366)] = None,
    zone: Annotated[Text, Query(description="Time zone in which periods begin.")] = "UTC",
    form: Annotated[Literal["json", "csv"], Query(description="Of the answer.")] = "json",
    by: Annotated[
        Literal["period", "state", "worker", "flow"], Query(description="Rows of the CSV.")
    ] = "period",
) -> Response:
    """Return numbers by state and period, and what jobs took; with ``form=csv`` one table."""
    workers = control.project.workers
    found: Report = (
        jobs_report(control.queue, interval, number, zone, workers=workers)
        if kind == "jobs"
        else flows_report(control.queue, interval, number, zone)
    )
    if form == "csv":
        name = f'attachment; filename="jfcelery-{kind}-{interval}-by-{by}.csv"'
        text = to_csv(*table_of(found, by))
        return Response(text, media_type="text/csv", headers={"content-disposition": name})
    from dataclasses import asdict

    return as_json(asdict(found))


@router.get("/runner")
def runner(control: Control) -> dict[str, str]:
    """Return the state of each process of the runner on the server's machine."""
    return messenger(control.project).runner_state()


@router.post("/runner/start")
def start_runner(control: Control) -> dict[str, str]:
    """Start the runner on the server's machine."""
    messages = messenger(control.project)
    messages.start_runner()
    return messages.runner_state()


@router.post("/runner/stop")
def stop_runner(control: Control) -> dict[str, str]:
    """Let the steps of the runner on the server's machine end, and stop it."""
    messages = messenger(control.project)
    messages.stop_runner()
    return messages.runner_state()
