"""Every error that jfcelery raises on purpose.

::

    JfceleryError
    ├── ConfigError                 the person's settings or project file
    │   ├── ProjectNotFoundError
    │   ├── ProjectInvalidError
    │   └── UnknownNameError        a worker, exec_config or store that the project lacks
    ├── InputError                  arguments of a command or call
    │   ├── JobNotFoundError
    │   ├── FlowNotFoundError
    │   ├── SerializationError
    │   └── FunctionImportError     a job's function, where the job runs
    ├── ServiceError                (transient) something that jfcelery itself needs
    │   ├── DatabaseUnavailableError
    │   ├── BrokerUnavailableError
    │   ├── JobStoreUnavailableError
    │   ├── ServiceStartError       (not transient) an embedded service cannot start
    │   └── SchemaVersionError      (not transient)
    ├── RunnerError                 the runner cannot be started or stopped as asked
    │   └── RunnerRunningError
    ├── NurseryError                no process can be kept warm: jobs start cold
    ├── PilotBuriedError            a pilot lives on that counts as dead
    ├── WaitTimeoutError            jobs have not come to rest in the time given
    ├── StateError                  what is asked does not fit the job's state
    │   ├── RefusedError            it forbids what a person asks
    │   ├── TransitionError         not in the state table
    │   └── ConflictError           (transient) somebody else changed the document first
    ├── HostError                   (transient) charged to the host, never to a job
    │   ├── ConnectionFailedError
    │   │   └── NotOfferedError     it runs no commands, or has no SFTP
    │   ├── ConnectionLostError
    │   ├── AuthenticationError
    │   ├── HostKeyError
    │   ├── LoginNeededError        a person must log in first
    │   ├── HostTimeoutError
    │   ├── SchedulerDownError
    │   └── DiskFullError
    ├── BackPressureError           (transient) a limit is reached: wait and go on
    │   └── SubmissionBusyError     another submission of the same job is under way
    └── StepError                   charged to the job
        ├── SubmissionRejectedError
        │   └── WordlessRefusalError  (transient) the scheduler does not say why
        ├── TransferError           (transient)
        ├── RunFolderError
        │   └── ForeignFolderError  somebody else's folder stands in its place
        ├── OutputMissingError
        ├── OutputInvalidError
        ├── QueueJobLostError
        ├── ReferenceMissingError
        ├── ResourcesError
        └── WorkerDiedError         it killed too many Celery workers
"""

from __future__ import annotations

from typing import ClassVar


class JfceleryError(Exception):
    """Base of all errors that jfcelery raises on purpose.

    Args:
        message: What happened, and to what, in one line.
        remedy: What to do next, in one line.
    """

    #: Whether the same action may succeed when tried again later.
    transient: ClassVar[bool] = False

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        """Return the message and, on a second line, the remedy."""
        return f"{self.message}\n{self.remedy}" if self.remedy else self.message


class ConfigError(JfceleryError):
    """Raised when the settings or the project file cannot be used."""


class ProjectNotFoundError(ConfigError):
    """Raised when no project, or no project of that name, exists."""


class ProjectInvalidError(ConfigError):
    """Raised when a project file does not say what a project file must say."""


class UnknownNameError(ConfigError):
    """Raised when a worker, exec_config, store or host is named that the project lacks."""


class InputError(JfceleryError):
    """Raised when an argument of a command or call cannot be used."""


class JobNotFoundError(InputError):
    """Raised when no job has the given id."""


class FlowNotFoundError(InputError):
    """Raised when no flow has the given id."""


class SerializationError(InputError):
    """Raised when a job or its arguments cannot be turned into JSON."""


class FunctionImportError(InputError):
    """Raised when a job's function does not exist where the job runs."""


class ServiceError(JfceleryError):
    """Raised when a service that jfcelery needs does not answer."""

    transient = True


class DatabaseUnavailableError(ServiceError):
    """Raised when the queue's database cannot be reached."""


class BrokerUnavailableError(ServiceError):
    """Raised when Redis cannot be reached."""


class JobStoreUnavailableError(ServiceError):
    """Raised when the JobStore, where the outputs are, cannot be reached."""


class ServiceStartError(ServiceError):
    """Raised when an embedded service cannot be started."""

    transient = False


class SchemaVersionError(ServiceError):
    """Raised when the database was written by an incompatible version."""

    transient = False


class RunnerError(JfceleryError):
    """Raised when the runner cannot be started or stopped as asked."""


class RunnerRunningError(RunnerError):
    """Raised when the project already has a runner on this machine."""


class NurseryError(JfceleryError):
    """Raised when a process that is to fork for each job cannot do so."""


class PilotBuriedError(JfceleryError):
    """Raised in a pilot that counts as dead, and whose jobs are given to others."""


class WaitTimeoutError(JfceleryError):
    """Raised when jobs have not come to rest within the time given."""


class StateError(JfceleryError):
    """Raised when what is asked does not fit the state of the job or flow."""


class RefusedError(StateError):
    """Raised when a job's state, or that of its flow, forbids what a person asks."""


class TransitionError(StateError):
    """Raised when a change of state is not in the state table."""


class ConflictError(StateError):
    """Raised when a document was changed by somebody else since it was read."""

    transient = True


class HostError(JfceleryError):
    """Raised when a host has a trouble of its own; jobs keep their state."""

    transient = True


class ConnectionFailedError(HostError):
    """Raised when no connection to a host can be made."""


class NotOfferedError(ConnectionFailedError):
    """Raised when a host runs no commands, or offers no SFTP."""


class ConnectionLostError(HostError):
    """Raised when a connection breaks while it is used."""


class AuthenticationError(HostError):
    """Raised when a host refuses the login."""


class HostKeyError(HostError):
    """Raised when a host's key is unknown or differs from the known one."""


class LoginNeededError(HostError):
    """Raised when a host wants a person to log in first."""


class HostTimeoutError(HostError):
    """Raised when a host does not answer within the time allowed."""


class SchedulerDownError(HostError):
    """Raised when the scheduler's commands fail as a whole."""


class DiskFullError(HostError):
    """Raised when a disk or quota of a host is full."""


class BackPressureError(JfceleryError):
    """Raised when a limit (of the site or of the project) asks to wait."""

    transient = True


class SubmissionBusyError(BackPressureError):
    """Raised when another submission of the same job is under way."""


class StepError(JfceleryError):
    """Raised when a step fails because of the job itself."""


class SubmissionRejectedError(StepError):
    """Raised when the scheduler refuses a job for good."""


class WordlessRefusalError(SubmissionRejectedError):
    """Raised when a submission fails and the scheduler says nothing: it may well take it later."""

    transient = True


class TransferError(StepError):
    """Raised when files did not arrive as they were sent."""

    transient = True


class RunFolderError(StepError):
    """Raised when a run folder is missing, or is not what it should be."""


class ForeignFolderError(RunFolderError):
    """Raised when a folder is not removed because it holds no marker of the job."""


class OutputMissingError(StepError):
    """Raised when a job ended without leaving its output."""


class OutputInvalidError(StepError):
    """Raised when a job's output file cannot be read."""


class QueueJobLostError(StepError):
    """Raised when the scheduler does not know a job that never reported its end."""


class ReferenceMissingError(StepError):
    """Raised when an output that a job refers to is not in the JobStore."""


class ResourcesError(StepError):
    """Raised when the scheduler has no use for the given resources."""


class WorkerDiedError(StepError):
    """Raised when Celery workers died at a job again and again."""
