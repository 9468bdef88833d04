"""The run folder of a job: the one place where its paths are put together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath, PurePosixPath

#: How the names of job arrays in the queue begin.
ARRAY = "jfc-array"
#: How the names of their folders begin, below a worker's ``work_dir``; the same follows.
PLACE = ".jfc_array"
#: How the target of a claim begins that jfcelery took itself: its attempt has not begun, and never
#: will.
GIVEN_UP = "jfcelery:"


@dataclass(frozen=True)
class RunFolder:
    """The folder in which one job runs on its worker.

    Args:
        path: Absolute path on the worker.
    """

    path: PurePosixPath

    #: What the job gets: the job, its references, the public part of its document (JSON).
    INPUT = "jfremote_in.json"
    #: What the job leaves: its response or error (JSON), written atomically.
    OUTPUT = "jfremote_out.json"
    #: The job's output documents, as jobflow writes them (JSON list).
    STORE_DATA = "remote_job_data.json"
    #: The submission script.
    SCRIPT = "submit.sh"
    #: stdout and stderr of the queue job.
    QUEUE_OUT = "queue.out"
    QUEUE_ERR = "queue.err"
    #: Which job and attempt the folder belongs to (JSON); without it a folder is never removed.
    MARKER = ".jfcelery.json"
    #: Patterns of the names of all these, and of those below.
    OWN = (
        INPUT,
        OUTPUT,
        STORE_DATA,
        "additional_store_*.json",
        SCRIPT,
        QUEUE_OUT,
        QUEUE_ERR,
        MARKER,
        "jfc_status.*",
        "jfc_end.*",
        ".jfc_*",
    )

    @classmethod
    def of(cls, work_dir: str | PurePath, uuid: str, index: int) -> RunFolder:
        """Return the folder of a job below a worker's ``work_dir``."""
        digits = uuid.replace("-", "").replace(".", "")  # dots would lead out of work_dir
        parts = (digits[0:2], digits[2:4], digits[4:6], f"{uuid}_{index}")
        return cls(PurePosixPath(work_dir).joinpath(*parts))

    @staticmethod
    def additional_store(name: str) -> str:
        """Return the file name of an additional store's documents."""
        return f"additional_store_{name}.json"

    @staticmethod
    def status(attempt: int) -> str:
        """Return the name of the file to which script and job append their stages.

        One ``key=value`` a line: ``stage``, ``host``, ``queue_id``, ``python``, ``time`` …
        """
        return f"jfc_status.{attempt}"

    @staticmethod
    def end(attempt: int) -> str:
        """Return the name of the final file: proof that this attempt ended.

        ``exit_code=N`` and ``time=SECONDS`` (Unix time), one a line, written atomically.
        """
        return f"jfc_end.{attempt}"

    @staticmethod
    def queue_id(attempt: int) -> str:
        """Return the name of the file in which submission leaves the queue job's id."""
        return f".jfc_queue_id.{attempt}"

    @staticmethod
    def claim(attempt: int) -> str:
        """Return the name of the link that an attempt begins with: only who makes it goes on."""
        return f".jfc_claim.{attempt}"

    @staticmethod
    def turn(attempt: int, pilot: str) -> str:
        """Return the name of the link that tells whether a pilot's launcher begins an attempt."""
        return f".jfc_turn.{attempt}.{pilot}"

    def archived(self, attempt: int) -> RunFolder:
        """Return the folder to which an earlier attempt is moved."""
        return RunFolder(self.path.with_name(f"{self.path.name}.attempt{attempt}"))

    def __truediv__(self, name: str) -> PurePosixPath:
        """Return the path of a file in the folder."""
        return self.path / name

    def __str__(self) -> str:
        """Return the path."""
        return str(self.path)


def queue_job_name(uuid: str, index: int, attempt: int) -> str:
    """Return the name, unique for each attempt, under which a job stands in the queue."""
    return f"jfc-{uuid}-{index}-{attempt}"
