"""Completion of commands and of live values in the shell."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.shell_completion import BashComplete

from jfcelery.cli.main import jfc as root
from jfcelery.states import JobState
from tests.support.calling import Jfc

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.projects import ProjectFactory
    from tests.support.queued import MakeFlow


def proposals(*words: str) -> list[str]:
    """Return what is proposed for the last of some words."""
    *before, last = words
    shell = BashComplete(root, {}, "jfc", "_JFC_COMPLETE")
    return [item.value for item in shell.get_completions(before, last)]


def test_ids_and_names_are_completed_live(jfc: Jfc, make_flow: MakeFlow) -> None:
    """Ids of jobs and flows come from the queue, names from the project file."""
    flow = make_flow({"a": [], "b": []})
    flow.bring("a", JobState.FAILED)
    project = ("-p", str(jfc.project))
    assert set(proposals(*project, "job", "info", "")) == {"1", "2"}
    assert proposals(*project, "job", "rerun", "2") == ["2"]
    assert proposals(*project, "flow", "info", flow.flow[:6]) == [flow.flow]
    assert proposals(*project, "job", "list", "-fid", "") == [flow.flow]
    assert proposals(*project, "job", "list", "--worker", "h") == ["here"]
    assert proposals("-p", str(jfc.project)[:3]) == [jfc.project]
    assert "REMOTE_ERROR" in proposals(*project, "job", "list", "-s", "re")
    assert "exec-config" in proposals(*project, "job", "set", "")


def test_completing_never_fails(make_project: ProjectFactory, projects_folder: Path) -> None:
    """No project, no database: no proposals, and nothing is started."""
    assert proposals("job", "info", "") == []
    store = {"type": "MongoStore", "host": "127.0.0.1", "port": 1, "database": "x"}
    dead = make_project(queue={"store": store | {"collection_name": "jobs"}})
    assert proposals("-p", dead.name, "job", "info", "") == []
    embedded = make_project(queue=None, broker=None)
    assert proposals("-p", embedded.name, "job", "info", "") == []
    assert not (embedded.base_dir / "services").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_is_printed(shell: str) -> None:
    """The script calls jfc itself."""
    answer = Jfc()("completion", shell)
    assert answer.status == 0
    assert "_JFC_COMPLETE" in answer.stdout


def test_a_shell_gets_its_proposals_from_the_command() -> None:
    """What the script of bash calls answers in the form that it reads."""
    code = "from jfcelery.cli.main import main; main()"
    env = {
        **os.environ,
        "_JFC_COMPLETE": "bash_complete",
        "COMP_WORDS": "jfc fl",
        "COMP_CWORD": "1",
    }
    result = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
    )
    assert set(result.stdout.split()) == {"plain,flow", "plain,flower"}
