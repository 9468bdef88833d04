"""Batch mode: one queue job, a pilot, that runs many jobs."""

from __future__ import annotations

from pydantic import Field

from jfcelery.project.model import AbsolutePath, ConfigModel


class SlotConfig(ConfigModel):
    """What one job of several at once in a pilot may use."""

    cpus: int | None = Field(
        default=None,
        ge=1,
        description="CPU cores bound to each job; by default shared evenly. Accepted, not "
        "effective yet.",
    )
    gpus: int | None = Field(
        default=None,
        ge=0,
        description="GPUs given to each job (CUDA_VISIBLE_DEVICES). Accepted, not effective yet.",
    )
    launcher: str | None = Field(
        default=None,
        description="Command that starts a job on the node of its slot, e.g. `srun -n1`. "
        "Accepted, not effective yet.",
    )


class BatchConfig(ConfigModel):
    """Makes a worker a batch worker. Accepted, not effective yet."""

    jobs_handle_dir: AbsolutePath = Field(
        description="Absolute path of a folder on the worker, its own for each batch worker, "
        "through which pilots and runner pass jobs. Accepted, not effective yet."
    )
    work_dir: AbsolutePath = Field(
        description="Absolute path of a folder on the worker in which the pilots run; the jobs "
        "themselves run below the worker's `work_dir`. Accepted, not effective yet."
    )
    max_jobs_per_batch: int | None = Field(
        default=None,
        ge=1,
        description="How many jobs a pilot runs at most; by default no limit. Accepted, not "
        "effective yet.",
    )
    max_wait: float | None = Field(
        default=60,
        ge=0,
        description="Seconds a pilot waits for a job before it ends. Accepted, not effective yet.",
    )
    max_time: float | None = Field(
        default=None,
        gt=0,
        description="Seconds after which a pilot starts no more jobs, to end before the walltime. "
        "Accepted, not effective yet.",
    )
    parallel_jobs: int | None = Field(
        default=None,
        ge=1,
        description="How many jobs a pilot runs at once; by default one. Accepted, not effective "
        "yet.",
    )
    sleep_time: float | None = Field(
        default=None,
        gt=0,
        description="Seconds between two looks for a job. Accepted, not effective yet.",
    )
