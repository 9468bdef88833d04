"""What a project file says arrives, in whatever format it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from jfcelery.project import Project
from jfcelery.project.entries import Entry
from jfcelery.project.loading import load_text
from jfcelery.project.writing import write

FOLDER = Path("/projects")

#: Text of people, of shells and of other alphabets; surrogates and controls stand in no file.
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
words = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)
letters = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\")
names = st.text(letters, min_size=1, max_size=10).filter(lambda n: n.strip() == n and n[0] != ".")
paths = words.map(lambda word: f"/{word}")
seconds = st.floats(0.5, 1e6, allow_nan=False) | st.integers(1, 10**6)
plain = st.booleans() | st.integers(-(2**60), 2**60) | texts
#: Text in which nothing looks like a reference.
literal = texts.filter(lambda text: "$" not in text and not text.startswith("file:"))


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return mappings that have some of the fields."""
    return st.fixed_dictionaries({}, optional=fields)


common = {
    "work_dir": paths,
    "scheduler_type": st.sampled_from(["slurm", "pbs", "sge", "shell"]),
}
common_options = {
    "resources": st.dictionaries(words, plain, max_size=3),
    "pre_run": texts,
    "post_run": texts,
    "execution_cmd": texts.map(lambda text: text + "{}"),
    "timeout_execute": seconds,
    "max_jobs": st.integers(0, 100),
    "delay_download": seconds,
}
connection = {
    "user": literal,
    "port": st.integers(1, 65535),
    "password": literal,
    "key_filename": literal | st.lists(literal, max_size=2),
    "passphrase": literal,
    "connect_kwargs": st.dictionaries(words, st.booleans() | literal, max_size=2),
}
hosts = literal.filter(bool)
jump = st.recursive(
    hosts,
    lambda inner: st.fixed_dictionaries({"host": hosts}, optional={**connection, "gateway": inner}),
    max_leaves=3,
)
local = st.fixed_dictionaries({"type": st.just("local"), **common}, optional=common_options)
remote = st.fixed_dictionaries(
    {"type": st.just("remote"), "host": hosts, **common},
    optional={**common_options, **connection, "gateway": jump, "login_shell": st.booleans()},
)
transfer = st.fixed_dictionaries(
    {
        "type": st.just("separated_transfer"),
        "host": hosts,
        "transfer": st.fixed_dictionaries({"host": hosts}, optional=connection),
        **common,
    },
    optional={**common_options, **connection},
)
variables = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,9}", fullmatch=True)
projects = st.fixed_dictionaries(
    {"name": names},
    optional={
        "workers": st.dictionaries(names, local | remote | transfer, max_size=3),
        "exec_config": st.dictionaries(
            names,
            optional(
                modules=st.lists(texts, max_size=2),
                export=st.dictionaries(variables, plain, max_size=2),
                pre_run=texts,
            ),
            max_size=2,
        ),
        "runner": optional(
            delay_checkout=seconds,
            lock_timeout=seconds,
            delta_retry=st.lists(seconds, max_size=3),
            delete_tmp_folder=st.booleans(),
        ),
        "poll": optional(min_interval=st.integers(1, 5), max_interval=st.integers(5, 50)),
        "metadata": st.dictionaries(texts, plain, max_size=3),
        "preload": st.lists(texts, max_size=2),
    },
)


@settings(deadline=None, max_examples=60)
@given(projects)
def test_every_format_carries_a_project(data: dict[str, Any]) -> None:
    """Written as YAML, TOML or JSON and loaded, a project is what its data say."""
    wanted = Project.model_validate(data, context={"folder": FOLDER})
    entries = [Entry(key, value) for key, value in data.items()]

    for file_format in ("yaml", "toml", "json"):
        text = write(entries, file_format, "A heading.")
        loaded = load_text(text, FOLDER / f"p.{file_format}")
        assert loaded.model_dump() == wanted.model_dump()


@settings(deadline=None, max_examples=60)
@given(projects)
def test_a_project_is_made_again_from_its_fields(data: dict[str, Any]) -> None:
    """Dumping the models and validating the result changes nothing."""
    project = Project.model_validate(data, context={"folder": FOLDER})

    again = Project.model_validate(project.model_dump(), context={"folder": Path("/elsewhere")})

    assert again == project
    assert again.hosts == project.hosts
