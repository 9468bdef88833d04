"""What a job leaves: its output, run folder, script and documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from jfcelery.states import JobState

if TYPE_CHECKING:
    import pytest

    from jfcelery.controller import JobController
    from tests.support.calling import Jfc
    from tests.support.queued import MakeFlow

_S = JobState


def test_output_of_a_job_comes_from_the_jobstore(
    jfc: Jfc, make_flow: MakeFlow, controller: JobController, tmp_path: Path
) -> None:
    """On the screen, as JSON and in a file; a missing one is said to be missing."""
    flow = make_flow({"a": []})
    assert jfc("job", "output", "1").status == 1
    store = controller.project.get_jobstore()
    store.connect()
    document = {"uuid": flow.uuids["a"], "index": 1, "output": {"energy": -1.5}, "name": "a"}
    store.update([document], key=["uuid", "index"])
    store.close()
    assert "-1.5" in jfc("job", "output", "1").stdout
    assert jfc("job", "output", flow.uuids["a"], "--json").data == {"energy": -1.5}
    path = tmp_path / "out.json"
    assert jfc("job", "output", "1", "--path", str(path)).status == 0
    assert "energy" in path.read_text()
    assert jfc("job", "output", "1", "--path", "out.txt").status == 2


def test_files_of_a_run_folder_are_listed_copied_and_removed(
    jfc: Jfc, make_flow: MakeFlow, controller: JobController, tmp_path: Path
) -> None:
    """Only a folder with the job's own marker below work_dir is removed."""
    flow = make_flow({"a": []})
    none = jfc("job", "files", "ls", "1")
    assert none.status == 1
    assert "no run folder yet" in none.stderr
    doc = flow.bring("a", _S.FAILED)
    work_dir = controller.project.get_worker("here").work_dir
    folder = tmp_path.__class__(str(work_dir)) / "aa" / f"{doc.uuid}_1"
    folder.mkdir(parents=True)
    (folder / "queue.out").write_text("hello\n")
    (folder / "queue.err").write_text("oops\n")
    flow.jobs.update(doc, {"run_dir": str(folder)})
    assert jfc("job", "files", "ls", "1", "--json").data["files"] == ["queue.err", "queue.out"]
    shown = jfc("job", "queue-out", "1").stdout
    assert "hello" in shown
    assert "oops" in shown
    got = jfc("job", "files", "get", "1", "queue.*", "-p", str(tmp_path))
    assert got.status == 0
    assert (tmp_path / "queue.out").read_text() == "hello\n"
    assert jfc("job", "files", "get", "1", "nothing", "-p", str(tmp_path)).status == 1
    assert jfc("job", "files", "delete", "1", "-y").status == 1
    assert folder.exists()
    marker = {"attempt": 1, "uuid": doc.uuid, "index": 12}
    (folder / ".jfcelery.json").write_text(json.dumps(marker))
    assert jfc("job", "files", "delete", "1", "-y").status == 1
    assert folder.exists()
    (folder / ".jfcelery.json").write_text(json.dumps(marker | {"index": 1}))
    assert jfc("job", "files", "delete", "1", "-y").status == 0
    assert not folder.exists()


def test_the_script_of_a_job_is_shown_before_anything_runs(jfc: Jfc, make_flow: MakeFlow) -> None:
    """A dry run: what will be submitted, with the job's own settings."""
    flow = make_flow({"a": []}, exec_config={"export": {"GREETING": "hello"}})
    answer = jfc("job", "submit-script", flow.ids["a"])
    assert answer.status == 0
    assert answer.stdout.startswith("#!")
    assert "GREETING" in answer.stdout
    assert flow.state("a") is _S.READY


def test_documents_are_dumped(jfc: Jfc, make_flow: MakeFlow, tmp_path: Path) -> None:
    """With the serialised job, as JSON."""
    make_flow({"a": [], "b": []})
    path = tmp_path / "dump.json"
    assert jfc("job", "dump", "-n", "a", "-p", str(path)).status == 0
    (document,) = json.loads(path.read_text())
    assert document["job"]["name"] == "a"
    assert document["payload"]["uuid"] == document["uuid"]


def test_a_shell_opens_in_the_run_folder(
    jfc: Jfc, make_flow: MakeFlow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On this machine by sh, elsewhere by the system's ssh."""
    from jfcelery.cli.job.todir import shell_command
    from jfcelery.project import RemoteWorker

    called: list[list[str]] = []
    monkeypatch.setattr("os.execvp", lambda _, command: called.append(command))
    flow = make_flow({"a": []})
    assert jfc("job", "todir", "1").status == 1
    flow.bring("a", _S.UPLOADED)
    assert jfc("job", "todir", "1", "-s", "zsh").status == 0
    folder = flow.doc("a").run_dir
    assert called == [["/bin/sh", "-c", f"cd {folder} && exec zsh -i"]]
    remote = RemoteWorker(
        scheduler_type="slurm",
        work_dir=Path("/scratch/me"),
        host="cluster.example.org",
        user="me",
        port=2222,
        key_filename="/keys/id",
    )
    assert shell_command(remote, "/scratch/me/x y", "bash") == [
        *("ssh", "-t", "-l", "me", "-p", "2222", "-i", "/keys/id", "cluster.example.org"),
        "cd '/scratch/me/x y' && exec bash -i",
    ]
