"""Secrets come from the environment or from files, and never show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jfcelery.errors import ConfigError
from jfcelery.project import ProjectFileError, load_file
from jfcelery.project.references import resolve, secret_variable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jfcelery.project import Project

    Load = Callable[..., Project]

SECRET = "hunter2-and-more"
REMOTE = {"type": "remote", "scheduler_type": "slurm", "work_dir": "/w", "host": "h"}


def full_of_secrets(secret: str) -> dict[str, Any]:
    """Return sections with a secret wherever one may stand."""
    store = {"type": "MongoStore", "database": "d", "collection_name": "c"}
    store |= {"username": "u", "password": secret}
    uri = {"type": "MongoURIStore", "uri": f"mongodb://u:{secret}@h/", "database": "d"}
    gateway = {"host": "g", "password": secret, "gateway": {"host": "i", "passphrase": secret}}
    worker = REMOTE | {
        "password": secret,
        "passphrase": secret,
        "gateway": gateway,
        "connect_kwargs": {"password": secret},
    }
    transfer = worker | {
        "type": "separated_transfer",
        "transfer": {"host": "t", "password": secret},
    }
    return {
        "workers": {"w": worker, "t": transfer},
        "queue": {"store": store},
        "jobstore": {"docs_store": uri | {"collection_name": "o"}},
        "optional_jobstores": {"o": {"docs_store": store | {"collection_name": "p"}}},
        "broker": {"url": f"redis://u:{secret}@h:6379/0"},
        "notifications": [{"urls": [f"slack://{secret}"]}],
    }


@pytest.mark.parametrize("how", ["plain", "variable", "file"])
def test_a_secret_is_used_but_never_shown(
    load: Load, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: str
) -> None:
    """However it is given, each consumer gets it and no representation holds it."""
    monkeypatch.setenv("MY_SECRET", SECRET)
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    sections = full_of_secrets("${MY_SECRET}" if how == "variable" else SECRET)
    if how == "file":
        sections["workers"]["w"]["password"] = f"file:{tmp_path}/secret"
        sections["queue"]["store"]["password"] = f"file:{tmp_path}/secret"

    project = load(**sections)

    worker = project.workers["w"]
    assert worker.connection is not None
    assert worker.connection.get_connect_kwargs()["password"] == SECRET
    assert project.queue is not None
    assert project.queue.target is not None
    assert project.queue.target.client_arguments["password"] == SECRET
    assert project.broker is not None
    assert project.broker.url == f"redis://u:{SECRET}@h:6379/0"
    shown = [repr(project), str(project), str(project.public()), repr(worker.connection)]
    shown += [repr(project.queue.target), str(project.queue.target), worker.host_key]
    assert not [text for text in shown if SECRET in text]


def test_an_error_elsewhere_shows_no_secret(load: Load) -> None:
    """A wrong option beside a secret is told without it."""
    sections = full_of_secrets(SECRET)
    sections["workers"]["w"]["port"] = SECRET
    sections["queue"]["store"]["colour"] = 1

    with pytest.raises(ProjectFileError) as caught:
        load(**sections)

    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value)


def test_a_variable_that_is_not_set_is_named(load: Load) -> None:
    """The error names file, key path and variable, and how to write a plain ``${``."""
    with pytest.raises(ProjectFileError) as caught:
        load(workers={"w": REMOTE | {"password": "${JFCT_NOT_SET}"}})

    assert str(caught.value) == (
        "/projects/test.json: line 9: workers.w.password: environment variable 'JFCT_NOT_SET' is "
        "not set; export it, or write $${ for a plain ${"
    )


def test_a_file_that_cannot_be_read_is_named(load: Load) -> None:
    """The error names file, key path and the missing file."""
    with pytest.raises(ProjectFileError) as caught:
        load(broker={"url": "file:nothing/here"})

    assert str(caught.value).startswith(
        "/projects/test.json: line 4: broker.url: cannot read /projects/nothing/here (No such file"
    )


def test_a_relative_file_lies_beside_the_project_file(tmp_path: Path) -> None:
    """``file:NAME`` starts where the project file lies, wherever one works."""
    (tmp_path / "redis_url").write_text("redis://h/1\n")
    path = tmp_path / "p.yaml"
    path.write_text("name: p\nbroker: {url: 'file:redis_url'}\n")

    broker = load_file(path).broker

    assert broker is not None
    assert broker.url == "redis://h/1"


def test_a_port_becomes_a_number(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment holds is text, but drivers want a number."""
    monkeypatch.setenv("MY_PORT", "27018")
    store = {"type": "MongoStore", "database": "d", "collection_name": "c", "port": "${MY_PORT}"}

    queue = load(queue={"store": store}).queue

    assert queue is not None
    assert queue.store["port"] == 27018


def test_dollars_can_be_escaped(load: Load) -> None:
    """``$${`` stands for ``${``; a lone dollar or an open brace stands for itself."""
    project = load(
        workers={
            "a": REMOTE | {"password": "a$${b}"},
            "b": REMOTE | {"password": "$a$b ${ c"},
        }
    )

    passwords = [worker.connection.get_connect_kwargs()["password"]  # type: ignore[union-attr]
                 for worker in project.workers.values()]  # fmt: skip
    assert passwords == ["a${b}", "$a$b ${ c"]


_scalars = (
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_characters="$"))
)
_trees = st.recursive(
    _scalars.filter(lambda v: not (isinstance(v, str) and v.startswith("file:"))),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(min_size=1), inner),
    max_leaves=10,
)


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.sampled_from(["queue", "jobstore", "broker", "metadata"]), _trees))
def test_without_references_nothing_changes(tmp_path_factory: Any, data: dict[str, Any]) -> None:
    """Data that refers to nothing come back as they are, but for ports in digits."""
    folder = tmp_path_factory.getbasetemp()

    resolved, unresolved = resolve(data, folder)

    assert unresolved == []
    assert resolved == data


def test_a_variable_may_name_the_file_of_a_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """NAME holds it, or NAME_FILE names the file; a file that is not there is an error."""
    monkeypatch.delenv("A_SECRET", raising=False)
    assert secret_variable("A_SECRET") == ""
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    monkeypatch.setenv("A_SECRET_FILE", str(tmp_path / "secret"))
    assert secret_variable("A_SECRET") == SECRET
    monkeypatch.setenv("A_SECRET", "another")
    assert secret_variable("A_SECRET") == "another"
    monkeypatch.delenv("A_SECRET")
    (tmp_path / "secret").unlink()
    with pytest.raises(ConfigError, match="A_SECRET_FILE: cannot read"):
        secret_variable("A_SECRET")
