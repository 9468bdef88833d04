"""``jfc job logs``."""

from __future__ import annotations

import codecs
import time
from typing import TYPE_CHECKING

import click

from jfcelery.cli.options import job_arguments, json_option

if TYPE_CHECKING:
    from jfcelery.controller import JobController
    from jfcelery.controller.filters import JobFilter
    from jfcelery.database.documents import JobDoc
    from jfcelery.scheduler_io.hosts.pool import Hosts
    from jfcelery.scheduler_io.logs import LogTail, Piece

#: Seconds between two looks, on this machine and on another.
HERE, THERE = 0.5, 2.0
#: Waits until the next look.
pause = time.sleep


@click.command()
@job_arguments
@click.option("--follow", "-f", is_flag=True, help="Go on until the job has ended.")
@click.option(
    "--lines",
    "-n",
    type=click.IntRange(0),
    default=50,
    show_default=True,
    help="Lines of each file to begin with.",
)
@json_option
def logs(selected: JobFilter, follow: bool, lines: int, as_json: bool) -> None:
    """Show the last lines that a job wrote to stdout and stderr, while it runs or afterwards.

    They are read from its run folder, on its worker.
    """
    from jfcelery.cli.output import write_json
    from jfcelery.cli.state import open_controller
    from jfcelery.controller.queries import find_one_job
    from jfcelery.scheduler_io.hosts.pool import Hosts

    if follow and as_json:
        raise click.UsageError("Give only one of --follow and --json.")
    with open_controller() as controller:
        doc = find_one_job(controller.queue, selected)
        with Hosts.of_person(controller.project) as hosts:
            if follow:
                _Follower(controller, hosts, doc, lines).run()
                return
            tail = _tail(doc)
            with hosts.transfer(doc.worker) as host:
                pieces = tail.look(host)
    if as_json:
        texts = {piece.name: _last(piece, lines) for piece in pieces}
        write_json({"run_dir": str(tail.folder), **texts})
        return
    for piece in pieces:
        _Screen().show(piece.name, _last(piece, lines))
    if not pieces:
        click.echo(f"Job {doc.db_id} is {doc.state}, and has written nothing.", err=True)


def _tail(doc: JobDoc) -> LogTail:
    from pathlib import PurePosixPath

    from jfcelery.errors import StateError
    from jfcelery.folders import RunFolder
    from jfcelery.scheduler_io.logs import LogTail

    if not doc.run_dir:
        raise StateError(
            f"Job {doc.db_id} is {doc.state}: it has no run folder yet.",
            remedy="--follow (-f) waits for it.",
        )
    return LogTail(RunFolder(PurePosixPath(doc.run_dir)))


def _last(piece: Piece, lines: int) -> str:
    """Return the last lines of the first piece of a file."""
    text = piece.text.decode(errors="replace")
    return "".join(text.splitlines(keepends=True)[-lines:]) if lines else ""


class _Screen:
    """Writes pieces of files, each file below its name, as ``tail -f`` does."""

    def __init__(self) -> None:
        self.name = ""

    def show(self, name: str, text: str) -> None:
        """Write a piece of a file."""
        if not text:
            return
        if name != self.name:
            click.secho(f"==> {name} <==", fg="cyan")
            self.name = name
        click.echo(text, nl=False)


class _Follower:
    """Shows what a job writes until it has ended."""

    def __init__(self, controller: JobController, hosts: Hosts, doc: JobDoc, lines: int) -> None:
        self.jobs = controller.actions.jobs
        self.hosts = hosts
        self.doc = doc
        self.lines = lines
        here = controller.project.get_worker(doc.worker).is_local
        self.interval = HERE if here else THERE
        self.screen = _Screen()
        self.said = ""
        self.decoders: dict[str, codecs.IncrementalDecoder] = {}

    def run(self) -> None:
        """Follow the job."""
        from jfcelery.states import RESTING_STATES

        tail: LogTail | None = None
        folder: tuple[str, int] | None = None
        while True:
            ended = self.doc.state in RESTING_STATES
            if self.doc.run_dir and folder != (self.doc.run_dir, self.doc.attempt):
                folder = (self.doc.run_dir, self.doc.attempt)
                tail = _tail(self.doc)
                self.decoders.clear()
            while tail is not None and self._look(tail):
                pass
            if ended:
                self._say(f"Job {self.doc.db_id} is {self.doc.state}.")
                return
            if not self.screen.name:
                self._say(f"Job {self.doc.db_id} is {self.doc.state}, and has written nothing yet.")
            pause(self.interval)
            self.doc = self.jobs.get(self.doc.uuid, self.doc.index)

    def _look(self, tail: LogTail) -> bool:
        """Show what is new; return whether there may be more."""
        from jfcelery.errors import BackPressureError, HostError, RunFolderError
        from jfcelery.scheduler_io.logs import AT_ONCE

        try:
            with self.hosts.transfer(self.doc.worker) as host:
                pieces = tail.look(host)
        except (BackPressureError, HostError, RunFolderError) as error:
            self._say(error.message)
            return False
        for piece in pieces:
            self._show(piece)
        return any(len(piece.text) == AT_ONCE for piece in pieces)

    def _show(self, piece: Piece) -> None:
        if piece.name not in self.decoders:
            self.decoders[piece.name] = codecs.getincrementaldecoder("utf-8")(errors="replace")
            self.screen.show(piece.name, _last(piece, self.lines))
        else:
            self.screen.show(piece.name, self.decoders[piece.name].decode(piece.text))

    def _say(self, words: str) -> None:
        """Write a remark to stderr, once."""
        if words != self.said:
            self.said = words
            click.echo(click.style(words, fg="yellow"), err=True)
