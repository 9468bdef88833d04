"""Workers: the compute resources of a project."""

from __future__ import annotations

import os
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from jfcelery.project.batch import BatchConfig, SlotConfig
from jfcelery.project.connection import ConnectionData
from jfcelery.project.model import AbsolutePath, ConfigModel, problem_at
from jfcelery.project.recovery import RecoveryRule
from jfcelery.project.scheduler import (
    check_scheduler_type,
    decode_scheduler,
    scheduler_by_name,
    scheduler_name,
)

if TYPE_CHECKING:
    from qtoolkit.io.base import BaseSchedulerIO

#: Queue and host key of everything that runs on the machine of the Celery workers.
LOCAL_HOST_KEY = "local"
#: Seconds to wait for a connection where the project file says nothing.
DEFAULT_CONNECT_TIMEOUT = 20.0


def count_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _holds_braces(command: str | None) -> str | None:
    if command is not None and "{}" not in command:
        msg = "no '{}' in it; write '{}' where the path of the run folder belongs"
        raise ValueError(msg)
    return command


def _default_timeout(value: Any) -> Any:
    return DEFAULT_CONNECT_TIMEOUT if value is None else value


SchedulerType = Annotated[str | dict[str, Any], AfterValidator(check_scheduler_type)]
ExecutionCommand = Annotated[str | None, AfterValidator(_holds_braces)]


class WorkerBase(ConfigModel):
    """What all kinds of workers have in common."""

    scheduler_type: SchedulerType = Field(
        description="The scheduler: `slurm`, `pbs`, `sge`, `shell` (no scheduler: plain "
        "processes), or a serialised qtoolkit `BaseSchedulerIO`."
    )
    work_dir: AbsolutePath = Field(
        description="Absolute path of the folder on the worker below which the jobs run."
    )
    resources: dict[str, Any] | None = Field(
        default=None,
        description="Default resources of a job: the keys of qtoolkit's template of the "
        "scheduler, e.g. `nodes`, `ntasks`, `time` for Slurm.",
    )
    pre_run: str | None = Field(
        default=None,
        description="Shell commands to run before each job, e.g. to activate the Python "
        "environment that holds jfcelery.",
    )
    post_run: str | None = Field(default=None, description="Shell commands to run after each job.")
    execution_cmd: ExecutionCommand = Field(
        default=None,
        description="Command that runs a job; `{}` stands for the path of its run folder. By "
        "default `jfc execution run {}`. Change it e.g. to run in a container.",
    )
    timeout_execute: float = Field(
        default=60,
        gt=0,
        description="Seconds that a command on the worker (e.g. `sbatch`) may take.",
    )
    max_jobs: int | None = Field(
        default=None,
        ge=0,
        description="How many jobs may be in the worker's queue at once, waiting or running; 0 "
        "stops submission. By default no limit, but for a local `shell` worker the number "
        "of cores.",
    )
    job_arrays: bool = Field(
        default=False,
        description="Whether jobs that are submitted together and ask for the same resources go to "
        "Slurm as one job array. Only for `scheduler_type: slurm`, and not with `batch`.",
    )
    batch: BatchConfig | None = Field(
        default=None,
        description="Options of batch mode: pilots that run many jobs each. `max_jobs` is "
        "then how many pilots there may be, and `resources` are those of a pilot.",
    )
    scheduler_username: str | None = Field(
        default=None,
        description="If set, the queue is listed by this user name instead of by job ids; some "
        "schedulers (SGE) need it.",
    )
    sanitize_command: bool = Field(
        default=False,
        description="Accepted for jobflow-remote's files, without effect: text that a login "
        "shell prints is always told apart from the output of commands.",
    )
    delay_download: float | None = Field(
        default=None,
        ge=0,
        description="Seconds to wait after a job's end before its files are fetched, for slow "
        "network file systems. By default none.",
    )
    preload: list[str] | None = Field(
        default=None,
        description="Python modules that a warm process imports once for all its jobs, which "
        "saves each of them the time. By default the project's `preload`.",
    )
    recovery: list[RecoveryRule] = Field(
        default_factory=list,
        description="Rules by which jobs that ended badly on this worker are run again by "
        "themselves, before the project's `recovery`.",
    )
    slots: SlotConfig | None = Field(
        default=None,
        description="What each of several jobs at once in a pilot may use. By default the "
        "project's `slots`.",
    )

    @model_validator(mode="after")
    def _has_arrays(self) -> Self:
        if self.job_arrays and self.scheduler_name != "slurm":
            text = (
                f"only Slurm has them, and `scheduler_type` is `{self.scheduler_name}`; remove it"
            )
            raise problem_at("job_arrays", text)
        if self.job_arrays and self.batch is not None:
            raise problem_at("job_arrays", "`batch` has jobs run in pilots; remove one of them")
        return self

    @property
    def is_local(self) -> bool:
        """Whether the worker is the machine of the Celery workers itself."""
        return False

    @property
    def starts_warm(self) -> bool:
        """Whether jobs are forked from a process that has imported what they need."""
        return False

    @property
    def is_batch(self) -> bool:
        """Whether jobs run in pilots."""
        return self.batch is not None

    @property
    def scheduler_name(self) -> str:
        """``slurm``, ``pbs``, ``sge``, ``shell`` or ``custom``."""
        return scheduler_name(self.scheduler_type)

    def get_scheduler_io(self) -> BaseSchedulerIO | None:
        """Return a new qtoolkit object for the scheduler; None for plain ``shell``."""
        if isinstance(self.scheduler_type, dict):
            return decode_scheduler(self.scheduler_type)
        if self.scheduler_type == "shell":
            return None
        return scheduler_by_name(self.scheduler_type)

    @property
    def connection(self) -> ConnectionData | None:
        """Connection data of the host that runs commands; None for a local worker."""
        return None

    @property
    def transfer_connection(self) -> ConnectionData | None:
        """Connection data of the host for files; None for a local worker."""
        return self.connection

    @property
    def host_key(self) -> str:
        """Name, fit for a queue, that workers on the same connection share."""
        return LOCAL_HOST_KEY

    @property
    def cli_info(self) -> dict[str, Any]:
        """What a listing of workers shows."""
        return {"scheduler_type": self.scheduler_name, "work_dir": str(self.work_dir)}


class LocalWorker(WorkerBase):
    """The machine on which the Celery workers run."""

    type: Literal["local"] = Field(default="local", description="Kind of the worker: `local`.")
    warm: bool = Field(
        default=True,
        description="Whether the jobs of a `shell` worker without `execution_cmd` start warm: a "
        "process that has imported jobflow forks for each of them. If not, or not on Linux, each "
        "job starts a Python of its own, which takes about a second.",
    )

    @property
    def is_local(self) -> bool:
        """Whether the worker is the machine of the Celery workers itself."""
        return True

    @property
    def starts_warm(self) -> bool:
        """Whether jobs are forked from a process that has imported what they need."""
        return self.warm and self.scheduler_type == "shell" and self.execution_cmd is None

    @model_validator(mode="before")
    @classmethod
    def _as_many_jobs_as_cores(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("scheduler_type") == "shell":
            return {"max_jobs": count_cores(), **data}
        return data


class BaseRemoteWorker(WorkerBase, ConnectionData):
    """A machine reached by SSH."""

    forward_agent: bool | None = Field(
        default=None, description="Whether the SSH agent is forwarded to the worker; by default no."
    )
    connect_timeout: Annotated[float, BeforeValidator(_default_timeout)] = Field(
        default=DEFAULT_CONNECT_TIMEOUT,
        gt=0,
        description="Seconds to wait for a connection; null counts as 20.",
    )
    inline_ssh_env: bool | None = Field(
        default=None,
        description="Accepted for jobflow-remote's files, without effect: no environment variables "
        "are sent through SSH.",
    )
    keepalive: int | None = Field(
        default=60,
        ge=0,
        description="Seconds between two signs of life on an idle connection; three that are not "
        "answered end it; 0: none; null counts as 60.",
    )
    shell_cmd: str | None = Field(
        default="bash",
        description="Shell that runs the commands on the worker, whatever the login shell is; "
        "null: bash.",
    )
    login_shell: bool = Field(
        default=True,
        description="Whether commands run in a login shell (`bash -l`), which reads the user's "
        "profile.",
    )
    file_transfer: Literal["auto", "sftp", "tar"] = Field(
        default="auto",
        description="How files go: `tar` (a stream over SSH, one round trip), `sftp` (tar where "
        "SFTP is off), or `auto` (tar, but SFTP where a data-transfer node runs no commands).",
    )
    interactive_login: bool = Field(
        default=False,
        description="Whether a person must log in (one-time password): then OpenSSH holds one "
        "connection, opened by `jfc worker login`.",
    )

    @property
    def connection(self) -> ConnectionData:
        """Connection data of the host that runs commands."""
        return ConnectionData.model_construct(
            **{name: getattr(self, name) for name in ConnectionData.model_fields}
        )

    @property
    def transfer_connection(self) -> ConnectionData:
        """Connection data of the host for files: here the same."""
        return self.connection

    @property
    def host_key(self) -> str:
        """Name, fit for a queue, that workers on the same connection share."""
        return _host_key(self.connection.label, self.connection.identity)

    @property
    def cli_info(self) -> dict[str, Any]:
        """What a listing of workers shows."""
        return {"host": self.connection.label, **super().cli_info}


class RemoteWorker(BaseRemoteWorker):
    """A machine reached by SSH."""

    type: Literal["remote"] = Field(default="remote", description="Kind of the worker: `remote`.")


class SeparatedTransferWorker(BaseRemoteWorker):
    """A machine reached by SSH whose files go through a data-transfer node."""

    type: Literal["separated_transfer"] = Field(
        default="separated_transfer", description="Kind of the worker: `separated_transfer`."
    )
    transfer: ConnectionData = Field(
        description="Connection data of the data-transfer node, which sees the same files. User, "
        "port and, if it gives none at all, credentials are taken from the worker."
    )

    @property
    def transfer_connection(self) -> ConnectionData:
        """Connection data of the data-transfer node, completed from the worker's."""
        update: dict[str, Any] = {
            "user": self.transfer.user or self.user,
            "port": self.transfer.port or self.port,
        }
        if not self.transfer.has_credentials:
            names = ("password", "key_filename", "passphrase", "connect_kwargs")
            update |= {name: getattr(self, name) for name in names}
        return self.transfer.model_copy(update=update)

    @property
    def host_key(self) -> str:
        """Name, fit for a queue, that workers on the same connections share."""
        both = f"{self.connection.identity} files by {self.transfer_connection.identity}"
        return _host_key(self.connection.label, both)

    @property
    def cli_info(self) -> dict[str, Any]:
        """What a listing of workers shows."""
        return {**super().cli_info, "transfer_host": self.transfer_connection.label}


#: Any kind of worker, told apart by ``type``.
Worker = Annotated[
    LocalWorker | RemoteWorker | SeparatedTransferWorker, Field(discriminator="type")
]


def connection_data(worker: WorkerBase) -> ConnectionData | None:
    """Return the connection data of the host that runs a worker's commands, None if local."""
    return worker.connection


def _host_key(label: str, identity: str) -> str:
    # The readable part may be the same for two hosts ('a-b' and 'a_b'); the digest is not.
    readable = re.sub(r"[^a-z0-9_.-]+", "_", label.lower()).strip("_.-")
    return f"{readable}-{sha256(identity.encode()).hexdigest()[:6]}"
