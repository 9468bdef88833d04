"""``jfc job files get``."""

from __future__ import annotations

from pathlib import Path

import click

from jfcelery.cli.completion import job_ids
from jfcelery.cli.options import json_option, one_job


@click.command()
@click.argument("job", metavar="ID", shell_complete=job_ids)
@click.argument("names", metavar="FILES…", nargs=-1, required=True)
@click.option("--index", "-i", type=click.IntRange(1), help="Index of the job; else the largest.")
@click.option(
    "--path",
    "-p",
    type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
    default=Path(),
    help="Folder to copy to; else the current one.",
)
@json_option
def get(job: str, names: tuple[str, ...], index: int | None, path: Path, as_json: bool) -> None:
    """Copy files from a run folder.

    FILES are names or patterns with the wildcards * ? [abc]; put those in quotes.
    """
    from jfcelery.cli.output import say
    from jfcelery.cli.state import open_controller
    from jfcelery.controller.queries import find_one_job
    from jfcelery.errors import RunFolderError
    from jfcelery.scheduler_io.run_folder import run_folder

    with open_controller() as controller:
        doc = find_one_job(controller.queue, one_job(job, index))
        with run_folder(controller.project, doc) as (host, folder):
            came = host.fetch(folder, names, path.absolute())
    if not came:
        raise RunFolderError(
            f"Nothing in {folder} matches {' '.join(names)}.",
            remedy=f"`jfc job files ls {doc.db_id}` shows what is there.",
        )
    files = [str(path / name) for name in came]
    say("\n".join(files), {"run_dir": str(folder), "files": files}, as_json=as_json)
