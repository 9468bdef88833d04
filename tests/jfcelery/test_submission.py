"""Submitting: what is checked before, what becomes of jobs that are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from jobflow import Flow, Job

from jfcelery import get_jobstore, submit_flow
from jfcelery.controller import JobController
from jfcelery.errors import ConfigError, InputError, ResourcesError, UnknownNameError

if TYPE_CHECKING:
    from jfcelery.project import Project
    from tests.support.projects import ProjectFactory


def test_a_job_that_was_refused_can_be_submitted_again(project: Project) -> None:
    """By jobflow it is made part of a flow for good: the flow that was refused lets it go."""
    job = Job(len, function_args=([1],))
    with pytest.raises(ConfigError, match="worker"):
        submit_flow(job, worker="nowhere", project=project)
    with pytest.raises(ResourcesError, match="shell does not know"):
        submit_flow(job, resources={"no such": 1}, project=project)
    with pytest.raises(InputError, match="which is no job of this flow"):
        submit_flow(Job(len, function_args=([Job(len).output],)), project=project)
    assert job.hosts == []

    assert len(submit_flow([job], project=project)) == 1
    assert len(job.hosts) == 1


def test_a_dry_run_returns_the_scripts_and_adds_nothing(project: Project) -> None:
    """Everything is checked as for a submission; the jobs can then be submitted."""
    first = Job(len, function_args=([1],))
    flow = Flow([first, Job(abs, function_args=(first.output,))])
    scripts = submit_flow(flow, exec_config={"pre_run": "hello"}, project=project, dry_run=True)

    assert len(scripts) == 2
    assert all(script.startswith("#!/") and "\nhello\n" in script for script in scripts)
    assert first.uuid in scripts[0]
    assert JobController.from_project(project).count_jobs() == 0
    with pytest.raises(ConfigError):
        submit_flow(flow, worker="nowhere", project=project, dry_run=True)
    assert len(submit_flow(flow, project=project)) == 2


def test_an_unknown_additional_store_is_refused(make_project: ProjectFactory) -> None:
    """A job whose data could be kept nowhere is not added."""
    project = make_project(jobstore={"docs_store": {"type": "MemoryStore"}})
    job = Job(len, function_args=([1],), data="charge")
    with pytest.raises(UnknownNameError, match="additional store 'data'"):
        submit_flow(job, project=project)
    assert JobController.from_project(project).count_jobs() == 0


def test_the_jobstore_is_found_by_the_projects_name(make_project: ProjectFactory) -> None:
    """As the project itself gives it, an optional one by its name."""
    other = {"docs_store": {"type": "MemoryStore"}}
    project = make_project(optional_jobstores={"other": other})
    assert get_jobstore(project.name).as_dict() == project.get_jobstore().as_dict()
    found = get_jobstore(project.name, "other").as_dict()
    assert found == project.get_jobstore("other").as_dict() != project.get_jobstore().as_dict()
    with pytest.raises(UnknownNameError, match="Did you mean 'other'"):
        get_jobstore(project.name, "othr")
