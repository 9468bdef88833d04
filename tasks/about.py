"""What each Celery worker is: its version, project file and queues, asked over the broker."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jfcelery.project import Project

#: Seconds that Celery workers have for an answer.
ANSWER_SECONDS = 2.0
#: What may differ from machine to machine.
_HERE = {"base_dir", "tmp_dir", "log_dir", "daemon_dir"}
#: Name of the question.
QUESTION = "jfc_about"


@dataclass(frozen=True)
class Answer:
    """What a Celery worker says of itself.

    Args:
        name: Its name.
        version: Its version of jfcelery; empty if it is too old to say.
        project_file: Digest of the project as it knows it.
        queues: Queues that it serves.
    """

    name: str
    version: str
    project_file: str
    queues: tuple[str, ...]


def about(project: Project) -> dict[str, str]:
    """Return the version and the digest of the project in this process."""
    text = project.model_dump_json(exclude=_HERE)
    return {"version": version("jfcelery"), "project_file": sha256(text.encode()).hexdigest()}


def register(project: Project) -> None:
    """Let the Celery worker in this process answer the question."""
    from celery.worker.control import inspect_command

    said = about(project)

    def answer(_state: Any) -> dict[str, str]:
        return said

    inspect_command(name=QUESTION)(answer)


def ask_all(project: Project) -> list[Answer]:
    """Return the answers of all Celery workers of a project, on whatever machine."""
    from jfcelery.tasks.sending import sender

    inspector = sender(project).app.control.inspect(timeout=ANSWER_SECONDS)
    queues: Any = inspector.active_queues() or {}
    # There is no public way to ask a question of one's own.
    said: Any = inspector._request(QUESTION) or {}  # noqa: SLF001
    return [
        Answer(
            name=name,
            version=said.get(name, {}).get("version", ""),
            project_file=said.get(name, {}).get("project_file", ""),
            queues=tuple(queue["name"] for queue in serves),
        )
        for name, serves in sorted(queues.items())
        if any(queue["name"].startswith(f"jfc.{project.name}.") for queue in serves)
    ]
