"""Submission scripts that run on this machine, as tests look at them."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from jfcelery.folders import RunFolder
from jfcelery.scheduler_io.schedulers.proof import key_values
from jfcelery.scheduler_io.script import build_script
from tests.scheduler_io.schedulers.workers import PlainWorker
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from jfcelery.project import ExecutionConfig


@dataclass
class Script:
    """A script in its folder, and the process that runs it."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self, queue_id: str = "7", *, leader: bool = True) -> subprocess.Popen[bytes]:
        """Start it, as the leader of a process group like a scheduler does."""
        with (
            (self.folder / "queue.out").open("ab") as out,
            (self.folder / "queue.err").open("ab") as err,
        ):
            self.process = subprocess.Popen(
                ["bash", str(self.folder / "submit.sh")],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd="/",
                env={**os.environ, "JFC_QUEUE_ID": queue_id},
                start_new_session=leader,
            )
        return self.process

    def run(self, queue_id: str = "7") -> int:
        """Run it to its end."""
        return self.start(queue_id).wait(60)

    def text(self, name: str) -> str:
        """Return a file of the folder, empty if there is none."""
        path = self.folder / name
        return path.read_text() if path.exists() else ""

    @property
    def lines(self) -> list[str]:
        """The lines of the status file, without times."""
        text = self.text("jfc_status.1").splitlines()
        return [line for line in text if not line.startswith("time=")]

    @property
    def end(self) -> dict[str, str]:
        """The fields of the final file."""
        return key_values(self.text("jfc_end.1"))

    def wait_for(self, line: str) -> None:
        """Wait until the status file has a line."""
        wait_until(lambda: line in self.lines, line)


class MakeScript:
    """Makes scripts in a folder, and ends what they left running."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: list[Script] = []

    def __call__(
        self, command: str | None, exec_config: ExecutionConfig | None = None, **options: Any
    ) -> Script:
        """Write a script."""
        worker = PlainWorker("shell", work_dir=self.folder, **options)
        folder = self.folder / "run folder"
        folder.mkdir()
        text = build_script(
            worker,
            exec_config,
            None,
            folder=RunFolder(PurePosixPath(folder)),
            name="jfc-u-1-1",
            attempt=1,
            command=command,
        )
        (folder / "submit.sh").write_text(text)
        self.made.append(Script(folder))
        return self.made[-1]

    def end(self) -> None:
        """End what still runs."""
        for script in self.made:
            if script.process and script.process.poll() is None:
                os.killpg(script.process.pid, signal.SIGKILL)
                script.process.wait(10)
