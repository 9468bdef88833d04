"""Jobs that go as one array: each is accepted once, whatever dies, and is its own thereafter."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from jfcelery.errors import (
    BackPressureError,
    HostError,
    JfceleryError,
    ResourcesError,
    SchedulerDownError,
    SubmissionRejectedError,
)
from jfcelery.folders import ARRAY, PLACE, RunFolder
from jfcelery.project.options import QueueLimit
from jfcelery.scheduler_io.queue import Submission
from jfcelery.scheduler_io.schedulers.arrays import STALE_MINUTES
from jfcelery.scheduler_io.schedulers.base import NO_FOLDER, QueueState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jfcelery.scheduler_io.schedulers.base import QueueJob
    from tests.scheduler_io.bench import Bench as AnyBench
    from tests.scheduler_io.fake_slurm import FakeSlurm


@pytest.fixture
def bench(bench: AnyBench) -> AnyBench:
    """A Slurm worker with arrays."""
    bench.worker.job_arrays = True
    return bench


def put(bench: AnyBench, count: int, **resources: object) -> list[QueueJob]:
    """Write run folders of jobs that ask for the same."""
    return [bench.put("true", resources=resources) for _ in range(count)]


def submit(
    bench: AnyBench, jobs: Sequence[QueueJob], *limits: QueueLimit
) -> list[str | JfceleryError]:
    """Submit jobs together."""
    rows = [Submission(job.folder, job.name, job.attempt) for job in jobs]
    return bench.queue.submit_all(rows, limits=limits)


def ids(slurm: FakeSlurm) -> list[str]:
    """Return the ids in the queue."""
    return [row[0] for row in slurm.queue]


def places(bench: AnyBench) -> list[Path]:
    """Return the places of arrays."""
    return sorted(Path(bench.worker.work_dir).glob(f"{PLACE}-*"))


def id_file(job: QueueJob) -> Path:
    """Return the file with the answer to a job's submission."""
    return Path(job.folder / RunFolder.queue_id(job.attempt))


def test_jobs_that_ask_for_the_same_go_as_one_array(bench: AnyBench, slurm: FakeSlurm) -> None:
    """One call of sbatch, one round trip, one id for each job."""
    jobs = put(bench, 4, time="1:00:00")
    before = bench.round_trips
    assert submit(bench, jobs) == ["101_0", "101_1", "101_2", "101_3"]
    assert bench.round_trips == before + 1
    assert slurm.calls == 1
    (name,) = {row[4] for row in slurm.queue}
    assert name.startswith(ARRAY)
    (place,) = places(bench)
    assert "#SBATCH --time=1:00:00" in (place / "submit.sh").read_text().splitlines()


def test_unequal_jobs_go_apart(bench: AnyBench, slurm: FakeSlurm) -> None:
    """By what they ask for; one that has no other like it is no array."""
    one, other = put(bench, 2, ntasks=1), put(bench, 2, ntasks=2)
    (alone,) = put(bench, 1, ntasks=3)
    found = submit(bench, [one[0], other[0], alone, other[1], one[1]])
    assert found == ["101_0", "102_0", "103", "102_1", "101_1"]
    assert slurm.calls == 3
    assert slurm.queue[-1][4] == alone.name


@pytest.mark.parametrize(
    "verbatim", ["#SBATCH --array=1-1", "#SBATCH -a 1", "#SBATCH hetjob", "#SBATCH -d singleton"]
)
def test_what_cannot_be_a_task_goes_alone(bench: AnyBench, slurm: FakeSlurm, verbatim: str) -> None:
    """Its header would mean another thing there."""
    assert submit(bench, put(bench, 2, qverbatim=verbatim)) == ["101", "102"]
    assert slurm.calls == 2


def test_without_the_option_each_goes_alone(bench: AnyBench, slurm: FakeSlurm) -> None:
    """It is off by default."""
    bench.worker.job_arrays = False
    assert submit(bench, put(bench, 2)) == ["101", "102"]
    assert slurm.calls == 2


def test_submitting_again_gives_the_same_ids(bench: AnyBench, slurm: FakeSlurm) -> None:
    """Together, in another company, or alone."""
    jobs = put(bench, 3)
    first = submit(bench, jobs)
    assert submit(bench, jobs) == first
    assert submit(bench, [jobs[2], *put(bench, 2), jobs[0]]) == ["101_2", "102_0", "102_1", "101_0"]
    bench.worker.job_arrays = False
    assert [bench.submit(job).queue_id for job in jobs] == first
    assert slurm.calls == 2


@pytest.mark.parametrize("alone", [False, True], ids=["together", "alone"])
@pytest.mark.parametrize("point", ["die-before", "die-after", "die-last"])
def test_an_array_killed_at_any_point_leaves_each_job_once(
    bench: AnyBench, slurm: FakeSlurm, point: str, *, alone: bool
) -> None:
    """Before or after the scheduler took the array, or before its answer was read."""
    jobs = put(bench, 3)
    slurm.submitting(point)
    assert all(isinstance(one, HostError) for one in submit(bench, jobs))
    slurm.submitting("well")
    found = [bench.submit(job).queue_id for job in jobs] if alone else submit(bench, jobs)
    assert sorted(map(str, found)) == sorted(ids(slurm))
    assert len(ids(slurm)) == 3


def die_at(bench: AnyBench, slurm: FakeSlurm, jobs: Sequence[QueueJob], what: str) -> None:
    """Submit jobs; all dies as a program of the system is called so for the n-th time."""
    program, words, call = what.split()
    count = slurm.folder / "count"
    slurm.replace(
        program,
        f"case $* in *{words}*) echo x >>'{count}'\n"
        f"  [ $(wc -l <'{count}') = {call} ] && kill -KILL 0 ;;\nesac\n"
        'exec "$REAL" "$@"\n',
    )
    with pytest.raises(HostError):
        submit(bench, jobs)
    slurm.restore(program)


@pytest.mark.parametrize(
    "what",
    ["find - 1", "flock -n 2", "mkdir - 1", "ln -s 1", "ln -s 2", "ln -s 3"],
)
def test_a_death_before_sbatch_submits_nothing(
    bench: AnyBench, slurm: FakeSlurm, what: str
) -> None:
    """Whatever is written by then does not keep the jobs from going together later."""
    jobs = put(bench, 3)
    die_at(bench, slurm, jobs, what)
    assert slurm.calls == 0
    assert submit(bench, jobs) == ids(slurm) == ["101_0", "101_1", "101_2"]


@pytest.mark.parametrize("known", range(4))
@pytest.mark.parametrize("alone", [False, True], ids=["together", "alone"])
def test_a_death_after_sbatch_submits_nothing_twice(
    bench: AnyBench, slurm: FakeSlurm, known: int, *, alone: bool
) -> None:
    """Before the answer is read, and after each of the id files."""
    jobs = put(bench, 3)
    die_at(bench, slurm, jobs, "cat answer 1")
    assert ids(slurm) == ["101_0", "101_1", "101_2"]
    assert [id_file(job).read_text() for job in jobs] == ["", "", ""]
    for job in jobs[:known]:
        id_file(job).write_text("Submitted batch job 101\n")
    found = [bench.submit(job).queue_id for job in jobs] if alone else submit(bench, jobs)
    assert found == ids(slurm)
    assert slurm.calls == 1


def test_answers_of_which_some_were_lost_are_found_again(bench: AnyBench, slurm: FakeSlurm) -> None:
    """A death between two id files leaves empty ones: those jobs are sought by the array's name."""
    jobs = put(bench, 4)
    first = submit(bench, jobs)
    for job in jobs[1:3]:
        id_file(job).write_text("")
    assert submit(bench, jobs) == first
    id_file(jobs[3]).write_text("")
    assert bench.submit(jobs[3]).queue_id == "101_3"
    assert slurm.calls == 1


def test_a_task_that_is_forgotten_already_is_known_by_another(
    bench: AnyBench, slurm: FakeSlurm
) -> None:
    """An array is accepted as a whole, or not at all."""
    jobs = put(bench, 3)
    submit(bench, jobs)
    name = slurm.queue[0][4]
    id_file(jobs[2]).write_text("")
    slurm.set_queue(f"101_[0-1]|PENDING|Priority|debug|{name}")
    assert bench.submit(jobs[2]).queue_id == "101_2"
    assert slurm.calls == 1


def test_a_job_that_went_alone_after_its_array_is_sought_by_its_own_name(
    bench: AnyBench, slurm: FakeSlurm
) -> None:
    """The array was never accepted, and the answer to the second try was lost."""
    jobs = put(bench, 2)
    slurm.submitting("die-before")
    submit(bench, jobs)
    slurm.submitting("die-after")
    with pytest.raises(HostError):
        bench.submit(jobs[0])
    slurm.submitting("well")
    assert bench.submit(jobs[0]).queue_id == "101"
    assert ids(slurm) == ["101"]


def test_two_submissions_at_once_leave_each_job_once(bench: AnyBench, slurm: FakeSlurm) -> None:
    """Messages may be delivered twice; in another order, too."""
    jobs = put(bench, 6)
    orders = [jobs, jobs[::-1], jobs[3:] + jobs[:3]]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda order: submit(bench, order), orders))
    found = submit(bench, jobs)
    assert sorted(map(str, found)) == sorted(ids(slurm))
    assert len(ids(slurm)) == 6


def test_an_answer_without_an_id_is_in_doubt(bench: AnyBench, slurm: FakeSlurm) -> None:
    """The array is looked up by its name."""
    jobs = put(bench, 2)
    slurm.submitting("murmur")
    assert all(isinstance(one, SchedulerDownError) for one in submit(bench, jobs))
    slurm.submitting("well")
    assert submit(bench, jobs) == ["101_0", "101_1"]
    assert slurm.calls == 1


def test_a_refusal_for_now_is_each_jobs_own(bench: AnyBench, slurm: FakeSlurm) -> None:
    """The site may have room for some of them: later each is tried alone."""
    jobs = put(bench, 3)
    slurm.submitting("refuse", "sbatch: error: QOSMaxSubmitJobPerUserLimit")
    assert all(isinstance(one, BackPressureError) for one in submit(bench, jobs))
    assert slurm.calls == 1
    slurm.submitting("well")
    assert submit(bench, jobs) == ["101", "102", "103"]


def test_a_site_without_arrays_gets_single_jobs(bench: AnyBench, slurm: FakeSlurm) -> None:
    """A refusal for good may be meant for the array, not for its jobs."""
    slurm.submitting("no-arrays", "sbatch: error: invalid job array specification")
    assert submit(bench, put(bench, 3)) == ["101", "102", "103"]
    assert slurm.calls == 4


@pytest.mark.parametrize(
    "words, error",
    [
        ("sbatch: error: invalid partition specified: nope", ResourcesError),
        ("sbatch: error: the site says no", SubmissionRejectedError),
    ],
)
def test_a_refusal_for_good_is_said_of_each_job(
    bench: AnyBench, slurm: FakeSlurm, words: str, error: type[JfceleryError]
) -> None:
    """With the scheduler's words about the job alone."""
    slurm.submitting("refuse", words)
    found = submit(bench, put(bench, 2))
    assert [type(one) for one in found] == [error, error]
    assert all(words in str(one) for one in found)


@pytest.mark.parametrize(
    "largest, calls, found",
    [
        (2, 3, ["101_0", "101_1", "102_0", "102_1", "103"]),
        (5, 1, [f"101_{n}" for n in range(5)]),
        (0, 5, ["101", "102", "103", "104", "105"]),
    ],
)
def test_an_array_is_no_larger_than_the_site_allows(
    bench: AnyBench, slurm: FakeSlurm, largest: int, calls: int, found: list[str]
) -> None:
    """MaxArraySize; 0 means that there are none."""
    slurm.allow_arrays(largest)
    assert submit(bench, put(bench, 5)) == found
    assert slurm.calls == calls


def test_limits_hold_exactly(bench: AnyBench, slurm: FakeSlurm) -> None:
    """As many go as there is room for; the others wait, as does one whose partition is full."""
    slurm.set_queue("7|RUNNING|None|debug|by hand")
    jobs = put(bench, 5)
    found = submit(bench, jobs, QueueLimit(max_jobs=9), QueueLimit(max_jobs=4))
    assert found[:3] == ["101_0", "101_1", "101_2"]
    assert all(isinstance(one, BackPressureError) for one in found[3:])
    assert len(ids(slurm)) == 4
    assert all(isinstance(one, str) for one in submit(bench, jobs, QueueLimit(max_jobs=6)))
    assert len(ids(slurm)) == 6


def test_a_controller_that_hangs_is_not_asked_again_for_the_rest(
    bench: AnyBench, slurm: FakeSlurm
) -> None:
    """One array waited for in vain is enough."""
    jobs = put(bench, 2, ntasks=1) + put(bench, 2, ntasks=2)
    slurm.submitting("hang")
    bench.timeout = 12
    found = submit(bench, jobs)
    assert all(isinstance(one, SchedulerDownError) for one in found)
    assert slurm.calls == 1
    slurm.submitting("well")
    assert all(isinstance(one, str) for one in submit(bench, jobs))
    assert len(ids(slurm)) == 4


def test_bad_folders_spoil_no_others(bench: AnyBench) -> None:
    """Missing, of another attempt, or cancelled before: each has its own error."""
    jobs = put(bench, 4)
    late = replace(jobs[1], name=f"{jobs[1].name[:-1]}0", attempt=0)
    assert bench.queue.cancel([jobs[2]]) == {"": True}
    found = submit(bench, [jobs[0], late, jobs[2], bench.new(), jobs[3]])
    assert [found[0], found[4]] == ["101_0", "101_1"]
    assert all(isinstance(one, JfceleryError) for one in found[1:4])


def test_one_task_is_cancelled_alone(bench: AnyBench, slurm: FakeSlurm) -> None:
    """Also if its id is not known."""
    jobs = put(bench, 3)
    found = submit(bench, jobs)
    known = replace(jobs[0], queue_id=str(found[0]))
    assert bench.queue.cancel([known]) == {"101_0": True}
    assert [row[1] for row in slurm.queue] == ["CANCELLED", "PENDING", "PENDING"]
    id_file(jobs[1]).write_text("")
    assert bench.queue.cancel([jobs[1]])[""]
    assert [row[1] for row in slurm.queue] == ["CANCELLED", "CANCELLED", "PENDING"]


def test_each_task_has_an_answer_of_its_own(bench: AnyBench, slurm: FakeSlurm) -> None:
    """Tasks that wait are asked for one by one; an id that another array got since is not it."""
    jobs = put(bench, 3)
    known = [replace(j, queue_id=str(i)) for j, i in zip(jobs, submit(bench, jobs), strict=True)]
    name = slurm.queue[0][4]
    slurm.set_queue(
        f"101_0|RUNNING|None|debug|{name}",
        f"101_1|PENDING|JobHeldUser|debug|{name}",
        f"101_2|PENDING|Priority|debug|{ARRAY}-1-another",
    )
    answers = bench.queue.poll(known)
    assert "-r" in slurm.asked[-1].split()
    assert answers["101_0"].state is QueueState.RUNNING
    assert answers["101_1"].state is QueueState.HELD
    assert answers["101_2"].state is QueueState.UNKNOWN


def run_task(place: Path, number: int) -> subprocess.CompletedProcess[str]:
    """Run a task as Slurm would."""
    slurm = {"SLURM_JOB_ID": "777", "SLURM_ARRAY_JOB_ID": "101", "SLURM_JOB_NAME": "array"}
    environment = {**os.environ, **slurm, "SLURM_ARRAY_TASK_ID": f"{number}", "_jfc_name": "mine"}
    return subprocess.run(
        ["/bin/sh", "submit.sh"],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_task_does_as_its_jobs_own_script_would(bench: AnyBench) -> None:
    """Run folder, id, name and exit code are its job's; nothing of the array is to be seen."""
    what = 'pwd -P; echo "$SLURM_JOB_NAME $SLURM_JOB_ID $# ${SLURM_ARRAY_TASK_ID-none}"; exit 3'
    jobs = [bench.put(what) for _ in range(2)]
    submit(bench, jobs)
    (place,) = places(bench)
    done = run_task(place, 1)
    folder = Path(jobs[1].folder.path).resolve()
    assert done.stdout.splitlines() == [str(folder), f"{jobs[1].name} 777 0 none"], done.stderr
    assert done.returncode == 3
    assert "queue_id=101_1" in bench.lines(jobs[1])
    assert "exit_code=3" in bench.text(jobs[1], RunFolder.end(1)).splitlines()
    assert str((folder / ".jfc_claim.1").readlink()) == "101_1"
    assert bench.lines(jobs[0]) == []
    id_file(jobs[1]).write_text("")
    assert bench.submit(jobs[1]).queue_id == "101_1"


def test_a_task_starts_no_other_attempt(bench: AnyBench) -> None:
    """The folder that its number names holds a later one by then."""
    jobs = put(bench, 2)
    submit(bench, jobs)
    script = Path(jobs[1].folder / RunFolder.SCRIPT)
    script.write_text(script.read_text().replace(jobs[1].name, f"{jobs[1].name[:-1]}2"))
    (place,) = places(bench)
    done = run_task(place, 1)
    assert done.returncode == NO_FOLDER
    assert "another attempt" in done.stderr
    assert bench.lines(jobs[1]) == []


def test_places_are_removed_once_no_job_can_begin_there(bench: AnyBench) -> None:
    """A day later; one that a signal ended may have been preempted, and may begin again."""
    groups = [put(bench, 2) for _ in range(4)]
    for jobs in groups:
        submit(bench, jobs)
    ended, half, told, gone = groups
    for job in (*ended, half[0]):
        Path(job.folder / RunFolder.end(1)).write_text("exit_code=0\n")
    for job in told:
        Path(job.folder / RunFolder.end(1)).write_text("exit_code=143\nsignal=15\n")
    for job in gone:
        shutil.rmtree(job.folder.path)
    before = {job.name: place for place in places(bench) for job in _jobs_at(place, groups)}
    submit(bench, put(bench, 2))
    assert set(before.values()) <= set(places(bench)), "they are not old yet"
    long_ago = time.time() - 2 * 60 * STALE_MINUTES
    for place in before.values():
        os.utime(place, (long_ago, long_ago))
    submit(bench, put(bench, 2))
    left = set(places(bench))
    assert {before[half[1].name], before[told[0].name]} <= left
    assert not {before[ended[0].name], before[gone[0].name]} & left
    assert all(Path(job.folder.path).exists() for job in (*ended, *half, *told))


def _jobs_at(place: Path, groups: Sequence[Sequence[QueueJob]]) -> list[QueueJob]:
    """Return the jobs of a place."""
    script = (place / "submit.sh").read_text()
    return [job for jobs in groups for job in jobs if job.name in script]
