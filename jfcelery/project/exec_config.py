"""Execution configurations: what surrounds a job's command in the submission script."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field, field_validator

from jfcelery.project.model import ConfigModel, problem_at

#: What a shell takes for the name of a variable.
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


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

    @field_validator("export")
    @classmethod
    def _names_of_variables(cls, export: dict[str, Any] | None) -> dict[str, Any] | None:
        for name in export or {}:
            if not _VARIABLE.match(name):
                text = f"{name!r} is no name of a variable; use letters, digits and '_'"
                raise problem_at("", text)
        return export
