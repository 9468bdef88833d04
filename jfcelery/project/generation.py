"""Write project files for people to edit: a small one that runs at once, or every option."""

from __future__ import annotations

import typing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, TypeAdapter

from jfcelery.errors import InputError
from jfcelery.project.entries import Entry
from jfcelery.project.exec_config import ExecutionConfig
from jfcelery.project.project import FOLDERS, Project, check_name
from jfcelery.project.worker import LocalWorker, RemoteWorker, SeparatedTransferWorker
from jfcelery.project.writing import write

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from pydantic.fields import FieldInfo

#: Formats that can be written.
FORMATS = ("yaml", "json", "toml")
_HEADING = """\
Project file of jfcelery. Lines that start with '#' and a key show options that are not set.
Keep passwords out of this file: ${VARIABLE} and file:PATH refer to them."""
_PRE_RUN = "source /path/to/environment/bin/activate"
#: The workers of a full file: their values, by name and model.
_WORKERS: dict[str, tuple[type[BaseModel], dict[str, Any]]] = {
    "local_worker": (LocalWorker, {"scheduler_type": "shell"}),
    "slurm_worker": (
        RemoteWorker,
        {
            "scheduler_type": "slurm",
            "work_dir": "/path/to/run/folder",
            "host": "login.cluster.org",
            "user": "bob",
            "pre_run": _PRE_RUN,
            "resources": {"nodes": 1, "ntasks": 4, "time": "24:00:00"},
        },
    ),
    "transfer_worker": (
        SeparatedTransferWorker,
        {
            "scheduler_type": "pbs",
            "work_dir": "/path/to/run/folder",
            "host": "login.cluster.org",
            "transfer": {"host": "transfer.cluster.org"},
        },
    ),
}
_STORE = {
    "type": "MongoStore",
    "host": "mongo.example.org",
    "port": 27017,
    "database": "my_database",
    "username": "bob",
    "password": "${MONGO_PASSWORD}",
}
#: Examples of options that have no default, by name; each is a value that loads.
_EXAMPLES: dict[str, Any] = {
    "jobstore": {
        "docs_store": {**_STORE, "collection_name": "outputs"},
        "additional_stores": {
            "data": {**_STORE, "type": "GridFSStore", "collection_name": "outputs_blobs"}
        },
    },
    "optional_jobstores": {"other": {"docs_store": {**_STORE, "collection_name": "other_outputs"}}},
    "remote_jobstore": {"docs_store": {"type": "MemoryStore"}},
    "queue": {"store": {**_STORE, "collection_name": "jobs"}},
    "slots": {"cpus": 8},
    "url": "rediss://:${REDIS_PASSWORD}@redis.example.org:6379/0",
    "tls": {"ca_certs": "/path/to/ca.pem"},
    "urls": ["mailto://${MAIL_LOGIN}@example.org"],
    "metadata": {"topic": "relaxation of metals"},
    "notifications": [{"urls": ["mailto://${MAIL_LOGIN}@example.org"], "events": ["flow_failed"]}],
    "recovery": [{"on": ["TIMEOUT"], "time_factor": 2, "time_ceiling": "48:00:00"}],
    "queue_jobs": [{"worker": "slurm_worker", "partition": "debug", "max_jobs": 2}],
    "preload": ["pymatgen.core"],
    "max_interval": 120,
    "db_id_prefix": "a-",
    "resources": {"nodes": 1},
    "pre_run": _PRE_RUN,
    "post_run": "echo done",
    "execution_cmd": "jfc execution run {}",
    "max_jobs": 4,
    "scheduler_username": "bob",
    "delay_download": 5,
    "user": "bob",
    "port": 22,
    "host": "gateway.cluster.org",
    "password": "${CLUSTER_PASSWORD}",
    "key_filename": "~/.ssh/id_ed25519",
    "passphrase": "${KEY_PASSPHRASE}",
    "gateway": {"host": "gateway.cluster.org", "user": "bob"},
    "connect_kwargs": {"look_for_keys": False},
    "forward_agent": False,
    "inline_ssh_env": False,
    "jobs_handle_dir": "/path/to/handle/folder",
    "work_dir": "/path/to/pilot/folder",
    "max_jobs_per_batch": 100,
    "max_time": 82800,
    "parallel_jobs": 4,
    "sleep_time": 5,
    "cpus": 8,
    "gpus": 1,
    "launcher": "srun -n1",
    "modules": ["GCC/13.2.0", "OpenMPI/4.1.6"],
    "export": {"OMP_NUM_THREADS": 1},
    "ca_certs": "/path/to/ca.pem",
    "certfile": "/path/to/client.pem",
    "keyfile": "/path/to/client.key",
}


def generate(
    name: str,
    full: bool = False,
    file_format: str = "yaml",
    *,
    folder: str | os.PathLike[str] | None = None,
) -> str:
    """Return the text of a new project file.

    Args:
        name: Name of the project.
        full: Whether to write every option with its description.
        file_format: ``yaml``, ``json`` or ``toml``; JSON has no comments.
        folder: The folder in which the file is going to lie. By default that of the settings.

    Raises:
        InputError: The name or the format cannot be used.
    """
    if file_format not in FORMATS:
        message = f"unknown format {file_format!r}"
        raise InputError(message, remedy=f"Use one of {', '.join(FORMATS)}.")
    try:
        check_name(name)
    except ValueError as error:
        raise InputError(f"{name!r} is {error}") from None
    if folder is None:
        from jfcelery.settings import settings

        folder = settings().projects_folder
    base_dir = Path(folder).expanduser().absolute() / name
    entries = _full(name, base_dir) if full else _simple(name, base_dir)
    return write(entries, file_format, _HEADING)


def _simple(name: str, base_dir: Path) -> list[Entry]:
    local = {"type": "local", "scheduler_type": "shell", "work_dir": str(base_dir / "run")}
    remote = {
        "type": "remote",
        "host": "login.cluster.org",
        "user": "bob",
        "scheduler_type": "slurm",
        "work_dir": "/path/to/run/folder",
        "pre_run": _PRE_RUN,
        "resources": {"nodes": 1, "time": "24:00:00"},
    }
    workers = [
        _plain("local_worker", local, "This machine: as many jobs at once as it has cores."),
        _plain("slurm_worker", remote, "A cluster reached by SSH.", active=False),
    ]
    broker = {"url": "redis://:${REDIS_PASSWORD}@redis.example.org:6379/0"}
    return [
        Entry("name", name, "Name of the project."),
        Entry("workers", None, "Where jobs run; the first is the default.", section=workers),
        _plain(
            "queue",
            _EXAMPLES["queue"],
            "Your own MongoDB. Without it an embedded database holds states and outputs.",
            active=False,
        ),
        _plain("broker", broker, "Your own Redis. Without it an embedded one.", active=False),
    ]


def _plain(key: str, value: Mapping[str, Any], comment: str, *, active: bool = True) -> Entry:
    section = [Entry(inner, item) for inner, item in value.items()]
    return Entry(key, None, comment, active=active, section=section)


def _full(name: str, base_dir: Path) -> list[Entry]:
    values: dict[str, Any] = {"name": name, "base_dir": str(base_dir)}
    values |= {option: str(base_dir / below) for option, below in FOLDERS.items()}
    entries = _of_model(Project, values)
    return [_with_members(entry, base_dir) for entry in entries]


def _with_members(entry: Entry, base_dir: Path) -> Entry:
    """Put example workers and execution configurations where the model has only a mapping."""
    if entry.key == "workers":
        return Entry(entry.key, None, entry.comment, section=_example_workers(base_dir))
    if entry.key == "exec_config":
        fields = _of_model(
            ExecutionConfig, {name: _EXAMPLES[name] for name in ("modules", "export")}
        )
        example = Entry("example_config", None, _first_sentence(ExecutionConfig), section=fields)
        return Entry(entry.key, None, entry.comment, section=[example])
    return entry


def _example_workers(base_dir: Path) -> list[Entry]:
    """Return a worker of each kind; what one has explained the next ones only use."""
    workers: list[Entry] = []
    explained: set[str] = set()
    for name, (model, values) in _WORKERS.items():
        options = _of_model(model, {"work_dir": str(base_dir / "run"), **values})
        new = [
            option if option.key not in explained else replace(option, comment="")
            for option in options
            if option.key not in explained or option.key in values or option.key == "type"
        ]
        explained |= {option.key for option in options}
        workers.append(Entry(name, None, _first_sentence(model), section=new))
    return workers


def _first_sentence(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().splitlines()[0]


def _of_model(model: type[BaseModel], values: Mapping[str, Any]) -> list[Entry]:
    """Return an entry for each option of a model, set where there is a value or a default."""
    fields = sorted(model.model_fields.items(), key=lambda item: item[0] != "type")
    return [_of_field(name, field, values) for name, field in fields]


def _of_field(name: str, field: FieldInfo, values: Mapping[str, Any]) -> Entry:
    given = values.get(name)
    default = (
        None
        if field.is_required()
        else field.get_default(call_default_factory=True, validated_data={})
    )
    inner = _model_in(field)
    active = given is not None or field.is_required() or default not in (None, {}, [])
    if inner is not None:
        below = given if isinstance(given, dict) else _EXAMPLES.get(name, {})
        section = _of_model(inner, below)
        return Entry(name, None, field.description or "", active=active, section=section)
    if given is None:
        given = (
            _jsonable(default) if default not in (None, {}, []) else _EXAMPLES.get(name, default)
        )
    return Entry(name, given, field.description or "", active=active)


def _model_in(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model that is an option's whole value, None for anything else."""
    parts = [field.annotation, *typing.get_args(field.annotation)]
    models = [part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)]
    return models[0] if models and typing.get_origin(field.annotation) not in (list, dict) else None


def _jsonable(value: Any) -> Any:
    plain = TypeAdapter(Any).dump_python(value, mode="json")
    return int(plain) if isinstance(plain, float) and plain.is_integer() else plain
