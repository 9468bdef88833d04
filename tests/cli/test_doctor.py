"""``jfc doctor`` and ``jfc plugin list``."""

from __future__ import annotations

import json
import stat
import zipfile
from typing import TYPE_CHECKING, Any

from jfcelery.controller import JobController
from jfcelery.database.hosts import HostRecords
from jfcelery.tasks.doctor import examination
from tests.support.calling import Jfc

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from jfcelery.project import Project
    from tests.support.projects import ProjectFactory


def found(answer: Any) -> dict[str, list[dict[str, str]]]:
    """Return the findings by subject."""
    rows: dict[str, list[dict[str, str]]] = {}
    for row in answer.data["findings"]:
        rows.setdefault(row["subject"], []).append(row)
    return rows


def test_everything_is_looked_at_and_every_finding_has_a_remedy(jfc: Jfc) -> None:
    """Without a runner: that is said, with what starts it; all else is well."""
    answer = jfc("doctor", "--json")
    rows = found(answer)
    assert answer.status == 0
    assert {
        *("versions", "disk", "project file", "database", "clock", "indexes", "broker"),
        *("runner", "worker here"),
    } <= set(rows)
    assert all(row["remedy"] for every in rows.values() for row in every if row["level"] != "ok")
    assert rows["runner"][0]["remedy"] == "jfc runner start"
    assert {row["level"] for row in rows["database"] + rows["clock"] + rows["indexes"]} == {"ok"}
    assert jfc("doctor").widest <= 80


def test_what_is_wrong_is_found(project: Project, jfc: Jfc) -> None:
    """A missing index, a paused host, messages that nobody takes."""
    queue = JobController.from_project(project).queue
    queue.jobs.drop_index("db_id_1")
    HostRecords(queue).pause("local", "maintenance")
    JobController.from_project(project).actions.wake()
    rows = found(jfc("doctor", "--json", "--no-workers"))
    assert "jobs(db_id)" in rows["indexes"][0]["text"]
    assert rows["indexes"][0]["remedy"] == "jfc admin index rebuild"
    assert "maintenance" in rows["worker here"][0]["text"]
    assert "messages wait" in rows["queues"][0]["text"]


def test_what_cannot_be_reached_ends_with_status_two(make_project: ProjectFactory) -> None:
    """The other checks go on; so they do where a check itself fails."""
    project = make_project(broker={"url": "redis://127.0.0.1:1/0"})
    answer = Jfc(project.name)("doctor", "--json", "--no-workers")
    rows = found(answer)
    assert answer.status == 2
    assert rows["broker"][0]["level"] == "error"
    assert rows["worker here"][0]["level"] == "ok"


def test_a_check_that_fails_is_a_finding(jfc: Jfc, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends nothing."""

    def broken(project: Project) -> Any:
        raise ZeroDivisionError(project.name)

    monkeypatch.setitem(examination.CHECKS, "versions", broken)
    rows = found(jfc("doctor", "--json", "--no-workers"))
    assert "ZeroDivisionError" in rows["versions"][0]["text"]
    assert "database" in rows


def test_a_bug_report_holds_no_secret(
    make_project: ProjectFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither from the project file, nor the environment, nor what the logs hold."""
    monkeypatch.setenv("PLANTED", "s3cret-of-the-variable")
    monkeypatch.setenv("JFCELERY_TEST_TOKEN", "s3cret-of-the-environment")
    worker = {
        "type": "remote",
        "scheduler_type": "slurm",
        "host": "there.invalid",
        "work_dir": "/nowhere",
        "password": "s3cret-of-the-worker",
        "passphrase": "${PLANTED}",
    }
    local = {"type": "local", "scheduler_type": "shell", "work_dir": str(tmp_path)}
    broker = {"url": "redis://u:s3cret-of-the-broker@127.0.0.1:1/0"}
    project = make_project(
        workers={"here": local, "there": worker}, broker=broker, log_dir=str(tmp_path / "log")
    )
    log = tmp_path / "log" / "vm" / "hosts-1.log"
    log.parent.mkdir(parents=True)
    log.write_text(
        "login with s3cret-of-the-worker failed\n"
        "mongodb://bob:s3cret-of-an-address@db.example.org/x\n"
        'password = "s3cret-of-an-assignment", token: s3cret-of-a-token\n'
        "the key is s3cret-of-the-variable, all else stays\n"
    )
    path = tmp_path / "report.zip"

    answer = Jfc(project.name)("doctor", "--no-workers", "--bug-report", str(path))

    assert str(path) in answer.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with zipfile.ZipFile(path) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert [name for name, text in texts.items() if "s3cret" in text] == []
    assert "all else stays" in texts["log/vm/hosts-1.log"]
    assert "there.invalid" in texts["project.json"]
    assert json.loads(texts["findings.json"])
    assert "jobflow==" in texts["packages.txt"]


def test_plugins_are_listed_with_their_package() -> None:
    """Each entry point, and whether it loads."""
    rows = Jfc()("plugin", "list", "--json").data
    assert {row["group"] for row in rows} >= {"jfcelery.messenger", "jfcelery.folders"}
    assert all((row["package"], row["state"]) == ("jfcelery", "ok") for row in rows)
