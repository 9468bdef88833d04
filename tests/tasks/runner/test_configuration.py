"""What supervisor is told."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

import pytest

from jfcelery.tasks.runner.configuration import GROUP, configuration, member_command
from jfcelery.tasks.runner.folder import RunnerFolder
from jfcelery.tasks.runner.layout import Layout

if TYPE_CHECKING:
    from pathlib import Path


def parsed(folder: RunnerFolder, layout: Layout, *, foreground: bool = False) -> Any:
    """Return the options that supervisor itself reads from the configuration."""
    from supervisor.options import ServerOptions

    told = configuration(folder, layout, password="secret", supervisor=123, foreground=foreground)
    folder.configuration.write_text(told.text)
    options = ServerOptions()
    options.environ_expansions.update(told.values)
    options.realize(["-c", str(folder.configuration)])
    return options


def test_supervisor_reads_it(folder: RunnerFolder) -> None:
    """Supervisor finds all processes, in one group, started again whenever they end."""
    options = parsed(folder, Layout(transfer=2, flower=True, drain=7))
    (group,) = options.process_group_configs
    programs = {program.name: program for program in group.process_configs}
    assert group.name == GROUP
    assert set(programs) == {"control-1", "hosts-1", "hosts-2", "flower"}
    one = programs["hosts-1"]
    assert one.stopwaitsecs == 7
    assert one.autorestart.__name__ == "RestartUnconditionally"
    assert shlex.split(one.command) == member_command(folder, Layout(), Layout().members()[1], 123)


def test_events_are_sent_for_flower_only(folder: RunnerFolder) -> None:
    """Nobody else receives them; a Flower elsewhere asks for them."""
    for flower in (True, False):
        layout = Layout(flower=flower)
        command = member_command(folder, layout, layout.members()[0], 1)
        assert ("--events" in command) is flower


def test_login(folder: RunnerFolder) -> None:
    """Who talks to supervisor needs the password, and the socket is the owner's alone."""
    (server,) = parsed(folder, Layout()).server_configs
    assert server["password"] == "secret"
    assert server["chmod"] == 0o600


@pytest.mark.parametrize(
    "name", ["per%cent %(here)s", "with blank", "quote'd", "semi ;colon", "no #1"]
)
def test_strange_paths(tmp_path: Path, name: str) -> None:
    """Paths with what supervisor or a shell would expand arrive as they are."""
    folder = RunnerFolder(tmp_path / name, tmp_path / "log" / name)
    folder.make()
    (group,) = parsed(folder, Layout()).process_group_configs
    command = shlex.split(group.process_configs[0].command)
    assert command[command.index("--folder") + 1] == str(folder.path)
    assert group.process_configs[0].stdout_logfile == str(folder.log("control-1"))


def test_foreground(folder: RunnerFolder) -> None:
    """In the foreground all logs go to stdout."""
    (group,) = parsed(folder, Layout(), foreground=True).process_group_configs
    assert {program.stdout_logfile for program in group.process_configs} == {"/dev/stdout"}


def test_working_directory_is_not_imported(folder: RunnerFolder) -> None:
    """A module of a user's working directory is never taken for a library."""
    layout = Layout()
    for member in layout.members():
        assert member_command(folder, layout, member, 1)[:2] == [sys.executable, "-P"]
