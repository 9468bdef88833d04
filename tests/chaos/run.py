"""Everything that may happen, at random, to a running system; then an observer judges.

``python tests/chaos/run.py --seed 1 --jobs 100 --seconds 120`` needs root on Debian, as the testbed
does. The plan of a seed is always the same: ``--plan`` prints it. Exit status 1: a promise is
broken.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.chaos.faults import faults
from tests.chaos.flows import WIDTH, shape_of
from tests.chaos.ground import Ground
from tests.chaos.observer import Evidence, Submitted, violations
from tests.chaos.plan import FAULTS, LOCAL, as_json, plan
from tests.chaos.system import TERM, System
from tests.chaos.watch import LeaseWatch
from tests.support.cluster import Cluster, own_installed_cluster
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chaos.plan import Event

#: Seconds by which a cluster's accounting may be late.
LATE = 60.0
#: Seconds between two faults, on average.
EVERY = 4.0
#: Seconds in which something must move, once nothing goes wrong any more, until all is at rest.
REST = 600.0
#: Seconds between two looks whether it has.
LOOK = 2.0
#: Celery workers: two of the runner, and the second machine's.
WORKERS = 3
#: States of flows that need nobody any more, or only a person.
ENDED = {"COMPLETED", "FAILED", "STOPPED", "PAUSED"}


@dataclass
class Report:
    """What one run showed.

    Attributes:
        events: What was done, with the second in which it was.
        wrong: What is not as it must be.
        figures: Numbers about it.
    """

    events: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


class Run:
    """One run of a plan.

    Args:
        system: The system.
        ground: The cluster.
        plan: What happens.
    """

    def __init__(self, system: System, ground: Ground, plan: list[Event]) -> None:
        self.system, self.ground, self.plan = system, ground, plan
        self.report = Report()
        self._faults = faults(system, ground)
        self._busy = {kind.of: threading.Lock() for kind in FAULTS.values()}
        self._submitted: list[Submitted] = []
        self._done: Counter[str] = Counter()
        self._guard = threading.Lock()
        self._watch = LeaseWatch(self._address, TERM)

    def run(self) -> Report:
        """Let it all happen, and judge."""
        self.system.start()
        wait_until(lambda: len(self.system.workers()) == WORKERS, "all to run", deadline=REST)
        self._watch.begin()
        began = time.monotonic()
        threads = []
        for event in self.plan:
            time.sleep(max(0.0, began + event.at - time.monotonic()))
            thread = threading.Thread(target=self._happen, args=(event,))
            thread.start()
            threads.append(thread)
        for thread in threads:
            thread.join()
        stormy = time.monotonic() - began
        self.ground.heal()
        at_rest = self._await_rest()
        self._watch.end()
        calm = time.monotonic() - began - stormy
        evidence = self._evidence()
        late = time.monotonic() + LATE
        while violations(evidence) and time.monotonic() < late:
            time.sleep(5)
            evidence = self._evidence()
        self.report.wrong = violations(evidence)
        if not at_rest:
            self.report.wrong.insert(0, f"not at rest, and no job ended for {REST:.0f} s")
        self.report.figures = self._figures(evidence, stormy, calm)
        return self.report

    def _happen(self, event: Event) -> None:
        told = ""
        try:
            if event.what == "submit":
                told = self._submit(event)
            else:
                begin, end = self._faults[event.what]
                with self._busy[FAULTS[event.what].of]:
                    done = begin(event)
                    self._done[event.what] += 1
                    told = done if isinstance(done, str) else ""
                    time.sleep(event.lasts)
                    if end is not None:
                        end()
        except Exception as error:  # noqa: BLE001 - of the test's own tools; told, not hidden
            told = f"could not be done: {type(error).__name__}: {error}"
        line = f"{event.at:7.2f} s: {event.what} {event.flow} {told}".rstrip()
        with self._guard:
            self.report.events.append(line)
            click.echo(line, err=True)

    def _submit(self, event: Event) -> str:
        accepted = self.system.submit(event)
        one = Submitted(
            event.flow, shape_of(event.kind, event.width).expected, event.worker, accepted
        )
        with self._guard:
            self._submitted.append(one)
        return "accepted" if accepted else "not accepted"

    # --------------------------------------------------------------- looking

    def _address(self) -> tuple[str, str] | None:
        service = self.system.service("database")
        record = service.running()
        return (service.uri(record), "jfcelery") if record else None  # type: ignore[union-attr]

    @contextlib.contextmanager
    def _database(self) -> Iterator[Any]:
        from pymongo import MongoClient

        from jfcelery.services import database_endpoint

        with MongoClient[dict[str, Any]](database_endpoint(self.system.project).uri) as client:
            yield client["jfcelery"]

    def _await_rest(self) -> bool:
        moves, end = 0, time.monotonic() + REST
        while time.monotonic() < end:
            with self._database() as database:
                flows = list(database.flows.find({}, {"state": 1, "inserting": 1}))
                busy = [f for f in flows if not f.get("inserting") and f["state"] not in ENDED]
                pending = database.jobs.count_documents(
                    {"$or": [{"lock_id": {"$ne": None}}, {"release": True}]}
                )
                made = database.jobs.count_documents({"state": "COMPLETED"})
            if not busy and not pending and not self.ground.queue():
                return True
            if made > moves:
                moves, end = made, time.monotonic() + REST
            time.sleep(LOOK)
        return False

    def _evidence(self) -> Evidence:
        local = [json.loads(line) for line in self.system.effects.read_text().splitlines()]
        work = self.system.folder / "work"
        with self._database() as database:
            found = {name: list(database[name].find({})) for name in ("jobs", "flows", "history")}
            outputs = list(database["outputs"].find({}))
        return Evidence(
            effects=[*local, *self.ground.noted()],
            accounting=self.ground.accounting(),
            queue=self.ground.queue(),
            folders=[path.name for path in work.glob("*/*/*/*")] + self.ground.folders(),
            outputs=outputs,
            submitted=self._submitted,
            leases=self._watch.wrong,
            reboots=self.ground.reboots,
            scripts=self.ground.scripts(),
            **found,
        )

    def _figures(self, evidence: Evidence, stormy: float, calm: float) -> dict[str, Any]:
        submissions = [event for event in self.plan if event.what == "submit"]
        killed = sum(event.killed_after is not None for event in submissions)
        faults = self._done
        return {
            "flows": len(submissions),
            "accepted": sum(one.accepted for one in self._submitted),
            "jobs": len(evidence.jobs),
            "complete": sum(job["state"] == "COMPLETED" for job in evidence.jobs),
            "ends that Slurm knew nothing of": evidence.unknown.total(),
            "starts": sum(note["what"] == "start" for note in evidence.effects),
            "queue jobs": sum(map(len, evidence.attempts.values())),
            "faults": sum(faults.values()),
            "kills": killed + sum(faults[name] for name, kind in FAULTS.items() if kind.kills),
            "by kind": dict(sorted(faults.items())),
            "lives of the runner": self.system.runner.lives,
            "lives of the second worker": self.system.second.lives,
            "looks at the leases": self._watch.looks,
            "seconds of faults": round(stormy),
            "seconds to rest": round(calm),
        }


def chaos(cluster: Cluster, folder: Path, plan: list[Event]) -> Report:
    """Run a plan on a testbed that nobody else uses, and return what it showed."""
    home = folder / "home"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    shutil.copy(cluster.known_hosts, home / ".ssh" / "known_hosts")
    ground = Ground(cluster)
    ground.prepare()
    system = System(folder, ground.worker(), home)
    try:
        return Run(system, ground, plan).run()
    finally:
        system.stop()
        system.close()
        ground.close()


@click.command()
@click.option("--seed", default=1, show_default=True, help="Of the plan.")
@click.option("--jobs", default=100, show_default=True, help="Jobs, at least.")
@click.option("--seconds", default=120.0, show_default=True, help="When the last fault begins.")
@click.option("--every", default=EVERY, show_default=True, help="Seconds between two faults.")
@click.option("--local", default=LOCAL, show_default=True, help="Part of the flows without Slurm.")
@click.option("--width", default=WIDTH, show_default=True, help="Children in a fan.")
@click.option("--plan", "only_plan", is_flag=True, help="Print the plan, and do nothing.")
@click.option("--bed", type=click.Path(path_type=Path), help="Of a testbed that is up, for us.")
@click.option("--keep", is_flag=True, help="Leave the folder with logs and documents.")
def main(
    *,
    seed: int,
    jobs: int,
    seconds: float,
    every: float,
    local: float,
    width: int,
    only_plan: bool,
    bed: Path | None,
    keep: bool,
) -> None:
    """Let everything that may happen do so, and check that nothing is lost or done twice."""
    events = plan(seed, jobs, seconds, every, local=local, width=width)
    if only_plan:
        click.echo(as_json(events), nl=False)
        return
    folder = Path(tempfile.mkdtemp(prefix="jfc-chaos-", dir="/tmp"))
    os.environ["HOME"] = str(folder / "home")
    with own_installed_cluster("chaos", bed) as cluster:
        report = chaos(cluster, folder, events)
    if not keep and not report.wrong:
        shutil.rmtree(folder)
    click.echo(json.dumps(report.figures, indent=2))
    for line in report.wrong:
        click.echo(f"WRONG: {line}")
    if report.wrong:
        click.echo(f"Logs: {folder}")
    sys.exit(1 if report.wrong else 0)


if __name__ == "__main__":
    main()
