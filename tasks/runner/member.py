"""What the supervised processes have in common: they are on record, and they hold off."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from jfcelery.errors import JfceleryError
from jfcelery.tasks.runner.folder import RunnerFolder
from jfcelery.tasks.runner.records import Phase, Record, Records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jfcelery.project import Project

logger = logging.getLogger(__name__)

#: Seconds that a process waits before it ends because of an error that it understands, so that
#: its supervisor starts it again at that pace, for as long as the trouble lasts.
HOLD_OFF = 5.0
#: Form of a line of the logs.
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def member_parser(prog: str) -> argparse.ArgumentParser:
    """Return a parser of the options that all supervised processes take."""
    parser = argparse.ArgumentParser(prog=prog)
    parser.add_argument("--name", required=True, help="its name in the layout")
    parser.add_argument("--folder", type=Path, required=True, help="the runner's folder")
    parser.add_argument("--supervisor", type=int, required=True, help="process id of its parent")
    return parser


class Membership:
    """This process as one of the runner's.

    Args:
        options: What :func:`member_parser` has parsed.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        folder = RunnerFolder(options.folder, options.folder)
        self._records = Records(folder)
        self._record = Record.of(os.getpid(), options.name)
        self._records.write(self._record)
        # First the record, then this look: either the supervisor still lives, or the one that
        # comes after it finds the record.
        if os.getppid() != options.supervisor:
            self._records.remove(self._record)
            sys.exit("The supervisor has gone.")

    def working(self) -> None:
        """Write down that the process has begun its work."""
        self._record = self._records.advance(self._record, Phase.WORKING)

    def failing(self, words: str) -> None:
        """Write down why the process cannot do its work."""
        self._record = self._records.advance(self._record, Phase.FAILING, words)

    def ending(self) -> None:
        """Write down that the process is about to end."""
        self._record = self._records.advance(self._record, Phase.ENDING)


def current_project() -> Project:
    """Return the project that the environment names, its embedded services running.

    Raises:
        ConfigError: There is none, or its file cannot be used.
        ServiceStartError: An embedded service cannot start.
    """
    from jfcelery.project import load_project
    from jfcelery.services import ensure

    project = load_project()
    ensure(project)
    return project


@contextmanager
def holding_off(membership: Membership | None) -> Iterator[None]:
    """Log an error, wait a little, and end the process.

    Args:
        membership: Where the error is written down, for `jfc runner info`.
    """
    try:
        yield
    except JfceleryError as error:
        words = str(error).replace("\n", " ")
        logger.error("%s; next attempt in %g s", words, HOLD_OFF)  # noqa: TRY400 - says it all
    except Exception as error:  # the process's outermost edge
        words = f"{type(error).__name__}: {error}".replace("\n", " ")
        logger.exception("Unexpected; next attempt in %g s", HOLD_OFF)
    else:
        return
    if membership:
        membership.failing(words)
    time.sleep(HOLD_OFF)
    sys.exit(1)
