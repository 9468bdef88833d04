"""A project: workers, where states and outputs are kept, and how it all runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    AfterValidator,
    AliasChoices,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from jfcelery.errors import ProjectInvalidError
from jfcelery.project.batch import SlotConfig
from jfcelery.project.broker import BrokerConfig
from jfcelery.project.consistency import check_consistency
from jfcelery.project.exec_config import ExecutionConfig
from jfcelery.project.lookup import pick
from jfcelery.project.masking import masked
from jfcelery.project.model import AnyCaseLogLevel, ConfigModel, LogLevel
from jfcelery.project.notifications import NotificationRule
from jfcelery.project.options import LimitsConfig, PollConfig, ServicesConfig
from jfcelery.project.problems import problems_of
from jfcelery.project.queue import QueueConfig
from jfcelery.project.recovery import RecoveryRule
from jfcelery.project.runner import RunnerOptions
from jfcelery.project.stores import check_jobstore
from jfcelery.project.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobflow.core.store import JobStore

#: The folders of a project below its ``base_dir``: option and default name.
FOLDERS = {"tmp_dir": "tmp", "log_dir": "log", "daemon_dir": "daemon"}


def check_name(name: str) -> str:
    """Check that a project may be called so.

    Raises:
        ValueError: It may not, since the name is the name of a folder too.
    """
    if not name or name.strip() != name or re.search(r"[/\\\x00-\x1f\x7f-\x9f]|^\.", name):
        msg = "not usable as a name; use letters, digits, '-' and '_'"
        raise ValueError(msg)
    return name


JobStoreSpec = Annotated[dict[str, Any], AfterValidator(check_jobstore)]


class Project(ConfigModel):
    """Everything that a project file says."""

    name: Annotated[str, AfterValidator(check_name)] = Field(
        description="Name of the project, which is its identity."
    )
    base_dir: Path = Field(
        default=Path(),
        description="Folder of the project's own files: embedded services, logs, temporary files. "
        "`~` is expanded; a relative path starts at the folder of the project file. By default "
        "a folder with the project's name beside the project file.",
    )
    tmp_dir: Path = Field(
        default=Path(), description="Folder for files on their way. By default `tmp` in `base_dir`."
    )
    log_dir: Path = Field(
        default=Path(), description="Folder of the logs. By default `log` in `base_dir`."
    )
    daemon_dir: Path = Field(
        default=Path(),
        description="Folder of the files by which the running processes are managed. By default "
        "`daemon` in `base_dir`.",
    )
    log_level: AnyCaseLogLevel = Field(
        default=LogLevel.INFO, description="How much is logged: `error`, `warn`, `info`, `debug`."
    )
    runner: RunnerOptions = Field(
        default_factory=RunnerOptions, description="Options of the running system."
    )
    workers: dict[str, Worker] = Field(
        default_factory=dict,
        description="The workers by name. A job that names none goes to the first.",
    )
    queue: QueueConfig | None = Field(
        default=None,
        description="The database of the states of jobs and flows. By default the embedded one.",
    )
    exec_config: dict[str, ExecutionConfig] = Field(
        default_factory=dict, description="Execution configurations by name, for jobs to choose."
    )
    jobstore: JobStoreSpec = Field(
        default_factory=dict,
        validation_alias=AliasChoices("jobstore", "JOB_STORE"),
        description="The JobStore of the outputs, as in jobflow's own settings (`docs_store`, "
        "`additional_stores`) or serialised. By default collection `outputs` in the queue's own "
        "database, large data in GridFS there.",
    )
    optional_jobstores: dict[str, JobStoreSpec] = Field(
        default_factory=dict,
        description="Further JobStores by name, which a flow may choose instead.",
    )
    remote_jobstore: JobStoreSpec | None = Field(
        default=None,
        description="Accepted for jobflow-remote's files, without effect: outputs travel as files.",
    )
    metadata: dict[str, Any] | None = Field(
        default=None, description="Anything you want to note about the project."
    )
    broker: BrokerConfig | None = Field(
        default=None, description="A Redis of your own. By default the embedded one."
    )
    services: ServicesConfig = Field(
        default_factory=ServicesConfig, description="Which services jfcelery starts itself."
    )
    poll: PollConfig = Field(
        default_factory=PollConfig, description="How often the workers' queues are looked at."
    )
    limits: LimitsConfig = Field(
        default_factory=LimitsConfig, description="What must not be exceeded."
    )
    recovery: list[RecoveryRule] = Field(
        default_factory=list,
        description="Rules by which jobs that ended badly are run again by themselves. Jobs whose "
        "node failed, or that were preempted, get up to 3 new attempts without a rule, too.",
    )
    notifications: list[NotificationRule] = Field(
        default_factory=list,
        description="Rules by which people are told what happens.",
    )
    preload: list[str] = Field(
        default_factory=list,
        description="Python modules that the warm processes of all workers import once, such as "
        "`pymatgen.core`: jobs need not import them again.",
    )
    slots: SlotConfig | None = Field(
        default=None,
        description="What each of several jobs at once in a pilot may use.",
    )

    _source: Path | None = PrivateAttr(None)
    _digest: str = PrivateAttr("")

    @model_validator(mode="before")
    @classmethod
    def _complete_folders(cls, data: Any, info: ValidationInfo) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("name"), str):
            return data
        folder = (info.context or {}).get("folder")
        if folder is None:
            from jfcelery.settings import settings

            folder = settings().projects_folder
        data = dict(data)
        defaults = {"base_dir": Path(folder, data["name"])}
        for option in ("base_dir", *FOLDERS):
            value = data.get(option) or defaults.get(option)
            if not isinstance(value, str | Path):
                continue
            data[option] = Path(folder, Path(value).expanduser())
            if option == "base_dir":
                defaults |= {key: data[option] / name for key, name in FOLDERS.items()}
        return data

    @field_validator("optional_jobstores", mode="before")
    @classmethod
    def _none_is_empty(cls, value: Any) -> Any:
        return {} if value is None else value

    @model_validator(mode="after")
    def _sections_agree(self) -> Project:
        check_consistency(self)
        return self

    @property
    def source(self) -> Path | None:
        """The file it was read from."""
        return self._source

    @property
    def digest(self) -> str:
        """Hash of the text it was read from: differs once the file is changed."""
        return self._digest

    @property
    def uses_embedded_database(self) -> bool:
        """Whether the queue lies in the embedded database."""
        return self.queue is None or not self.queue.store

    @property
    def uses_embedded_broker(self) -> bool:
        """Whether messages go through the embedded Redis."""
        return self.broker is None

    @property
    def hosts(self) -> dict[str, list[str]]:
        """The names of the workers by the key of the host that they share."""
        hosts: dict[str, list[str]] = {}
        for name, worker in self.workers.items():
            hosts.setdefault(worker.host_key, []).append(name)
        return hosts

    def public(self) -> dict[str, Any]:
        """Return everything as JSON-like data, secrets masked."""
        plain: dict[str, Any] = masked(self.model_dump(mode="json"))
        return plain

    def get_worker(self, name: str | None = None) -> Worker:
        """Return a worker.

        Args:
            name: Its name; None for the first worker of the project.

        Raises:
            UnknownNameError: The project has no such worker.
        """
        if name is None and self.workers:
            return next(iter(self.workers.values()))
        return pick(self.workers, name, kind="worker", project=self.name)

    def get_exec_config(
        self, name: str | Mapping[str, Any] | ExecutionConfig | None
    ) -> ExecutionConfig:
        """Return an execution configuration.

        Args:
            name: The name of one of the project's; or what one says, which is returned as a model;
                None for an empty one.

        Raises:
            UnknownNameError: The project has no such configuration.
            ProjectInvalidError: What is given is no execution configuration.
        """
        if name is None:
            return ExecutionConfig()
        if isinstance(name, ExecutionConfig):
            return name
        if not isinstance(name, str):
            return _exec_config_from(name)
        return pick(self.exec_config, name, kind="exec_config", project=self.name)

    def get_jobstore(self, name: str | None = None) -> JobStore:
        """Return a JobStore, not connected.

        Args:
            name: One of the ``optional_jobstores``; None for the project's own.

        Raises:
            UnknownNameError: The project has no such JobStore.
        """
        from jfcelery.project.stores import build_jobstore

        if name:
            spec = pick(self.optional_jobstores, name, kind="jobstore", project=self.name)
        else:
            spec = self.jobstore or self._default_jobstore()
        return build_jobstore(spec)

    def _default_jobstore(self) -> dict[str, Any]:
        from jfcelery.project.mongo import MongoTarget
        from jfcelery.project.stores import default_jobstore_spec

        if self.queue is not None and self.queue.target is not None:
            return default_jobstore_spec(self.queue.target)
        from jfcelery.services import database_endpoint

        found = database_endpoint(self)
        target = MongoTarget(found.name, "jobs", uri=found.uri, client_kwargs=found.options)
        return default_jobstore_spec(target)


def _exec_config_from(data: Mapping[str, Any]) -> ExecutionConfig:
    plain = {key: value for key, value in data.items() if not key.startswith("@")}
    try:
        return ExecutionConfig.model_validate(plain)
    except ValidationError as error:
        problems = problems_of(error, plain, ExecutionConfig)
        texts = "; ".join(f"{problem.key}: {problem.text}" for problem in problems)
        raise ProjectInvalidError(f"no exec_config: {texts}") from None
