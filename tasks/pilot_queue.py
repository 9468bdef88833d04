"""The queue jobs of pilots: submitted, asked for and given up as those of jobs are."""

from __future__ import annotations

import logging
import shlex
import sys
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from jfcelery.errors import ConfigError, SchedulerDownError
from jfcelery.execution.pilot.far import FAR_PATIENCE
from jfcelery.execution.pilot.plan import Plan
from jfcelery.folders import RunFolder
from jfcelery.project.walltime import wall_time
from jfcelery.scheduler_io.hosts.parcels import Publication
from jfcelery.scheduler_io.queue import WorkerQueue
from jfcelery.scheduler_io.schedulers.base import EndReason, QueueJob, QueueState
from jfcelery.scheduler_io.schedulers.proof import key_values
from jfcelery.scheduler_io.script import build_script
from jfcelery.states import BatchState
from jfcelery.tasks.limits import limits_of
from jfcelery.tasks.pool import pool_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from jfcelery.database.batches import BatchDoc
    from jfcelery.project import WorkerBase
    from jfcelery.project.batch import BatchConfig, SlotConfig
    from jfcelery.scheduler_io.hosts.base import Host
    from jfcelery.scheduler_io.schedulers.base import Answer, EndReport
    from jfcelery.tasks.runtime import Runtime

logger = logging.getLogger(__name__)

#: A pilot that runs, but gave no sign of life for this long, is cancelled …
SILENCE = timedelta(minutes=10)
#: … if it is still silent so long after that was seen first: a laptop that slept sees all pilots
#: silent, or a file system that hung and goes on.
SILENT_AGAIN = timedelta(seconds=60)
#: How long a pilot must be absent from listings before it counts as gone; see ``poll``.
HIDDEN_TIME = timedelta(seconds=60)
#: States of queue jobs that have not begun.
_NOT_BEGUN = frozenset({QueueState.QUEUED, QueueState.HELD})
#: Why pilots end that are not at fault: the next one may well run.
_OF_OTHERS = frozenset({EndReason.COMPLETED, EndReason.CANCELLED, EndReason.PREEMPTED})
#: What pilots say of themselves in numbers.
_NUMBERS = ("slots", "running", "begun", "returned", "passes_over")
#: Seconds that pilots wait between two looks for a job.
DEFAULT_SLEEP = 1.0

#: Rounds of 0.1 s in which the script kills what a pilot left, and of those in which launchers end.
_KILL_ROUNDS, _FAR_ROUNDS = 100, int(FAR_PATIENCE * 10) + 30
#: What the script of a pilot does last, before it leaves its final file: if the pilot was killed,
#: nothing of its jobs may live when its end is seen, nor the folders of its warm processes stay.
#: Launchers end by themselves, once nothing of their jobs lives on other nodes, or are killed then.
_CLEAR = """\
for _jfc_n in {1..@ROUNDS@}; do
  _jfc_rest=$(grep -alzx 'JFC_PILOT=@PILOT@' /proc/[0-9]*/environ 2>/dev/null)
  [ -n "$_jfc_rest" ] || break
  [ "$_jfc_n" -gt @PATIENT@ ] || _jfc_rest=
  for _jfc_pid in $_jfc_rest; do
    _jfc_pid=${_jfc_pid#/proc/}; kill -KILL "${_jfc_pid%/environ}" 2>/dev/null
  done
  sleep 0.1
done
rm -rf /tmp/jfcw-@PILOT@-*
true"""


@dataclass(frozen=True)
class Look:
    """What was seen of a pilot.

    Args:
        doc: Its document as it was read.
        is_over: Whether it is dead for certain.
        why: How it ended.
        has_failed: Whether it ended without having run a job, for a reason of its own.
        changes: Fields that changed.
    """

    doc: BatchDoc
    is_over: bool = False
    why: str = ""
    has_failed: bool = False
    changes: Mapping[str, Any] = field(default_factory=dict)


class PilotQueue:
    """The pilots of one worker, in its scheduler's queue.

    Args:
        runtime: The project.
        name: The worker's name.
    """

    def __init__(self, runtime: Runtime, name: str) -> None:
        self.runtime, self.name = runtime, name
        self.worker: WorkerBase = runtime.project.get_worker(name)
        if self.worker.batch is None:
            raise ConfigError(f"worker {name!r} has no section 'batch' any more")
        self.batch: BatchConfig = self.worker.batch

    def submit(self, doc: BatchDoc) -> dict[str, Any]:
        """Submit a pilot, or find the queue job that an earlier try made.

        Returns:
            The fields to set in its document.
        """
        folder = self._folder(doc)
        files = {
            RunFolder.SCRIPT: self._script(doc, folder).encode(),
            Plan.FILE: self._plan(doc).to_bytes(),
        }
        marker = {"project": self.runtime.project.name, "batch_uid": doc.batch_uid}
        with self.runtime.hosts.transfer(self.name) as host:
            host.publish(Publication(folder, files, attempt=1, marker=marker))
        with self.runtime.hosts.lease(self.name) as host:
            limits = limits_of(self.runtime.project, self.worker)
            queue_id = self._queue(host).submit(folder, name=doc.name, attempt=1, limits=limits)
        return {"process_id": queue_id, "run_dir": str(folder), "why": ""}

    def look(self, docs: Sequence[BatchDoc]) -> list[Look]:
        """Ask for pilots that were submitted, and bury those that are dead for certain.

        Raises:
            HostError: The host or the scheduler does not answer.
        """
        by_id = {str(doc.process_id): doc for doc in docs}
        jobs = {queue_id: self._queue_job(doc) for queue_id, doc in by_id.items()}
        with self.runtime.hosts.lease(self.name) as host:
            queue = self._queue(host)
            answers = queue.poll(list(jobs.values()))
            odd = [jobs[i] for i, a in answers.items() if i in jobs and _wants_report(a)]
            reports = queue.end_reports(odd)
            heard = self._heard(host)
            looks = [
                self._judge(doc, answers[i], reports.get(i), heard.get(doc.name, {}))
                for i, doc in by_id.items()
                if i in answers
            ]
            running = {
                by_id[i].name
                for i, answer in answers.items()
                if i in by_id and answer.state is QueueState.RUNNING
            }
            looks = [self._heed_silence(queue, look, running) for look in looks]
            looks = self._heed_wishes(host, queue, looks, answers)
            self._bury(host, [look.doc.name for look in looks if look.is_over])
        return looks

    def cancel(self, doc: BatchDoc) -> None:
        """Cancel a pilot's queue job, and bury the pilot once that is gone.

        Raises:
            HostError: The host or the scheduler does not answer.
        """
        job = self._queue_job(doc)
        with self.runtime.hosts.lease(self.name) as host:
            if self._queue(host).cancel([job]).get(job.queue_id):
                self._bury(host, [doc.name])

    def _queue(self, host: Host) -> WorkerQueue:
        return WorkerQueue(host, self.worker, timeout=self.worker.timeout_execute)

    def _folder(self, doc: BatchDoc) -> RunFolder:
        return RunFolder.of(self.batch.work_dir, doc.batch_uid, 1)

    def _queue_job(self, doc: BatchDoc) -> QueueJob:
        return QueueJob(doc.batch_uid, 1, 1, str(doc.process_id), doc.name, self._folder(doc))

    def _script(self, doc: BatchDoc, folder: RunFolder) -> str:
        command = "jfc execution run-batch {}"
        if self.worker.is_local:
            command = f"{shlex.quote(sys.executable)} -m jfcelery.execution.pilot {{}}"
        update = {"post_run": self._clear(doc), "resources": warned(self.worker)}
        alone = self.worker.model_copy(update=update)
        return build_script(
            alone, None, None, folder=folder, name=doc.name, attempt=1, command=command
        )

    def _clear(self, doc: BatchDoc) -> str:
        patient = _FAR_ROUNDS if self._slots and self._slots.launcher else 0
        rounds = patient + _KILL_ROUNDS
        text = _CLEAR.replace("@ROUNDS@", str(rounds)).replace("@PATIENT@", str(patient))
        return text.replace("@PILOT@", doc.name)

    @property
    def _slots(self) -> SlotConfig | None:
        return self.worker.slots or self.runtime.project.slots

    def _plan(self, doc: BatchDoc) -> Plan:
        project, batch, slots = self.runtime.project, self.batch, self._slots
        preload = project.preload if self.worker.preload is None else self.worker.preload
        return Plan(
            handle_dir=batch.jobs_handle_dir,
            pilot=doc.name,
            max_jobs=batch.max_jobs_per_batch,
            max_wait=batch.max_wait,
            max_time=batch.max_time,
            walltime=wall_time(self.worker.resources),
            parallel=batch.parallel_jobs or 1,
            sleep=batch.sleep_time or DEFAULT_SLEEP,
            cpus=slots.cpus if slots else None,
            gpus=slots.gpus if slots else None,
            launcher=slots.launcher if slots else None,
            preload=tuple(preload),
        )

    def _heard(self, host: Host) -> dict[str, dict[str, str]]:
        """Return what pilots said last, by name; ``age`` is in seconds."""
        result = host.run(pool_of(self.worker).heard_command())
        heard = {}
        for line in result.stdout.splitlines():
            name, _, rest = line.partition("|")
            age, _, words = rest.partition("|")
            if age.lstrip("-").isdigit():
                heard[name] = {**key_values(words), "age": age}
        return heard

    def _judge(
        self, doc: BatchDoc, answer: Answer, report: EndReport | None, heard: Mapping[str, str]
    ) -> Look:
        now = self.runtime.queue.clock.now()
        changes = _changes(doc, answer, heard, now)
        if answer.state is QueueState.ENDED:
            end = answer.end.completed_by(report) if answer.end else report
            return self._over(doc, end, changes)
        if not answer.is_absent:
            return Look(doc, changes=changes)
        if report is not None and report.is_proof:
            return self._over(doc, report, changes)
        missing = doc.absent + 1
        since = (doc.absent_since if doc.absent else None) or now
        if missing >= self.runtime.project.poll.absent_polls and now - since >= HIDDEN_TIME:
            return self._over(doc, report, changes)
        return Look(doc, changes={**changes, "absent": missing, "absent_since": since})

    def _over(self, doc: BatchDoc, end: EndReport | None, changes: Mapping[str, Any]) -> Look:
        reason = end.reason if end else EndReason.LOST
        why = _in_words(end) if end else f"{reason.value}: many listings in a row lack it"
        failed = reason not in _OF_OTHERS and not changes.get("begun", doc.begun)
        return Look(doc, is_over=True, why=why, has_failed=failed, changes=changes)

    def _heed_silence(self, queue: WorkerQueue, look: Look, running: Collection[str]) -> Look:
        """Cancel a pilot that gave no sign of life; it may stand still for ever.

        Only of one that its queue says to run: of one that is suspended nothing can be heard.
        """
        doc, now = look.doc, self.runtime.queue.clock.now()
        if look.is_over or doc.state is not BatchState.RUNNING:
            return look
        heard = look.changes.get("heard_on", doc.heard_on) or doc.start_time
        if doc.name not in running or heard is None or now - heard < SILENCE:
            gone = {} if doc.silent_since is None else {"silent_since": None}
            return replace(look, changes={**look.changes, **gone})
        if doc.silent_since is None:
            return replace(look, changes={**look.changes, "silent_since": now})
        if now - doc.silent_since < SILENT_AGAIN:
            return look
        job = self._queue_job(doc)
        if not queue.cancel([job]).get(job.queue_id):
            return look
        minutes = int(SILENCE.total_seconds() // 60)
        return Look(look.doc, is_over=True, why=f"cancelled: silent for {minutes} minutes")

    def _heed_wishes(
        self, host: Host, queue: WorkerQueue, looks: list[Look], answers: Mapping[str, Answer]
    ) -> list[Look]:
        """Tell pilots to take no more jobs where somebody wants that.

        One that has not begun finds the wish, should it begin just now, and takes none. So its
        queue job can go. What cannot be written, as on a full disk, is tried again with each look:
        other jobs of the host need theirs.
        """
        wanted = [look for look in looks if look.doc.drain and not look.is_over]
        told = [
            look for look in wanted if not look.changes.get("is_draining", look.doc.is_draining)
        ]
        if not told:
            return looks
        command = pool_of(self.worker).drain_command(tuple(look.doc.name for look in told))
        if not (result := host.run(command)).ok:
            logger.warning(
                "Pilots of worker %s cannot be told to take no more jobs, which is tried again: %s",
                self.name,
                result.stderr[-300:],
            )
            return looks
        waiting = {
            str(look.doc.process_id): self._queue_job(look.doc)
            for look in told
            if answers[str(look.doc.process_id)].state in _NOT_BEGUN
        }
        gone = queue.cancel(list(waiting.values())) if waiting else {}
        return [
            replace(look, is_over=True, why="drained before it began")
            if gone.get(str(look.doc.process_id))
            else look
            for look in looks
        ]

    def _bury(self, host: Host, names: Sequence[str]) -> None:
        if not names:
            return
        result = host.run(pool_of(self.worker).bury_command(tuple(names)))
        if not result.ok:
            raise SchedulerDownError(f"the pool cannot be written to: {result.stderr[-300:]}")


def warned(worker: WorkerBase) -> dict[str, Any] | None:
    """Return the resources of pilots: with a signal before the time limit, where there is one."""
    options = dict(worker.resources or {})
    line = {
        "slurm": "#SBATCH --signal=B:USR1@90",
        "sge": "#$ -notify",
    }.get(worker.scheduler_name)
    given = str(options.get("qverbatim") or "").rstrip()
    if line is None or line.split()[1].partition("=")[0] in given:
        return worker.resources
    return {**options, "qverbatim": f"{given}\n{line}" if given else line}


def _in_words(end: EndReport) -> str:
    """Return how a pilot ended, as listings show it."""
    words = [f"{end.reason.value} {end.words.removeprefix(end.reason.value).strip()}".strip()]
    if end.signal is not None and "signal" not in end.words:
        words.append(f"signal {end.signal}")
    elif end.exit_code and "exit code" not in end.words:
        words.append(f"exit code {end.exit_code}")
    return ", ".join(words)


def _wants_report(answer: Answer) -> bool:
    return answer.is_absent or answer.state is QueueState.ENDED


def _changes(
    doc: BatchDoc, answer: Answer, heard: Mapping[str, str], now: datetime
) -> dict[str, Any]:
    """Return the fields of a pilot that differ from what its document says."""
    new: dict[str, Any] = {}
    if not answer.is_absent:
        new |= {"queue_state": answer.words, "absent": 0}
    if answer.state is QueueState.RUNNING and doc.state is BatchState.SUBMITTED:
        new |= {"state": BatchState.RUNNING.value, "start_time": now}
    if heard:
        new |= {"host": heard.get("host"), "is_draining": heard.get("state") != "running"}
        new |= {key: int(heard.get(key, 0)) for key in _NUMBERS}
    old = doc.model_dump()
    changed = {key: value for key, value in new.items() if old.get(key) != value}
    if heard:
        when = now - timedelta(seconds=max(int(heard["age"]), 0))
        if doc.heard_on is None or when - doc.heard_on > timedelta(seconds=30):
            changed["heard_on"] = when
    return changed
