"""Throwaway projects on servers that the whole test session shares."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jfcelery.database import connection
from jfcelery.execution.warm.place import retire
from jfcelery.project import load_file

if TYPE_CHECKING:
    from pathlib import Path

    from jfcelery.project import Project


@dataclass
class ProjectFactory:
    """Makes projects; each has a database and names of its own, so tests never meet.

    Args:
        folder: The projects folder.
        database_url: The MongoDB server.
        broker_url: The Redis server.
        databases: Names of the databases made so far.
        projects: The projects made so far.
    """

    folder: Path
    database_url: str
    broker_url: str
    databases: list[str] = field(default_factory=list)
    projects: list[Project] = field(default_factory=list)

    def __call__(self, name: str | None = None, **sections: Any) -> Project:
        """Write a project file and load it.

        Args:
            name: The project's name; by default a new one.
            **sections: Sections of the project file, in place of the default ones. ``workers``
                defaults to a local shell worker; ``queue`` and ``broker`` to the shared servers,
                None for one of them to the embedded service.

        Returns:
            The project.
        """
        name = name or f"t{uuid.uuid4().hex[:10]}"
        path = self.folder / f"{name}.yaml"
        content = {"name": name} | self._defaults(name) | sections
        content = {key: value for key, value in content.items() if value is not None}
        path.write_text(json.dumps(content))  # which is YAML as well
        self.projects.append(load_file(path))
        return self.projects[-1]

    def retire(self) -> None:
        """Have the warm servers of all projects end, and leave no connection to their databases.

        Each has threads that look after it, which thousands of tests cannot keep.
        """
        for project in self.projects:
            retire(project)
        names = {project.name for project in self.projects}
        for key, queue in list(connection._open.items()):
            if names.intersection(key):
                queue.close()

    def _defaults(self, name: str) -> dict[str, Any]:
        """Return the sections that a test need not name."""
        database = f"jfct_{name}_{uuid.uuid4().hex[:8]}"
        self.databases.append(database)
        store = {"type": "MongoURIStore", "uri": self.database_url, "database": database}
        worker = {"type": "local", "scheduler_type": "shell", "work_dir": f"{self.folder}/work"}
        return {
            "queue": {"store": store | {"collection_name": "jobs"}},
            "broker": {"url": self.broker_url, "key_prefix": f"{database}:"},
            "workers": {"here": worker},
        }
