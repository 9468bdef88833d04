"""Whether all went well, judged from outside: nothing of jfcelery is imported here.

The cluster's accounting, the side effects that jobs left, and at the end the documents as they lie
in the database are all that counts.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: States in which the accounting has queue jobs that the cluster itself killed.
KILLED = ("NODE_FAIL", "REQUEUED", "BOOT_FAIL", "PREEMPTED", "REVOKED")
#: Seconds by which two clocks of one machine may differ in what is read from them.
SLACK = 2.0
_STAGE = re.compile(r"^stage=(started|ended)$", re.MULTILINE)
_NAME = re.compile(r"jfc-(.+-\d+)-(\d+)$")


@dataclass(frozen=True)
class Submitted:
    """A flow that was to be submitted.

    Args:
        name: Its name.
        expected: Outputs of all its jobs, by name and index.
        worker: Where it was to run.
        accepted: Whether the command said that it was; if not it may be there, or not.
    """

    name: str
    expected: Mapping[tuple[str, int], Any]
    worker: str
    accepted: bool


@dataclass
class Evidence:
    """All that is known in the end.

    Attributes:
        effects: Starts and ends that jobs wrote down.
        accounting: Lives of queue jobs.
        queue: Names of jobs in the queue.
        folders: Names of run folders.
        jobs: Documents of the jobs.
        flows: Documents of the flows.
        history: Documents of the history.
        outputs: Documents of the JobStore.
        submitted: The flows.
        leases: What is wrong with leases, as it was seen while all ran.
        commands: What a person had to do by hand.
        reboots: When the cluster was killed, with all that ran on it (Unix time).
        scripts: What the scripts of attempts said of their stages, by job and attempt.
        attempts: Lives of queue jobs, by job and attempt.
        unknown: How many ends of each job Slurm itself, having lost its state, knew nothing of.
    """

    effects: Sequence[Mapping[str, Any]] = ()
    accounting: Sequence[Mapping[str, str]] = ()
    queue: Sequence[str] = ()
    folders: Sequence[str] = ()
    jobs: Sequence[Mapping[str, Any]] = ()
    flows: Sequence[Mapping[str, Any]] = ()
    history: Sequence[Mapping[str, Any]] = ()
    outputs: Sequence[Mapping[str, Any]] = ()
    submitted: Sequence[Submitted] = ()
    leases: Sequence[str] = ()
    commands: Sequence[str] = ()
    reboots: Sequence[float] = ()
    scripts: Mapping[tuple[str, int], str] = field(default_factory=dict)
    attempts: dict[str, dict[int, list[str]]] = field(default_factory=dict, init=False)
    unknown: Counter[str] = field(default_factory=Counter, init=False)

    def __post_init__(self) -> None:
        for row in self.accounting:
            if found := _NAME.match(row["JobName"]):
                job = "_".join(found[1].rsplit("-", 1))
                lives = self.attempts.setdefault(job, {}).setdefault(int(found[2]), [])
                lives.append(f"{row['JobID']} {row['State'].split()[0]}")
        last = [job["last"] for job in self.jobs if job.get("last")]
        changes = {change["_id"]: change for change in (*self.history, *last)}
        for change in changes.values():
            unknown = change.get("why", "").startswith(("LOST", "FORGOTTEN"))
            if unknown and change["event"] == "end":  # what a rule did about it says so as well
                self.unknown[f"{change['uuid']}_{change['index']}"] += 1


def violations(evidence: Evidence) -> list[str]:
    """Return everything that is not as it must be, each in one line."""
    checks = (
        _flows,
        _runs,
        _submissions,
        _outputs,
        _histories,
        _leftovers,
        lambda evidence: iter(evidence.leases),
        lambda evidence: (f"a command was needed: {word}" for word in evidence.commands),
    )
    return [found for check in checks for found in check(evidence)]


def _flows(evidence: Evidence) -> Iterator[str]:
    """Every accepted flow is there and complete; another one is so too, or did not happen."""
    by_name: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for flow in evidence.flows:
        by_name[flow["name"]].append(flow)
    jobs: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for job in evidence.jobs:
        jobs[job["flow"]].append(job)
    for one in evidence.submitted:
        found = by_name[one.name]
        whole = [flow for flow in found if not flow.get("inserting")]
        if one.accepted and len(whole) != 1:
            yield f"flow {one.name} was accepted and is there {len(whole)} times"
        if len(found) > 1:
            yield f"flow {one.name} is there {len(found)} times"
        for flow in whole:
            yield from _flow(one, flow, jobs[flow["_id"]])


def _flow(one: Submitted, flow: Mapping[str, Any], jobs: list[Mapping[str, Any]]) -> Iterator[str]:
    if flow["state"] != "COMPLETED":
        yield f"flow {one.name} is {flow['state']}"
    states = Counter(job["state"] for job in jobs)
    counts = {state: number for state, number in flow["counts"].items() if number}
    if counts != dict(states):
        yield f"flow {one.name} counts {counts}, its jobs are {dict(states)}"
    names = Counter((job["job"]["name"], job["index"]) for job in jobs)
    if names != Counter(one.expected.keys()):
        yield f"flow {one.name} has the jobs {sorted(names)}, not {sorted(one.expected)}"
    for job in jobs:
        if job["state"] != "COMPLETED":
            error = job["remote"].get("error") or job.get("error")
            yield f"job {job['_id']} of {one.name} is {job['state']}: {error}"
        if job.get("lock_id") or job.get("release") or job.get("unmet") or job.get("cancel"):
            yield f"job {job['_id']} ended, but is not left alone: {_left(job)}"


def _left(job: Mapping[str, Any]) -> dict[str, Any]:
    return {key: job.get(key) for key in ("lock_id", "release", "unmet", "cancel")}


def _runs(evidence: Evidence) -> Iterator[str]:
    """Each job ran to its end once; it was started again only after the cluster had killed it."""
    documents = {job["_id"]: job for job in evidence.jobs}
    partial = {flow["_id"] for flow in evidence.flows if flow.get("inserting")}
    notes: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for note in evidence.effects:
        notes[note["job"]].append(note)
    for job in notes.keys() - documents.keys():
        yield f"job {job} ran, and is in no flow"
    for job, document in documents.items():
        if document["flow"] in partial:
            if notes[job]:
                yield f"job {job} ran, although its flow was never complete"
        elif document["job"]["name"] != "store_inputs":  # jobflow's own, which notes nothing
            yield from _run(evidence, job, document, notes[job])


def _run(
    evidence: Evidence, job: str, document: Mapping[str, Any], notes: list[Mapping[str, Any]]
) -> Iterator[str]:
    ends = [note for note in notes if note["what"] == "end"]
    starts = Counter(note["attempt"] for note in notes if note["what"] == "start")
    killed = {
        attempt: max(
            sum(life.endswith(KILLED) for life in lives), _cut_off(evidence, job, attempt, notes)
        )
        for attempt, lives in evidence.attempts.get(job, {}).items()
    }
    if document["state"] == "COMPLETED" and not ends:
        yield f"job {job} is complete, and never ran to its end"
    # The cluster went down before a job could save what it had, and Slurm forgot that it ran.
    if len(ends) > 1 + sum(killed.values()) + evidence.unknown[job]:
        yield f"job {job} ran to its end {len(ends)} times, killed {killed}: {_told(notes)}"
    for attempt, number in starts.items():
        if number > 1 + killed.get(attempt, 0):
            what = f"was started {number} times in attempt {attempt}, killed {killed}"
            yield f"job {job} {what}: {_told(notes)}"
    if ends and ends[-1]["attempt"] != document["attempt"]:
        yield f"job {job} is at attempt {document['attempt']}, and ended in {ends[-1]['attempt']}"


def _cut_off(evidence: Evidence, job: str, attempt: int, notes: list[Mapping[str, Any]]) -> int:
    """Return how often a reboot cut an attempt off that Slurm, having lost its state, began again.

    The accounting then knows one life alone. The script of the first has not come to its end.
    """
    stages = _STAGE.findall(evidence.scripts.get((job, attempt), ""))
    cut = sum(pair == ("started", "started") for pair in pairwise(stages))
    own = [note for note in notes if note["attempt"] == attempt and note["what"] == "start"]
    times = sorted(note.get("at", 0.0) for note in own)
    rebooted = [any(one < at < other for at in evidence.reboots) for one, other in pairwise(times)]
    return min(cut, sum(rebooted))


def _told(notes: list[Mapping[str, Any]]) -> str:
    """Return what a job wrote down, and when."""
    return ", ".join(
        f"{note['what']} of {note['attempt']} by {note.get('pid')} at {note.get('at')}"
        for note in notes
    )


def _submissions(evidence: Evidence) -> Iterator[str]:
    """Each attempt was accepted once by the queue, a further one only after a queue job's death."""
    for job, attempts in evidence.attempts.items():
        for attempt, lives in attempts.items():
            ids = {life.split()[0] for life in lives}
            if len(ids) != 1:
                yield f"job {job} was accepted {len(ids)} times in attempt {attempt}: {lives}"
            later = any(other > attempt for other in attempts)
            if later and lives[-1].endswith("COMPLETED"):
                yield f"job {job} has an attempt after {attempt}, which went well: {lives}"
    workers = {one.name: one.worker for one in evidence.submitted}
    names = {flow["_id"]: flow["name"] for flow in evidence.flows}
    overwritten = _overwritten(evidence)
    for document in evidence.jobs:
        on_cluster = workers.get(names.get(document["flow"], "")) == "hpca"
        if document["state"] == "COMPLETED" and on_cluster:
            seen = sorted(
                {*evidence.attempts.get(document["_id"], {}), *overwritten[document["_id"]]}
            )
            missing = {*range(1, document["attempt"] + 1)}.difference(seen)
            if (
                seen[-1:] != [document["attempt"]]
                or len(missing) > evidence.unknown[document["_id"]]
            ):
                yield (
                    f"job {document['_id']} is at attempt {document['attempt']}, "
                    f"and the accounting knows {seen}"
                )


def _overwritten(evidence: Evidence) -> dict[str, set[int]]:
    """Return attempts that ran under an id which Slurm, having lost its state, gave to another."""
    owners = {row["JobID"]: row["JobName"] for row in evidence.accounting}
    found: dict[str, set[int]] = defaultdict(set)
    for note in evidence.effects:
        name = f"jfc-{note['job'].replace('_', '-')}-{note['attempt']}"
        if owners.get(note.get("queue_id", ""), name) != name:
            found[note["job"]].add(note["attempt"])
    return found


def _outputs(evidence: Evidence) -> Iterator[str]:
    """Every output is in the JobStore, once, and right."""
    found: dict[tuple[str, int], list[Any]] = defaultdict(list)
    for output in evidence.outputs:
        found[output["uuid"], output["index"]].append(output["output"])
    expected = {one.name: one.expected for one in evidence.submitted}
    flows = {flow["_id"]: flow for flow in evidence.flows if not flow.get("inserting")}
    known = set()
    for job in evidence.jobs:
        flow = flows.get(job["flow"])
        if flow is None or flow["name"] not in expected:
            continue
        key = (job["uuid"], job["index"])
        known.add(key)
        right = expected[flow["name"]].get((job["job"]["name"], job["index"]))
        outputs = [_resolved(output, found) for output in found[key]]
        if job["state"] == "COMPLETED" and outputs != [right]:
            yield f"job {job['_id']} has the outputs {found[key]}, not {[right]}"
    for key in found.keys() - known:
        if found[key]:
            yield f"an output of {key} belongs to no job"


def _resolved(output: Any, found: Mapping[tuple[str, int], list[Any]]) -> Any:
    """Return what a replaced job's output, a reference to its last job's, stands for."""
    if isinstance(output, dict) and output.get("@class") == "OutputReference":
        return next(iter(found.get((output["uuid"], 1), [])), output)
    return output


def _histories(evidence: Evidence) -> Iterator[str]:
    """Each job's history leads from its insertion to its state without a gap, forward in time."""
    changes: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for change in evidence.history:
        changes[f"{change['uuid']}_{change['index']}"].append(change)
    for job in evidence.jobs:
        own = sorted(changes.pop(job["_id"], []), key=lambda change: change["number"])
        if job.get("last"):
            own = [c for c in own if c["_id"] != job["last"]["_id"]] + [job["last"]]
        sources = [change["source"] for change in own]
        targets = [change["target"] for change in own]
        if sources != [None, *targets[:-1]] or targets[-1:] != [job["state"]]:
            moves = list(zip(sources, targets, strict=True))
            yield f"job {job['_id']} has a history with gaps: {moves}"
        times = [change["at"] for change in own]
        if times != sorted(times):
            yield f"job {job['_id']} has a history that goes back in time"
    for job_id in changes:
        yield f"a history of {job_id} belongs to no job"


def _leftovers(evidence: Evidence) -> Iterator[str]:
    """Nothing is left in the queue, and no folder that is no job's."""
    for name in evidence.queue:
        yield f"queue job {name} was forgotten"
    jobs = {job["_id"] for job in evidence.jobs}
    for folder in evidence.folders:
        if re.sub(r"\.attempt\d+$", "", folder) not in jobs:
            yield f"run folder {folder} belongs to no job"
