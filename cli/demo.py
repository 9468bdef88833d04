"""``jfc demo``: see a real calculation run, from an empty folder to a result."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from rich.console import Console

    from jfcelery.demo.session import DemoResult
    from jfcelery.tasks.runner.lifecycle import Runner

#: The fcc metals for which the potential has parameters.
METALS = ("Al", "Cu", "Ag", "Au", "Ni", "Pd", "Pt")


@dataclass(frozen=True)
class LocalRunner:
    """A project's runner on this machine, without Flower.

    Args:
        runner: What starts and stops it.
    """

    runner: Runner

    def start(self) -> None:
        """Start the embedded services, two Celery workers and beat."""
        from jfcelery.tasks.runner.layout import Layout

        self.runner.start(Layout(flower=False))

    def stop(self) -> None:
        """Stop all of them."""
        self.runner.shutdown()


@click.command()
@click.option(
    "--metal",
    type=click.Choice(METALS, case_sensitive=False),
    default="Cu",
    show_default=True,
    help="What to calculate.",
)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where everything goes; by default a new folder for temporary files.",
)
@click.option("--json", "as_json", is_flag=True, help="Write the result as JSON.")
def demo(metal: str, folder: Path | None, as_json: bool) -> None:
    """Run a real calculation in a throwaway project, and show what happens.

    Starts a database, a broker, Celery workers and beat; relaxes a metal, strains it, and fits
    its equation of state with eleven jobs, most of which come into being on the way; then stops
    everything. Takes less than a minute.
    """
    from jfcelery.cli.output import console, write_json
    from jfcelery.demo.session import run_demo
    from jfcelery.tasks.runner.lifecycle import Runner

    _require_ase()
    signal.signal(signal.SIGTERM, _leave)
    where = _new_folder(folder)
    screen = console(stderr=as_json)
    result = run_demo(where, metal, lambda project: LocalRunner(Runner(project)), screen)
    if as_json:
        write_json(vars(result))
    else:
        _report(result, screen)


def _require_ase() -> None:
    """Refuse where the library that calculates is not installed."""
    from jfcelery.errors import ConfigError

    if find_spec("ase") is None:
        raise ConfigError(
            "The demonstration calculates with ASE, which is not installed.",
            remedy="Run: pip install 'jfcelery[demo]'",
        )


def _new_folder(folder: Path | None) -> Path:
    """Return the folder of the demonstration, made when it is missing."""
    from jfcelery.errors import InputError

    if folder is None:
        return Path(tempfile.mkdtemp(prefix="jfc-demo-"))
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise InputError(f"{folder} is not empty.", remedy="Name a new or an empty folder.")
    return folder


def _report(result: DemoResult, screen: Console) -> None:
    """Write what was found and where it lies."""
    found, jfc = result.properties, _program()
    screen.print(
        f"\n[bold]{found.symbol}, fcc, with the EMT potential[/]\n"
        f"  lattice constant  {found.lattice_constant:.3f} Å\n"
        f"  bulk modulus      {found.bulk_modulus:.0f} GPa\n"
        f"  energy            {found.energy_per_atom:.4f} eV/atom\n"
        f"from {result.jobs} jobs in {result.seconds:.0f} s. All services are stopped again.\n\n"
        f"Everything lies in {result.folder}; to look at it:\n"
        f"  export JFCELERY_PROJECTS_FOLDER={result.folder}\n"
        f"  {jfc} job list\n"
        f"  {jfc} flow info 1\n"
        f"  {jfc} runner shutdown     # lists start the database when needed\n"
        f"  rm -r {result.folder}",
        highlight=False,
        soft_wrap=True,
    )


def _program() -> str:
    """Return how this program is called where the person is: it need not be on the PATH."""
    called = Path(sys.argv[0])
    on_path = shutil.which("jfc")
    if called.name != "jfc" or (on_path and Path(on_path).samefile(called)):
        return "jfc"
    return str(called)


def _leave(number: int, _frame: object) -> NoReturn:
    """End on SIGTERM as on Ctrl-C: with everything stopped."""
    sys.exit(128 + number)
