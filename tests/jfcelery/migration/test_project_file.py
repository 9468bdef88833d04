"""Project files of jobflow-remote made into projects of jfcelery."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from jfcelery.errors import ConfigError, InputError
from jfcelery.migration.project_file import converted
from jfcelery.project import load_file
from tests.support.calling import Jfc

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """\
# my cluster
name: old
base_dir: /home/me/.jfremote/old
log_level: debug
workers:
  hpc:  # the big one
    type: remote
    scheduler_type: slurm
    work_dir: /scratch/me
    host: hpc.example
    password: "${HPC_PASSWORD}"
queue:
  store: {type: MongoStore, database: jfq, host: db.example, collection_name: jobs}
  flows_collection: my_flows
exec_config:
  module: {modules: [vasp]}
jobstore:
  docs_store: {type: MongoStore, database: outputs, host: db.example, collection_name: out}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project file as people have them."""
    monkeypatch.setenv("HPC_PASSWORD", "secret")
    path = tmp_path / "old.yaml"
    path.write_text(TEXT)
    return path


def test_all_but_queue_and_folders_stays(file: Path, projects_folder: Path) -> None:
    """Comments and references are kept, secrets are not written out; the file is as it was."""
    answer = Jfc()("project", "import", str(file))
    assert answer.status == 0, answer.stderr
    path = projects_folder / "old.yaml"
    text = path.read_text()
    assert "# my cluster" in text
    assert "# the big one" in text
    assert '"${HPC_PASSWORD}"' in text
    assert "secret" not in text
    assert "queue" not in text
    assert path.stat().st_mode & 0o777 == 0o600
    project = load_file(path)
    assert project.uses_embedded_database
    assert project.base_dir == projects_folder / "old"
    assert project.exec_config["module"].modules == ["vasp"]
    assert file.read_text() == TEXT
    again = Jfc()("project", "import", str(file))
    assert again.status == 2
    assert "exists" in again.stderr


def test_the_queue_may_stay_on_its_server_in_another_database(
    file: Path, projects_folder: Path
) -> None:
    """Collections keep their names."""
    assert Jfc()("project", "import", str(file), "-n", "new", "-d", "jfcq").status == 0
    project = load_file(projects_folder / "new.yaml")
    assert project.name == "new"
    assert project.queue is not None
    assert str(project.queue.target) == "db.example:27017/jfcq/jobs"
    assert project.queue.flows_collection == "my_flows"
    with pytest.raises(InputError, match="that jobflow-remote uses"):
        converted(file, database="jfq")


@pytest.mark.parametrize("ending", ["json", "yaml", "toml"])
def test_other_formats_become_yaml(tmp_path: Path, ending: str) -> None:
    """JSON, also under the name of YAML, and TOML."""
    workers = {"here": {"type": "local", "scheduler_type": "shell", "work_dir": "/w"}}
    path = tmp_path / f"old.{ending}"
    if ending == "toml":
        path.write_text(
            'name = "old"\n[workers.here]\n'
            'type = "local"\nscheduler_type = "shell"\nwork_dir = "/w"\n'
        )
    else:
        path.write_text(json.dumps({"name": "old", "workers": workers}))
    name, text = converted(path)
    assert name == "old"
    new = tmp_path / "new.yaml"
    new.write_text(text)
    assert list(load_file(new).workers) == ["here"]
    assert "  here:\n" in text
    with pytest.raises(InputError, match="names no MongoDB server"):
        converted(path, database="x")


def test_a_wrong_file_is_named(tmp_path: Path) -> None:
    """Nothing is written for it."""
    path = tmp_path / "old.yaml"
    path.write_text("name: old\nnonsense: 1\n")
    with pytest.raises(ConfigError, match="nonsense"):
        converted(path)
