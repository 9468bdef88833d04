"""The elastic constants of copper by atomate2, with ASE's EMT potential: no file is downloaded.

No module of the tests: it is given to ``jfc submit``, in an environment that has atomate2.
"""

from __future__ import annotations

from atomate2.ase.jobs import EmtRelaxMaker  # type: ignore[import-not-found]
from atomate2.forcefields.flows.elastic import ElasticMaker  # type: ignore[import-not-found]
from pymatgen.core import Lattice, Structure  # type: ignore[import-not-found]

copper = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.7), ["Cu"], [[0, 0, 0]])
tight = {"fmax": 1e-4}
flow = ElasticMaker(
    # ``partial`` puts the trajectory into the additional store ``data``
    bulk_relax_maker=EmtRelaxMaker(relax_kwargs=tight, store_trajectory="partial"),
    elastic_relax_maker=EmtRelaxMaker(relax_cell=False, relax_kwargs=tight),
    generate_elastic_deformations_kwargs={"strain_magnitudes": [-0.005, 0.005]},
).make(copper)
