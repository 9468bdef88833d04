"""Every command, option, short form and method that is promised exists as promised."""

from __future__ import annotations

import inspect
from typing import Any

import click
import pytest

import jfcelery
from jfcelery.cli.main import jfc as root
from jfcelery.controller import JobController
from jfcelery.controller.arguments import JobQuery
from tests.cli.interface import COMMANDS, FLOWS, FUNCTIONS, JOBS, METHODS, REPEATABLE


def command_at(path: str) -> click.Command:
    """Return the command of a path such as ``job list``."""
    command: click.Command = root
    for name in path.split():
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None, f"there is no {name!r} in {path!r}"
        command = found
    return command


def options_of(command: click.Command) -> dict[str, click.Option]:
    """Return a command's options by each of their names."""
    options = [param for param in command.params if isinstance(param, click.Option)]
    return {name: option for option in options for name in option.opts}


@pytest.mark.parametrize("path", COMMANDS)
def test_every_promised_command_takes_its_options_by_long_and_short_name(path: str) -> None:
    """Each promised option is there, and its short form means the same option."""
    command = command_at(path)
    options = options_of(command)
    for promised in COMMANDS[path][1].split():
        names = promised.split("/")
        assert set(names) <= set(options), f"jfc {path} lacks {promised}"
        assert len({options[name].name for name in names}) == 1


@pytest.mark.parametrize("path", COMMANDS)
def test_every_promised_command_takes_its_arguments(path: str) -> None:
    """The promised arguments are there in their order, those in brackets may be left out."""
    arguments = [p for p in command_at(path).params if isinstance(p, click.Argument)]
    promised = COMMANDS[path][0].split()
    assert len(arguments) >= len(promised)
    for name, argument in zip(promised, arguments, strict=False):
        assert argument.required is not name.startswith("["), f"jfc {path}: {name}"


@pytest.mark.parametrize("path", [path for path, (_, own) in COMMANDS.items() if "-did" in own])
def test_ids_states_and_workers_may_be_given_several_times(path: str) -> None:
    """The options that a filter repeats are repeatable in every command that has them."""
    options = options_of(command_at(path))
    assert all(options[name].multiple for name in REPEATABLE if name in options)


def parameters(function: Any) -> list[str]:
    """Return the names of a function's parameters, in their order."""
    return [name for name in inspect.signature(function).parameters if name != "self"]


@pytest.mark.parametrize("name", METHODS)
def test_the_controller_has_every_promised_method_with_its_parameters(name: str) -> None:
    """Scripts written for jobflow-remote find each method, and each of its parameters.

    They may leave the names of arguments out, so the order is theirs too.
    """
    promised = METHODS[name].format(jobs=JOBS, flows=FLOWS).split()
    assert parameters(getattr(JobController, name))[: len(promised)] == promised


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_package_has_every_promised_function_with_its_parameters(name: str) -> None:
    """What the package exports takes the parameters of jobflow-remote's functions."""
    promised = FUNCTIONS[name].split()
    assert parameters(getattr(jfcelery, name))[: len(promised)] == promised


def test_a_query_selects_by_everything_that_is_promised() -> None:
    """The filters of the methods for several jobs are those of jobflow-remote, and more."""
    assert set(JobQuery.__annotations__) >= {
        *("job_ids", "db_ids", "flow_ids", "states", "start_date", "end_date", "name"),
        *("metadata", "workers", "custom_query", "error_class", "error_regex"),
    }
