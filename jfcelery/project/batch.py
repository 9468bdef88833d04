"""Batch mode: one queue job, a pilot, that runs many jobs."""

from __future__ import annotations

from pydantic import Field

from jfcelery.project.model import AbsolutePath, ConfigModel


class SlotConfig(ConfigModel):
    """What one job of several at once in a pilot may use."""

    cpus: int | None = Field(
        default=None,
        ge=1,
        description="CPU cores bound to each job; by default shared evenly.",
    )
    gpus: int | None = Field(
        default=None,
        ge=0,
        description="GPUs given to each job (CUDA_VISIBLE_DEVICES).",
    )
    launcher: str | None = Field(
        default=None,
        description="Command that starts a job on the node of its slot, e.g. `srun -n1`.",
    )


class BatchConfig(ConfigModel):
    """Makes a worker a batch worker: its jobs run in pilots."""

    jobs_handle_dir: AbsolutePath = Field(
        description="Absolute path of a folder on the worker, its own for each batch worker, "
        "through which pilots and runner pass jobs."
    )
    work_dir: AbsolutePath = Field(
        description="Absolute path of a folder on the worker in which the pilots run; the jobs "
        "themselves run below the worker's `work_dir`."
    )
    max_jobs_per_batch: int | None = Field(
        default=None,
        ge=1,
        description="How many jobs a pilot runs at most; by default no limit.",
    )
    max_wait: float | None = Field(
        default=60,
        ge=0,
        description="Seconds a pilot waits for a job before it ends.",
    )
    max_time: float | None = Field(
        default=None,
        gt=0,
        description="Seconds after which a pilot starts no more jobs, to end before the walltime.",
    )
    parallel_jobs: int | None = Field(
        default=None,
        ge=1,
        description="How many jobs a pilot runs at once; by default one.",
    )
    sleep_time: float | None = Field(
        default=None,
        gt=0,
        description="Seconds between two looks for a job.",
    )
