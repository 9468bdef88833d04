"""Settings of a person: environment variables ``JFCELERY_*`` and ``~/.jfcelery.yaml``."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from jfcelery.errors import ConfigError
from jfcelery.project.files import SyntaxProblem, parse
from jfcelery.project.model import AnyCaseLogLevel, LogLevel
from jfcelery.project.problems import problems_of

#: What the names of the environment variables start with.
PREFIX = "JFCELERY_"
#: File of the settings where ``JFCELERY_CONFIG_FILE`` names none.
DEFAULT_FILE = "~/.jfcelery.yaml"


def _expand(value: Any) -> Any:
    return Path(value).expanduser().absolute() if isinstance(value, str | Path) else value


def _split(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return [name.strip() for name in value.strip("[]").replace('"', "").split(",") if name.strip()]


_Path = Annotated[Path, BeforeValidator(_expand)]


class Settings(BaseSettings):
    """What a person may set for all projects; environment before file before default.

    Args:
        values: What the file says.
    """

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=PREFIX, env_ignore_empty=True
    )

    config_file: _Path = Field(
        default_factory=lambda: Path(DEFAULT_FILE).expanduser(),
        description="File of these settings (YAML).",
    )
    projects_folder: _Path = Field(
        default_factory=lambda: Path("~/.jfcelery").expanduser(),
        description="Folder of the project files.",
    )
    project: str | None = Field(default=None, description="Name of the project to use.")
    cli_full_exc: bool = Field(
        default=False, description="Whether commands show the whole traceback of an error."
    )
    cli_suggestions: bool = Field(
        default=True, description="Whether commands suggest what to do next."
    )
    cli_log_level: AnyCaseLogLevel = Field(
        default=LogLevel.WARN, description="How much commands log: error, warn, info, debug."
    )
    cli_job_list_columns: Annotated[list[str] | None, NoDecode, BeforeValidator(_split)] = Field(
        default=None,
        description="Columns of `jfc job list`; in the environment separated by commas.",
    )
    database_cache: str = Field(
        default="64M",  # with it the process stays below 300 MB in flows of 100,000 jobs
        pattern=r"^[1-9]\d*[MG]$",
        description="Memory that an embedded database may use as a cache, e.g. 256M or 1G; read "
        "when the database is started.",
    )

    @classmethod
    def settings_customise_sources(  # noqa: D102 - the library's hook
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings


def settings() -> Settings:
    """Return the settings; they are read again only after a change.

    Raises:
        ConfigError: A variable or the file is wrong.
    """
    given = {
        name.upper(): value
        for name, value in sorted(os.environ.items())
        if value and name.upper().startswith(PREFIX)
    }
    path = Path(given.get(f"{PREFIX}CONFIG_FILE", DEFAULT_FILE)).expanduser()
    changed = path.stat().st_mtime_ns if path.is_file() else 0
    return _load(path, changed, tuple(given.items()))


@lru_cache(maxsize=1)
def _load(path: Path, _changed: int, given: tuple[tuple[str, str], ...]) -> Settings:
    values = _read(path)
    try:
        return Settings(**values)
    except ValidationError as error:
        from_env = {name.removeprefix(PREFIX).lower(): text for name, text in given}
        lines = []
        for problem in problems_of(error, {**values, **from_env}, Settings):
            top = str(next(iter(problem.path), ""))
            where = PREFIX + top.upper() if top in from_env else f"{path}: {problem.key}"
            lines.append(f"{where}: {problem.text}")
        raise ConfigError("\n".join(lines)) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        data = parse(path.read_text(encoding="utf-8"), "yaml")
    except FileNotFoundError:
        return {}
    except OSError as error:
        message = f"cannot read the settings {path}: {error.strerror}"
        raise ConfigError(message, remedy="Check its permissions.") from None
    except (UnicodeDecodeError, SyntaxProblem) as error:
        text = error if isinstance(error, SyntaxProblem) else "not a text; save it as UTF-8"
        raise ConfigError(f"{path}: {text}") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: no settings; write `project: NAME` and the like")
    return data
