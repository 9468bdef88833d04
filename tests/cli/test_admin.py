"""``jfc admin …`` and ``jfc backup …``."""

from __future__ import annotations

import json
import random
import stat
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from jfcelery.controller import JobController, mongodump
from jfcelery.database import edges, upgrades
from jfcelery.database.documents import SCHEMA_VERSION
from jfcelery.states import JobState
from tests.support import mongotools
from tests.support.calling import Jfc
from tests.support.queued import Queued

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.projects import ProjectFactory
    from tests.support.queued import MakeFlow

_S = JobState


def test_reset_asks_and_wants_the_date_for_many_flows(
    jfc: Jfc, make_flow: MakeFlow, controller: JobController
) -> None:
    """From 25 flows on today's date must be typed."""
    for _ in range(25):
        make_flow({"a": []})
    assert jfc("admin", "reset", stdin="n\n").status == 1
    wrong = jfc("admin", "reset", "-y", "2001-01-01")
    assert wrong.status == 1
    assert "today's date" in wrong.stderr
    assert controller.count_flows() == 25
    today = datetime.now().astimezone().strftime("%Y-%m-%d")
    assert jfc("admin", "reset", today, "-y").status == 0
    assert controller.count_flows() == 0
    assert make_flow({"a": []}).ids == {"a": "1"}


def test_leases_are_ended_by_hand(jfc: Jfc, make_flow: MakeFlow) -> None:
    """The step that held it is fenced off."""
    flow = make_flow({"a": []})
    leased = flow.jobs.acquire(flow.bring("a", _S.UPLOADED), "x", timedelta(minutes=5))
    assert [job["db_id"] for job in jfc("job", "list", "-l", "--json").data] == ["1"]
    assert jfc("flow", "list", "-l", "--count", "--json").data == {"count": 1}
    assert jfc("admin", "unlock", "-y").stdout == "1 leases ended: 1\n"
    assert flow.doc("a").lock_id is None
    with pytest.raises(Exception, match="taken over"):
        flow.jobs.release(leased)
    assert jfc("admin", "unlock", "-y").stdout == "0 leases ended.\n"
    assert jfc("admin", "unlock-flow", "-fid", flow.flow, "-y").status == 0
    assert "nothing to unlock" in jfc("admin", "unlock-runner").stdout


def test_indexes_are_rebuilt_and_created(jfc: Jfc, controller: JobController) -> None:
    """A person's own index appears under its name."""
    assert jfc("admin", "index", "create", "job.metadata.formula", "desc").status == 0
    assert "job.metadata.formula_-1" in controller.jobs.index_information()
    assert jfc("admin", "index", "rebuild").status == 0
    assert "job.metadata.formula_-1" not in controller.jobs.index_information()


def test_upgrade_knows_its_own_layout_only(jfc: Jfc, controller: JobController) -> None:
    """A database of a later version is left alone."""
    expected = f"Layout {SCHEMA_VERSION}: up to date, nothing to do.\n"
    assert jfc("admin", "upgrade").stdout == expected
    controller.queue.auxiliary.update_one({"_id": "jfcelery"}, {"$set": {"schema": 99}})
    assert jfc("admin", "upgrade").status == 2
    listing = jfc("job", "list")
    assert listing.status == 2
    assert "layout 99" in listing.stderr


def test_upgrade_makes_a_backup_and_goes_from_layout_to_layout(
    jfc: Jfc,
    make_flow: MakeFlow,
    controller: JobController,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each step is made once, in order; the backup holds what was before."""
    make_flow({"a": []})
    made: list[int] = []
    steps = {n: lambda _, n=n: made.append(n) for n in range(-1, SCHEMA_VERSION)}
    controller.queue.auxiliary.update_one({"_id": "jfcelery"}, {"$set": {"schema": -1}})
    too_old = jfc("admin", "upgrade", "-y")
    assert too_old.status == 2
    assert "layout -1" in too_old.stderr
    monkeypatch.setattr(upgrades, "STEPS", steps)
    assert jfc("admin", "upgrade", stdin="n\n").status == 1
    assert made == []
    folder = tmp_path / "before"
    answer = jfc("admin", "upgrade", "-y", "-b", str(folder))
    assert answer.status == 0, answer.stderr
    assert f"Layout {SCHEMA_VERSION}: upgraded." in answer.stdout
    assert made == list(range(-1, SCHEMA_VERSION))
    manifest = json.loads((folder / "jfcelery.json").read_text())
    assert manifest["schema"] == -1
    assert manifest["counts"]["jobs"] == 1
    assert "nothing to do" in jfc("admin", "upgrade", "-y").stdout
    assert made == list(range(-1, SCHEMA_VERSION))


def test_upgrade_puts_parents_apart_that_are_many(
    jfc: Jfc, make_flow: MakeFlow, controller: JobController, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database of layout 1, in which a document named all parents, goes on where it was."""
    names = [f"p{number}" for number in range(40)]
    with monkeypatch.context() as patch:
        patch.setattr(edges, "INLINE", 1000)
        flow = make_flow({**{name: [] for name in names}, "few": names[:3], "many": names})
    flow.bring(names[0], JobState.COMPLETED)
    controller.queue.jobs.update_many({}, {"$unset": {"apart": 1}})
    controller.queue.edges.drop()
    controller.queue.auxiliary.update_one({"_id": "jfcelery"}, {"$set": {"schema": 1}})
    parents = [flow.uuids[name] for name in names]
    assert flow.doc("many").parents == parents

    assert jfc("admin", "upgrade", "-y").status == 0
    many = flow.doc("many")
    assert (many.parents, many.apart, many.unmet) == ([], 40, [edges.APART])
    assert len(flow.doc("few").parents) == 3
    (shown,) = controller.get_jobs_info(db_ids=many.db_id)
    assert shown.parents == parents
    for name in names[1:]:
        assert flow.state("many") is JobState.WAITING
        flow.bring(name, JobState.COMPLETED)
    assert flow.state("many") is JobState.READY


def test_reset_refuses_while_jobs_are_under_way(
    jfc: Jfc, make_flow: MakeFlow, controller: JobController
) -> None:
    """Queue jobs are not forgotten by accident; large payloads go with the rest."""
    flow = make_flow({"a": [], "b": []})
    flow.bring("a", _S.RUNNING)
    controller.queue.files.upload_from_stream("large", b"x" * 100)
    refused = jfc("admin", "reset", "-y")
    assert refused.status == 1
    assert "under way" in refused.stderr
    assert controller.count_flows() == 1
    assert jfc("admin", "reset", "-y", "--force").status == 0
    assert controller.count_flows() == 0
    names = controller.queue.database.list_collection_names()
    for name in names:
        if name.startswith("payload") or name == "history":
            assert controller.queue.database[name].count_documents({}) == 0


@pytest.mark.parametrize("compress", [[], ["--compress"]])
def test_a_backup_restores_everything_into_an_empty_queue(
    jfc: Jfc,
    make_flow: MakeFlow,
    controller: JobController,
    make_project: ProjectFactory,
    tmp_path: Path,
    compress: list[str],
) -> None:
    """Documents, payloads and history come back alike, in another project too."""
    flow = make_flow({"a": [], "b": ["a"]})
    flow.bring("a", _S.FAILED)
    large = random.Random(1).randbytes(700_000)  # noqa: S311 - more than one piece, not a secret
    controller.queue.files.upload_from_stream("large", large)
    folder = tmp_path / "backup"
    counts = jfc("backup", "create", str(folder), "-p", "--json", *compress).data
    assert counts["jobs"] == counts["payloads"] == 2
    assert counts["history"] == 9
    twice = jfc("backup", "create", str(folder), "-p")
    assert twice.status == 1
    full = jfc("backup", "restore", str(folder), "-p")
    assert full.status == 1
    assert "not empty" in full.stderr
    other = make_project()
    restored = Jfc(other.name)("backup", "restore", str(folder), "-p", "--json")
    assert restored.data == counts
    copy = JobController(other)
    for attribute in ("jobs", "flows", "history", "payloads"):
        ours, theirs = getattr(controller.queue, attribute), getattr(copy.queue, attribute)
        assert [one | {"project": other.name} for one in ours.find({})] == list(theirs.find({}))
    assert copy.queue.files.open_download_stream_by_name("large").read() == large
    copy.rerun_job(db_id="1")
    assert Queued(copy.queue, {"x": []}).ids == {"x": "3"}


def test_a_damaged_backup_is_refused(
    jfc: Jfc, make_flow: MakeFlow, controller: JobController, tmp_path: Path
) -> None:
    """Missing documents and foreign folders are noticed before anything is written."""
    make_flow({"a": []})
    assert jfc("backup", "restore", str(tmp_path), "-p").status == 1
    folder = tmp_path / "backup"
    jfc("backup", "create", str(folder), "-p")
    jfc("admin", "reset", "-y")
    whole = {path: path.read_bytes() for path in folder.glob("*.bson")}
    damages = {
        "payloads": b"",
        "flows": b"nonsense",
        "jobs": whole[folder / "jobs.bson"][:-3],
        "history": whole[folder / "history.bson"] * 2,
    }
    for name, content in damages.items():
        (folder / f"{name}.bson").write_bytes(content)
        damaged = jfc("backup", "restore", str(folder), "-p")
        assert damaged.status == 1
        assert name in damaged.stderr
        assert "damaged" in damaged.stderr
        (folder / f"{name}.bson").write_bytes(whole[folder / f"{name}.bson"])
        # nothing was written: a restore that works finds the queue empty
        assert controller.count_flows() == controller.queue.payloads.count_documents({}) == 0
    assert jfc("backup", "restore", str(folder), "-p").status == 0
    assert controller.count_flows() == 1


@pytest.mark.parametrize("compress", [False, True])
def test_a_backup_by_mongodbs_own_tools(
    jfc: Jfc,
    make_flow: MakeFlow,
    make_project: ProjectFactory,
    controller: JobController,
    tmp_path: Path,
    compress: bool,
) -> None:
    """They get the address in a file that only we can read; how far they are is told."""
    flow = make_flow({"a": [], "b": ["a"]})
    flow.bring("a", _S.FAILED)
    tools, folder = tmp_path / "tools", tmp_path / "backup"
    mongotools.install(tools)
    seen: list[int] = []
    controller.queue.check()
    counts = mongodump.dump(
        controller.project,
        controller.queue,
        folder,
        compress=compress,
        tools=tools,
        progress=seen.append,
    )
    assert counts["jobs"] == counts["payloads"] == 2
    assert seen == sorted(seen)
    assert set(range(1, sum(counts.values()) + 1)) <= set(seen)
    assert (folder / "jobs.bson.gz").exists() is compress
    assert "mongodb://" not in (tools / "calls").read_text()
    assert "mongodb://" in (tools / "config").read_text()
    assert set((tools / "modes").read_text().split()) == {"600"}
    full = jfc("backup", "restore", str(folder), "-m", str(tools))
    assert full.status == 1
    assert "not empty" in full.stderr
    copy = JobController(make_project())
    seen.clear()
    restored = mongodump.restore(
        copy.project, copy.queue, folder, tools=tools, progress=seen.append
    )
    assert restored == counts
    assert set(range(1, sum(counts.values()) + 1)) <= set(seen)
    ours = [doc | {"project": copy.project.name} for doc in controller.queue.jobs.find({})]
    assert list(copy.queue.jobs.find({})) == ours
    again = make_project()
    answer = Jfc(again.name)("backup", "restore", str(folder), "-m", str(tools), "--json")
    assert answer.data == counts


def test_a_tool_of_mongodb_that_fails_says_why(
    jfc: Jfc, make_flow: MakeFlow, tmp_path: Path
) -> None:
    """Its last words are told, not its bars; nor may the tool be missing."""
    make_flow({"a": []})
    tool = tmp_path / "mongodump"
    tool.write_text(
        "#!/bin/sh\necho 'Failed: no space' >&2\necho '[#.] x.jobs 1/2 (50.0%)' >&2\nexit 1\n"
    )
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    answer = jfc("backup", "create", str(tmp_path / "backup"), "-m", str(tmp_path))
    assert answer.status == 1
    assert "mongodump fails: Failed: no space" in answer.stderr
    (tmp_path / "none").mkdir()
    assert jfc("backup", "create", "x", "-m", str(tmp_path / "none")).status == 1
    assert jfc("backup", "create", "x", "-m", str(tmp_path), "-p").status == 2
