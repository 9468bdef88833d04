"""jobflow-remote's own project files load unchanged.

The files in ``data`` were written by jobflow-remote 1.0.1: by ``jf project generate`` (``simple``
and ``full``), and from a model in which every option is set (``every``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from jfcelery.project import load_file
from jfcelery.project.files import format_of, parse

DATA = Path(__file__).parent / "data"
FILES = sorted(path for path in DATA.iterdir() if path.suffix in (".yaml", ".json", ".toml"))


def differences(wanted: Any, got: Any, path: str = "") -> list[str]:
    """Return where a loaded value differs from what the file says."""
    if isinstance(wanted, dict):
        pairs = ((key, value, _member(got, key)) for key, value in wanted.items())
        return [
            line for key, value, mine in pairs for line in differences(value, mine, f"{path}.{key}")
        ]
    if isinstance(got, SecretStr):
        got = got.get_secret_value()
    if isinstance(got, tuple):
        got = list(got)
    if isinstance(got, Path):
        got = str(got)
    return [] if wanted == got else [f"{path}: {wanted!r} became {got!r}"]


def _member(value: Any, key: str) -> Any:
    if isinstance(value, BaseModel):
        return getattr(value, key)
    return value.get(key)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_value_is_taken_over(path: Path) -> None:
    """Each option of the file has the file's value in the project."""
    data = parse(path.read_text(), format_of(path))

    found = differences(data, load_file(path))

    # An unset timeout means ours; that is all that may differ.
    assert [line for line in found if not line.endswith("connect_timeout: None became 20.0")] == []


def test_all_formats_say_the_same() -> None:
    """YAML, JSON and TOML of the same project give the same workers."""
    workers = [load_file(DATA / f"full_{end}.{end}").workers for end in ("yaml", "json")]
    remote = load_file(DATA / "full_toml.toml").workers["example_worker"]

    assert workers[0] == workers[1]
    assert remote == workers[0]["example_worker"]


def test_a_walltime_stays_a_text(tmp_path: Path) -> None:
    """Values that YAML 1.1 would take for numbers or booleans mean what they meant there."""
    path = tmp_path / "p.yaml"
    path.write_text(
        "name: p\n"
        "workers:\n"
        "  w: {type: local, scheduler_type: slurm, work_dir: /w,"
        " resources: {time: 24:00:00, requeue: no, mem: 0x10}}\n"
    )

    resources = load_file(path).get_worker("w").resources

    assert resources == {"time": "24:00:00", "requeue": "no", "mem": 16}


def test_the_old_name_of_the_jobstore_is_known(tmp_path: Path) -> None:
    """``JOB_STORE``, as in jobflow's own settings, is the jobstore."""
    path = tmp_path / "p.yaml"
    path.write_text("name: p\nJOB_STORE: {docs_store: {type: MemoryStore}}\n")

    assert load_file(path).jobstore == {"docs_store": {"type": "MemoryStore"}}


def test_shell_text_is_left_to_the_shell(tmp_path: Path) -> None:
    """Variables in commands and exports belong to the worker's shell, not to us."""
    path = tmp_path / "p.yaml"
    path.write_text(
        "name: p\n"
        "workers: {w: {type: local, scheduler_type: shell, work_dir: /w,"
        " pre_run: 'cd ${SCRATCH}', execution_cmd: 'run ${X} {}'}}\n"
        "exec_config: {e: {export: {PATH: '/bin:${PATH}'}, pre_run: 'echo ${A}'}}\n"
    )

    project = load_file(path)

    assert project.get_worker("w").pre_run == "cd ${SCRATCH}"
    assert project.get_worker("w").execution_cmd == "run ${X} {}"
    assert project.get_exec_config("e").export == {"PATH": "/bin:${PATH}"}
