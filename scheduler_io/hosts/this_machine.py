"""This machine as the host of workers: a new run folder is put in place without a shell.

The shell script that ``LocalHost`` shares with remote hosts starts a dozen processes for each
folder. What it does for a folder that is not there yet is a few lines; everything else (an earlier
attempt, somebody else's folder, a full disk) is left to it.
"""

from __future__ import annotations

import glob
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from jfcelery.scheduler_io.hosts.archive import check_name
from jfcelery.scheduler_io.hosts.local import LocalHost
from jfcelery.scheduler_io.hosts.wire import new_token

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import PurePosixPath

    from jfcelery.errors import JfceleryError
    from jfcelery.scheduler_io.hosts.parcels import Publication


class ThisMachine(LocalHost):
    """This machine, as the workers of type ``local`` use it."""

    def publish(self, one: Publication) -> None:
        """Put a run folder in place, whole or not at all."""
        if not _placed(one):
            super().publish(one)

    def publish_all(
        self, folders: Sequence[Publication], *, work_dir: PurePosixPath
    ) -> list[JfceleryError | None]:
        """Put many run folders in place, each whole or not at all."""
        left = [number for number, one in enumerate(folders) if not _placed(one)]
        answers: list[JfceleryError | None] = [None] * len(folders)
        if left:
            said = super().publish_all([folders[number] for number in left], work_dir=work_dir)
            for number, answer in zip(left, said, strict=True):
                answers[number] = answer
        return answers


def _placed(one: Publication) -> bool:
    """Put a run folder in place where there is none; return whether that was done."""
    if one.keep or os.path.lexists(one.folder.path):
        return False
    path = Path(one.folder.path)
    arriving = path.with_name(f"{path.name}.tmp-{os.getpid()}.{new_token()}")
    try:
        arriving.parent.mkdir(parents=True, exist_ok=True)
        arriving.mkdir()
        for name, content in one.contents.items():
            if not isinstance(content, bytes):
                return False
            (arriving / check_name(name)).write_bytes(content)
        arriving.rename(path)  # fails if somebody was faster: a run folder is never empty
        _clear(path)
    except OSError:
        return False
    finally:
        shutil.rmtree(arriving, ignore_errors=True)
    return True


def _clear(path: Path) -> None:
    """Remove what processes left that died while they put the same run folder in place."""
    for left in path.parent.glob(f"{glob.escape(path.name)}.tmp-*.*"):
        pid = left.name.rpartition(".tmp-")[2].partition(".")[0]
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            shutil.rmtree(left, ignore_errors=True)
        except (OSError, ValueError):
            continue
