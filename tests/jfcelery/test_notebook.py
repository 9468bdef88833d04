"""What a notebook shows of jobs and flows, and frames of pandas."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jobflow import Flow

from jfcelery import submit_flow
from jfcelery.controller import JobController
from jfcelery.errors import InputError
from jfcelery.states import JobState
from tests.support.jobs import add, divide
from tests.support.queued import Queued
from tests.support.system import running

if TYPE_CHECKING:
    from jfcelery.project import Project

#: What somebody types into a notebook, a cell each; the last line's value is shown.
CELLS = (
    "import jfcelery\ncontroller = jfcelery.JobController.from_project_name({project!r})",
    "jfcelery.wait_for({ids!r}, project={project!r}, timeout=120)",
    "controller.get_flows_info(with_jobs_info=True)[0]",
    "controller.get_jobs_info(sort=[('db_id', 1)])",
    "controller.get_job_info(db_id='1')",
    "controller.get_outputs_frame()",
)


def test_names_and_errors_are_no_markup(project: Project) -> None:
    """What users and programs wrote is shown as it is; colours are never the only sign."""
    controller = JobController.from_project(project)
    flow = Queued(controller.queue, {"<b>a</b>": [], "c": ["<b>a</b>"]}, name="<i>f</i>")
    flow.bring("<b>a</b>", JobState.FAILED)
    jobs = controller.get_jobs_info()
    (shown,) = controller.get_flows_info(with_jobs_info=True)
    for html in (jobs._repr_html_(), jobs[0]._repr_html_(), shown._repr_html_()):
        assert "<b>a</b>" not in html.replace("<b>Job", "")
        assert "&lt;b&gt;a&lt;/b&gt;" in html
        assert "FAILED" in html
    assert "<i>" not in shown._repr_html_()
    assert controller.get_jobs_info(db_ids=["99"])._repr_html_() == "<p>none</p>"


def test_long_lists_are_cut(project: Project) -> None:
    """A notebook with thousands of rows would be of no use."""
    controller = JobController.from_project(project)
    Queued(controller.queue, {f"j{number}": [] for number in range(120)})
    html = controller.get_jobs_info()._repr_html_()
    assert html.count("<tr>") == 101
    assert "and 20 more" in html


def test_lists_become_frames(project: Project) -> None:
    """A row for each job or flow, by its db id; an empty list gives an empty frame."""
    controller = JobController.from_project(project)
    assert controller.get_jobs_info().to_frame().empty
    assert controller.get_outputs_frame().empty
    flow = Queued(controller.queue, {"a": [], "b": ["a"]}, name="f")
    flow.bring("a", JobState.FAILED)
    frame = controller.get_jobs_info().to_frame()
    assert dict(frame["state"]) == {"1": "FAILED", "2": "WAITING"}
    assert list(controller.get_flows_info().to_frame()["name"]) == ["f"]


def test_without_pandas_it_is_said(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is named with the command that installs it."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InputError, match="pip install pandas"):
        JobController.from_project(project).get_jobs_info().to_frame()


def test_a_notebook_shows_how_it_goes_and_what_came_out(project: Project, tmp_path: Path) -> None:
    """In a real kernel: a bar while it waits, cards and tables, outputs as a frame."""
    ids = submit_flow(Flow([add(1, 2), divide(1, 4)]), project=project.name)
    cells = [cell.format(project=project.name, ids=ids) for cell in CELLS]
    with running(project, tmp_path) as system:
        try:
            shown = executed(tmp_path, cells)
        except subprocess.CalledProcessError as error:
            raise AssertionError(f"{error.stderr}\n{system.logs()}") from error
    _, bar, flow, jobs, job, frame = shown
    assert '<progress value="2" max="2"' in bar
    assert "<pre>" not in bar, "it is no terminal"
    assert "COMPLETED" in flow
    assert flow.count("<tr>") > 4
    assert jobs.count("<tr>") == 3
    assert "Job 1: add" in job
    assert "dataframe" in frame
    assert "output" in frame


def executed(folder: Path, cells: list[str]) -> list[str]:
    """Run a notebook, and return the HTML that each cell shows."""
    notebook = {
        "cells": [
            {
                "cell_type": "code",
                "execution_count": None,
                "id": f"c{number}",
                "metadata": {},
                "outputs": [],
                "source": cell,
            }
            for number, cell in enumerate(cells)
        ],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "p", "language": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    path = folder / "notebook.ipynb"
    path.write_text(json.dumps(notebook))
    execute = Path(sys.executable).with_name("jupyter-execute")
    command = [str(execute), "--inplace", str(path)]
    subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder)
    done: dict[str, Any] = json.loads(path.read_text())
    return [
        "".join("".join(output.get("data", {}).get("text/html", "")) for output in cell["outputs"])
        for cell in done["cells"]
    ]
