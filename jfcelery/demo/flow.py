"""An equation of state: relax a metal, strain it, fit.

    relax ─► strain ─► (replaced by) 7 times energy ─► fit

Energies come from the EMT potential of ASE, which knows Al, Cu, Ag, Au, Ni, Pd and Pt (fcc):
K. W. Jacobsen, P. Stoltze, J. K. Nørskov, Surf. Sci. 366, 394 (1996).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from jobflow import Flow, Response, job
from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Linear strains of the cell at which the energy is calculated.
STRAINS = (-0.03, -0.02, -0.01, 0.0, 0.01, 0.02, 0.03)
#: The relaxation ends when all forces, and stresses times the volume, are below this, in eV/Å.
FORCE_LIMIT = 1e-4
#: Atoms in the conventional cell of an fcc crystal.
ATOMS_PER_CELL = 4


class Crystal(BaseModel):
    """An fcc crystal at rest."""

    symbol: str = Field(description="Chemical symbol.")
    lattice_constant: float = Field(description="Edge of the conventional cell, in Å.")
    energy: float = Field(description="Energy of the conventional cell, in eV.")
    steps: int = Field(description="Steps that the relaxation took.")


class Point(BaseModel):
    """Energy of the conventional cell at one volume."""

    volume: float = Field(description="Volume of the cell, in Å³.")
    energy: float = Field(description="Energy of the cell, in eV.")


class Properties(BaseModel):
    """What the fit of an equation of state gives."""

    symbol: str = Field(description="Chemical symbol.")
    lattice_constant: float = Field(description="Edge of the conventional cell, in Å.")
    bulk_modulus: float = Field(description="Bulk modulus at rest, in GPa.")
    energy_per_atom: float = Field(description="Energy at rest, in eV per atom.")
    points: list[Point] = Field(description="What was fitted.")


@job(output_schema=Crystal)
def relax(symbol: str, lattice_constant: float | None = None) -> Crystal:
    """Relax the cell of an fcc metal.

    Args:
        symbol: Chemical symbol of a metal that EMT knows.
        lattice_constant: Where to start, in Å; by default the experimental value.

    Returns:
        The relaxed crystal.
    """
    from ase.build import bulk
    from ase.calculators.emt import EMT
    from ase.filters import FrechetCellFilter
    from ase.optimize import BFGS

    atoms = bulk(symbol, "fcc", a=lattice_constant, cubic=True)
    atoms.calc = EMT()
    search = BFGS(cast("Any", FrechetCellFilter(atoms)), logfile=None)
    search.run(fmax=FORCE_LIMIT)
    return Crystal(
        symbol=symbol,
        lattice_constant=float(atoms.cell.lengths().mean()),
        energy=float(atoms.get_potential_energy()),
        steps=search.nsteps,
    )


@job
def strain(crystal: Crystal, strains: Sequence[float] = STRAINS) -> Response[Any]:
    """Replace this job by one energy calculation for each strain, and the fit of them all.

    Args:
        crystal: The relaxed crystal.
        strains: Linear strains of its cell.

    Returns:
        The response that carries the new jobs.
    """
    points = [energy(crystal.symbol, crystal.lattice_constant * (1 + value)) for value in strains]
    for value, point in zip(strains, points, strict=True):
        point.update_metadata({"strain": value})
        point.name = f"energy {value:+.0%}"
    last = fit(crystal.symbol, [point.output for point in points])
    return Response(replace=Flow([*points, last], output=last.output, name="equation of state"))


@job(output_schema=Point)
def energy(symbol: str, lattice_constant: float) -> Point:
    """Calculate the energy of an fcc crystal.

    Args:
        symbol: Chemical symbol.
        lattice_constant: Edge of the conventional cell, in Å.

    Returns:
        Volume and energy of the conventional cell.
    """
    from ase.build import bulk
    from ase.calculators.emt import EMT

    atoms = bulk(symbol, "fcc", a=lattice_constant, cubic=True)
    atoms.calc = EMT()
    return Point(volume=float(atoms.get_volume()), energy=float(atoms.get_potential_energy()))


@job(output_schema=Properties)
def fit(symbol: str, points: list[Point]) -> Properties:
    """Fit the Birch-Murnaghan equation of state.

    Args:
        symbol: Chemical symbol.
        points: Energies of the conventional cell at several volumes.

    Returns:
        Lattice constant, bulk modulus and energy at rest.
    """
    from ase.eos import EquationOfState
    from ase.units import GPa

    curve = EquationOfState(
        [point.volume for point in points], [point.energy for point in points], "birchmurnaghan"
    )
    volume, lowest, modulus = curve.fit()
    return Properties(
        symbol=symbol,
        lattice_constant=float(volume ** (1 / 3)),
        bulk_modulus=float(modulus / GPa),
        energy_per_atom=float(lowest / ATOMS_PER_CELL),
        points=points,
    )


def equation_of_state(symbol: str = "Cu") -> Flow:
    """Return the flow: relax, then the equation of state, whose points are found at run time.

    Args:
        symbol: Chemical symbol of an fcc metal that EMT knows.

    Returns:
        The flow; its output is a :class:`Properties`.
    """
    relaxed = relax(symbol)
    states = strain(relaxed.output)
    return Flow([relaxed, states], output=states.output, name=f"equation of state of {symbol}")
