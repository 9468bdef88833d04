"""``jfc execution``: what runs on the worker."""

from __future__ import annotations

import click


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def execution() -> None:
    """Run jobs on the worker; called by the submission script."""


@execution.command()
@click.argument(
    "run_dir", default=".", type=click.Path(exists=True, file_okay=False, dir_okay=True)
)
@click.pass_context
def run(ctx: click.Context, run_dir: str) -> None:
    """Run the job whose input lies in RUN_DIR.

    Exits with 0 if the outcome was written to RUN_DIR, also when the job itself failed.
    """
    from jfcelery.execution.run import run_job

    ctx.exit(run_job(run_dir))


@execution.command("run-batch")
@click.argument("run_dir", type=click.Path(exists=True, file_okay=False, dir_okay=True))
@click.pass_context
def run_batch(ctx: click.Context, run_dir: str) -> None:
    """Run the pilot whose plan lies in RUN_DIR: one queue job that runs many jobs.

    SIGUSR1 has it start no more jobs, SIGTERM give its jobs back.
    """
    from jfcelery.execution.pilot.pilot import run_pilot

    ctx.exit(run_pilot(run_dir))
