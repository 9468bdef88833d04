"""Execution configurations: what surrounds a job's command in the submission script."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from jfcelery.project.model import ConfigModel


class ExecutionConfig(ConfigModel):
    """Commands and variables around a job, chosen per job by name or given directly."""

    modules: list[str] | None = Field(
        default=None, description="Environment modules to load, in this order, with `module load`."
    )
    export: dict[str, Any] | None = Field(
        default=None,
        description="Environment variables to export: name and value. The worker's shell expands "
        "variables in the values.",
    )
    pre_run: str | None = Field(
        default=None,
        description="Shell commands to run before the job, after `modules` and `export`.",
    )
    post_run: str | None = Field(default=None, description="Shell commands to run after the job.")
