"""A wrong project file is told off in one line a problem: file, key path, what, remedy."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.errors import ProjectInvalidError, ProjectNotFoundError
from jfcelery.project import ProjectFileError, load_file
from jfcelery.project.loading import load_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from jfcelery.project import Project

    Load = Callable[..., Project]

SECRET = "hunter2-and-more"
LOCAL = {"type": "local", "scheduler_type": "shell", "work_dir": "/work"}
REMOTE = {"type": "remote", "scheduler_type": "slurm", "work_dir": "/work", "host": "h"}


def lines_of(load: Load, **sections: Any) -> list[str]:
    """Return the lines of the error that loading raises."""
    with pytest.raises(ProjectFileError) as caught:
        load(**sections)
    return [re.sub(r": line \d+", "", line) for line in str(caught.value).splitlines()]


def one_worker(load: Load, **options: Any) -> str:
    """Return the only line about a worker ``w``."""
    (line,) = lines_of(load, workers={"w": options})
    return line


@pytest.mark.parametrize(
    "options, key, words",
    [
        (LOCAL | {"max_job": 3}, "workers.w.max_job", "unknown key; did you mean 'max_jobs'?"),
        (LOCAL | {"host": "h"}, "workers.w.host", "unknown key"),
        (LOCAL | {"work_dir": "tmp"}, "workers.w.work_dir", "not an absolute path; write it from"),
        (LOCAL | {"work_dir": "~/w"}, "workers.w.work_dir", "without '~'"),
        (LOCAL | {"execution_cmd": "run"}, "workers.w.execution_cmd", "write '{}' where the path"),
        (LOCAL | {"scheduler_type": "slrm"}, "workers.w.scheduler_type", "did you mean 'slurm'?"),
        (LOCAL | {"scheduler_type": "x"}, "workers.w.scheduler_type", "use one of slurm, pbs, sge"),
        (LOCAL | {"scheduler_type": 3}, "workers.w.scheduler_type", "must be a text"),
        (LOCAL | {"type": "lokal"}, "workers.w", "unknown type 'lokal'; use one of 'local'"),
        ({"scheduler_type": "shell"}, "workers.w", "`type` is missing; add one of local, remote"),
        (REMOTE | {"port": "x"}, "workers.w.port", "must be a whole number"),
        (
            LOCAL | {"recovery": [{"on": ["LATE"]}]},
            "workers.w.recovery (entry 1).on (entry 1)",
            "'LATE' is no end",
        ),
        (REMOTE | {"port": 70000}, "workers.w.port", "less than or equal to 65535"),
        (REMOTE | {"password": 1234}, "workers.w.password", "put it in quotes"),
        (REMOTE | {"gateway": {"hst": "g", "host": "g"}}, "workers.w.gateway.hst", "'host'?"),
        (REMOTE | {"gateway": {}}, "workers.w.gateway.host", "missing; add it"),
        (REMOTE | {"gateway": 3}, "workers.w.gateway", "must hold keys and values"),
        (REMOTE | {"key_filename": 3}, "workers.w.key_filename", "must be a text"),
        (REMOTE | {"type": "separated_transfer"}, "workers.w.transfer", "missing; add it"),
        (
            LOCAL | {"batch": {"jobs_handle_dir": "a", "work_dir": "/b"}},
            "workers.w.batch.jobs_handle_dir",
            "not an absolute path",
        ),
    ],
)
def test_a_wrong_worker_is_named(load: Load, options: dict[str, Any], key: str, words: str) -> None:
    """The line names the file, the key that is wrong, and what to write."""
    line = one_worker(load, **options)

    assert line.startswith(f"/projects/test.json: {key}: ")
    assert words in line


def test_a_scheduler_that_cannot_be_made_is_named(load: Load) -> None:
    """A serialised scheduler with wrong arguments, of an unknown class, or of another kind."""
    module = {"@module": "qtoolkit.io.slurm"}
    wrong = LOCAL | {"scheduler_type": module | {"@class": "SlurmIO", "colour": 1}}
    other = {"@module": "qtoolkit.core.data_objects", "@class": "QResources"}

    assert "unexpected keyword argument 'colour'" in one_worker(load, **wrong)
    assert "is no scheduler; use one of" in one_worker(load, **(LOCAL | {"scheduler_type": other}))
    nothing = LOCAL | {"scheduler_type": {"a": 1}}
    assert "cannot import ?.?; install its package here, or use one" in one_worker(load, **nothing)
    missing = LOCAL | {"scheduler_type": {"@module": "no.such", "@class": "X"}}
    assert "workers.w.scheduler_type: cannot import no.such.X; install" in one_worker(
        load, **missing
    )


MONGO = {"type": "MongoStore", "database": "d", "collection_name": "c", "password": SECRET}
URI = {"type": "MongoURIStore", "database": "d", "collection_name": "c"}


@pytest.mark.parametrize(
    "store, key, words",
    [
        (MONGO | {"type": "MongStore"}, "type", "maggma has no store 'MongStore'; did you mean"),
        (MONGO | {"usernme": "u"}, "usernme", "no such argument; did you mean 'username'?"),
        ({"type": "MongoStore", "database": "d"}, "", "collection_name"),
        ({"database": "d"}, "type", "maggma has no store ''"),
        (MONGO | {"password": 1234}, "password", "not a text; put it in quotes"),
        (MONGO | {"port": "x"}, "port", "not a number; write e.g. 27017"),
        (
            {"type": "MongoURIStore", "uri": f"h:{SECRET}", "collection_name": "c"},
            "uri",
            "not the address of a MongoDB; write mongodb://HOST:PORT/DATABASE",
        ),
        (
            {"@module": "no.such", "@class": "X"},
            "@class",
            "no.such.X is no maggma store, or cannot be imported here",
        ),
        (MONGO | {"ssh_tunnel": {"type": "SSHTunel"}}, "type", "SSHTunnel"),
    ],
)
def test_a_store_that_maggma_does_not_know_is_named(
    load: Load, store: dict[str, Any], key: str, words: str
) -> None:
    """The same holds in the queue and in both places of each JobStore."""
    docs = {"docs_store": {"type": "MemoryStore"}}
    places: dict[str, dict[str, Any]] = {
        "queue.store": {"queue": {"store": store}},
        "jobstore.docs_store": {"jobstore": {"docs_store": store}},
        "jobstore.additional_stores.data": {
            "jobstore": docs | {"additional_stores": {"data": store}}
        },
        "optional_jobstores.o.docs_store": {"optional_jobstores": {"o": {"docs_store": store}}},
    }
    for place, sections in places.items():
        (line,) = lines_of(load, **sections)
        path = f"{place}.{key}" if key else place
        assert line.startswith(f"/projects/test.json: {path}: ")
        assert words in line
        assert SECRET not in line


@pytest.mark.parametrize(
    "store",
    [
        {"type": "MemoryStore"},
        {"type": "JSONStore", "paths": "a.json", "read_only": False},
        {"type": "GridFSStore", "database": "d", "collection_name": "c"},
    ],
)
def test_a_queue_needs_mongodb(load: Load, store: dict[str, Any]) -> None:
    """A store that other processes cannot share, or that keeps files, cannot hold the queue."""
    (line,) = lines_of(load, queue={"store": store})

    assert f"queue.store.type: a {store['type']} cannot hold the queue; use a MongoStore" in line


@pytest.mark.parametrize(
    "sections, key, words",
    [
        ({"colour": "red"}, "colour", "unknown key; remove it, or use one of base_dir, broker"),
        ({"worker": {}}, "worker", "did you mean 'workers'?"),
        ({"name": "a/b"}, "name", "not usable as a name; use letters"),
        ({"name": None}, "name", "put it in quotes"),
        ({"log_level": "loud"}, "log_level", "'error', 'warn', 'info' or 'debug'"),
        ({"runner": {"max_step_attempts": 0}}, "runner.max_step_attempts", "greater than or equal"),
        ({"runner": {"delta_retry": 3}}, "runner.delta_retry", "must be a list"),
        ({"runner": {"delta_retry": [1, -1]}}, "runner.delta_retry (entry 2)", "greater than or"),
        ({"workers": []}, "workers", "must hold keys and values"),
        ({"workers": {"w": "local"}}, "workers.w", "must hold keys and values"),
        ({"exec_config": {"e": {"module": []}}}, "exec_config.e.module", "did you mean 'modules'?"),
        ({"broker": {"url": f"amqp://u:{SECRET}@h"}}, "broker.url", "write redis://HOST:PORT/0"),
        ({"broker": {"url": f"redis://u:a/{SECRET}@h"}}, "broker.url", "as %40, %3A, %2F"),
        ({"queue": {"store": URI | {"uri": f"mongodb://a@{SECRET}@h"}}}, "queue.store.uri", "%40"),
        ({"queue": {"store": MONGO | {"host": f"mongodb://{SECRET}:"}}}, "queue.store.host", "%3A"),
        (
            {"jobstore": {"docs_store": URI | {"uri": f"mongodb://u:a#{SECRET}@h"}}},
            "jobstore.docs_store.uri",
            "%23",
        ),
        ({"broker": {"url": "redis://h", "tls": {}}}, "broker", "write rediss://"),
        ({"poll": {"max_interval": 1}}, "poll", "`max_interval` is shorter than `min_interval`"),
        ({"services": {"broker": "external"}}, "services.broker", "needs `broker`, which is"),
        (
            {"services": {"broker": "embedded"}, "broker": {"url": "redis://h"}},
            "services.broker",
            "`embedded` contradicts `broker`; remove one",
        ),
        ({"jobstore": {"docs": 1}}, "jobstore.docs_store", "missing; give the store of the output"),
        (
            {"jobstore": {"docs_store": {"type": "MemoryStore"}, "lod": 1}},
            "jobstore.lod",
            "did you mean 'load'?",
        ),
        ({"jobstore": {"docs_store": "MemoryStore"}}, "jobstore.docs_store", "not a store"),
        (
            {"jobstore": {"docs_store": {"type": "MemoryStore"}, "additional_stores": [1]}},
            "jobstore.additional_stores",
            "write a name for each store",
        ),
        ({"broker": {"url": f"redis:/u:{SECRET}@["}}, "broker.url", "write redis://HOST"),
        (
            {"queue": {"store": MONGO, "flows_collection": "c"}},
            "queue.flows_collection",
            "'c' is the name of `queue.store.collection_name` too; change one",
        ),
        (
            {"queue": {"store": MONGO}, "jobstore": {"docs_store": MONGO}},
            "jobstore.docs_store.collection_name",
            "is the collection of `queue.store.collection_name` too",
        ),
        (
            {"limits": {"queue_jobs": [{"max_job": 1, "max_jobs": 1}]}},
            "limits.queue_jobs (entry 1).max_job",
            "did you mean 'max_jobs'?",
        ),
    ],
)  # fmt: skip
def test_a_wrong_section_is_named(
    load: Load, sections: dict[str, Any], key: str, words: str
) -> None:
    """The line names the file, the key that is wrong, and what to write; never a secret."""
    (line,) = lines_of(load, **sections)

    assert line.startswith(f"/projects/test.json: {key}: ")
    assert words in line
    assert SECRET not in line


def test_two_batch_workers_need_two_folders(load: Load) -> None:
    """Pilots of two workers on one host must not share their folder; on two hosts they may."""
    batch = {"jobs_handle_dir": "/handle", "work_dir": "/pilots"}
    one, other = REMOTE | {"batch": batch}, REMOTE | {"host": "i", "batch": batch}

    (line,) = lines_of(load, workers={"a": one, "b": one})

    assert "workers.b.batch.jobs_handle_dir: worker 'a' on the same host has the same" in line
    assert load(workers={"a": one, "b": other}).workers


def test_all_problems_come_at_once(load: Load) -> None:
    """Whoever repairs a file sees everything that is wrong with it, one line each."""
    lines = lines_of(
        load, colour="red", workers={"w": LOCAL | {"work_dir": "w"}}, broker={"url": "${NOT_SET}"}
    )

    assert len(lines) == 3
    assert all(line.startswith("/projects/test.json: ") for line in lines)


def test_a_mistake_is_named_by_its_line(load: Load) -> None:
    """People look for a line and for what they wrote there; entries are counted from one."""
    text = """\
name: test
workers:
  here:
    type: local
    scheduler_type: shell
    work_dir: /work
    max_jobs: many
notifications:
  - urls: ["json://h"]
    events: [job_failed]
    on:
      - TIMEOUT
      - FAILD
  - events: [job_failed]
recovery:
  - on: [TIMEOUT]
    worker: far
"""
    with pytest.raises(ProjectFileError) as caught:
        load(text)
    first, second, third = str(caught.value).splitlines()

    assert first == "/projects/test.yaml: line 7: workers.here.max_jobs: must be a whole number"
    assert second.startswith(
        "/projects/test.yaml: line 13: notifications (entry 1).on (entry 2): 'FAILD' is no end"
    )
    assert third == "/projects/test.yaml: line 14: notifications (entry 2).urls: missing; add it"
    repaired = text.replace("many", "3").replace("FAILD", "FAILED").replace("- events", "- urls")
    with pytest.raises(
        ProjectFileError, match=r": line 18: recovery \(entry 1\).worker: the project has no worker"
    ):
        load(repaired.replace("urls: [job_failed]", 'urls: ["json://h"]\n    events: [job_failed]'))


@pytest.mark.parametrize(
    "name, text",
    [
        ("p.yaml", f"name: p\npassword: {SECRET}\n  key: [\n"),
        ("p.yaml", f"password: '{SECRET}\n"),
        ("p.yaml", f"password: {SECRET}\npassword: {SECRET}\n"),
        ("p.yaml", f"a: *{SECRET}\n"),
        ("p.yaml", f"a: !{SECRET} b\n"),
        ("p.json", f'{{"password": "{SECRET}" "name"}}'),
        ("p.toml", f'password = "{SECRET}\nname = 3'),
        ("p.toml", f"password = {SECRET}\n"),
    ],
)
def test_a_broken_syntax_is_located_but_not_shown(name: str, text: str) -> None:
    """One line with the place of the mistake; the text around it may be a secret."""
    with pytest.raises(ProjectFileError) as caught:
        load_text(text, Path("/projects", name))

    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"/projects/{name}: ")
    assert "line" in line
    assert SECRET not in line


@pytest.mark.parametrize(
    "text, place, words",
    [
        ("a:\n    b: 1\n   c: 2\n", "line 3, column 4", "it is indented unlike the lines above"),
        ("a:\n  - b\n  c: 2\n", "line 3, column 3", "it is indented unlike the lines above"),
        ("a:\n\tb: 1\n", "line 2, column 1", "a tab; indent with blanks"),
        ("a:\n  b 1\n  c: 2\n", "line 3, column 4", "the line above ends with a colon"),
        ("a: source: x\n", "line 1, column 10", "put a value with a colon in quotes"),
        ("a: 'b\nc: 1\n", "line 3, column 1", "a quote further up is not closed"),
        ("a: {b: [1, 2}\n", "line 1, column 13", "a bracket further up is not closed"),
        ("a: {b: 1\n", "line 2, column 1", "a bracket further up is not closed"),
        ("a: @b\n", "line 1, column 4", "put such a value in quotes"),
    ],
)
def test_a_broken_syntax_is_told_in_words(text: str, place: str, words: str) -> None:
    """Not in those of the parser: what was written, and what to write."""
    with pytest.raises(ProjectFileError) as caught:
        load_text(text, Path("/projects/p.yaml"))
    assert str(caught.value).startswith(f"/projects/p.yaml: {place}: ")
    assert words in str(caught.value)


def test_a_file_that_holds_itself_is_named() -> None:
    """An alias within its own anchor has no end."""
    with pytest.raises(ProjectFileError, match=r"a part of it holds itself; remove the alias"):
        load_text("name: p\nqueue: &q {store: *q}", Path("/projects/p.yaml"))


def test_a_mark_of_the_encoding_is_no_part_of_the_text() -> None:
    """Files from editors that begin them with a byte order mark load."""
    for text, end in (("name: p", "yaml"), ('{"name": "p"}', "json"), ('name = "p"', "toml")):
        assert load_text(f"\ufeff{text}", Path(f"/projects/p.{end}")).name == "p"


@pytest.mark.parametrize("text", ["", "[]", "3", "just a text", "null"])
def test_a_file_that_holds_no_project_is_named(text: str) -> None:
    """An empty file, a list or a scalar is no project."""
    with pytest.raises(ProjectFileError, match=r"no project; write `name: ...`"):
        load_text(text, Path("/projects/p.yaml"))


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    """Binary files are told from texts."""
    path = tmp_path / "p.yaml"
    path.write_bytes(b"\xff\xfe\x00name")

    with pytest.raises(ProjectInvalidError, match=r"not a text; save it as UTF-8"):
        load_file(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A path without a file is an error of its own."""
    with pytest.raises(ProjectNotFoundError, match=r"cannot read the project file .*nothing.yaml"):
        load_file(tmp_path / "nothing.yaml")


def test_an_unknown_ending_is_named(tmp_path: Path) -> None:
    """The ending of the name says the format."""
    path = tmp_path / "p.ini"
    path.write_text("name: p")

    with pytest.raises(ProjectInvalidError, match=r"a project file ends in .yaml, .yml, .json"):
        load_file(path)
