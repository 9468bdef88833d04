"""How an error is shown, and which exit status it gives.

=======  ==========================================================================
status   meaning
=======  ==========================================================================
0        done
1        what was asked cannot be done: a wrong id, a forbidden state, a refused job
2        the command line, the project file or a service (database, Redis) is wrong
130      interrupted from the keyboard
=======  ==========================================================================
"""

from __future__ import annotations

import sys
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import click

from jfcelery.cli.state import redacted
from jfcelery.errors import ConfigError, JfceleryError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Exit status: what was asked cannot be done.
EXIT_REFUSED = 1
#: Exit status: the command line, the project file or a service is wrong.
EXIT_SETUP = 2
#: Exit status: interrupted from the keyboard (128 + SIGINT).
EXIT_INTERRUPTED = 130


def exit_status(error: BaseException) -> int:
    """Return the exit status that an error gives."""
    return EXIT_SETUP if isinstance(error, (ConfigError, ServiceError)) else EXIT_REFUSED


def fail(message: str, remedy: str = "", *, status: int = EXIT_REFUSED) -> NoReturn:
    """Write an error in one or two lines to stderr and end with a status."""
    from jfcelery.cli.output import printable

    click.echo(click.style("Error: ", fg="red", bold=True) + printable(message), err=True)
    if remedy:
        click.echo(remedy, err=True)
    raise click.exceptions.Exit(status)


@contextmanager
def rendered(wants_trace: Callable[[], bool]) -> Iterator[None]:
    """Show every error of the body as a person wants to read it.

    Args:
        wants_trace: Tells, once there is an error, whether its trace is written as well.
    """
    try:
        yield
    except click.UsageError as error:
        if error.ctx is None or _shows_help(error):
            raise
        fail(error.format_message(), f"Help: {error.ctx.command_path} --help", status=EXIT_SETUP)
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except KeyboardInterrupt:
        click.echo("Interrupted.", err=True)
        raise click.exceptions.Exit(EXIT_INTERRUPTED) from None
    except JfceleryError as error:
        _trace(wants_trace())
        fail(redacted(error.message), error.remedy, status=exit_status(error))
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - the outermost edge: no trace on the terminal
        wanted = wants_trace()
        _trace(wanted)
        remedy = "" if wanted else "Run `jfc --full-exc …` to see where it comes from."
        fail(redacted(f"unexpected {type(error).__name__}: {error}"), remedy)


def _shows_help(error: click.UsageError) -> bool:
    """Return whether click shows the help of a group that was called without a command."""
    return type(error).__name__ == "NoArgsIsHelpError"


def _trace(wanted: bool) -> None:
    if wanted:
        sys.stderr.write(redacted(traceback.format_exc()))
