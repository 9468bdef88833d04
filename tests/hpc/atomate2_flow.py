"""The elastic constants of copper by atomate2, with ASE's EMT potential: no file is downloaded.

No module of the tests: it is given to ``jfc submit``, in an environment that has atomate2. Run as a
script it runs the flow here, and prints what the last job returned.
"""

from __future__ import annotations

from atomate2.ase.jobs import EmtRelaxMaker  # type: ignore[import-not-found]
from atomate2.forcefields.flows.elastic import ElasticMaker  # type: ignore[import-not-found]
from pymatgen.core import Lattice, Structure  # type: ignore[import-not-found]

from jfcelery import set_run_config

copper = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.7), ["Cu"], [[0, 0, 0]])
tight = {"fmax": 1e-4}
flow = ElasticMaker(
    # ``partial`` puts the trajectory into the additional store ``data``
    bulk_relax_maker=EmtRelaxMaker(relax_kwargs=tight, store_trajectory="partial"),
    elastic_relax_maker=EmtRelaxMaker(relax_cell=False, relax_kwargs=tight),
    generate_elastic_deformations_kwargs={"strain_magnitudes": [-0.005, 0.005]},
).make(copper)
# The first calculation is a queue job of its own; the others, and what they add, share a pilot.
placed = set_run_config(flow, name_filter="EMT relaxation", worker="single")

if __name__ == "__main__":
    import json
    import sys

    from jobflow import JobStore, run_locally
    from maggma.stores import MemoryStore
    from monty.json import jsanitize

    store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
    run_locally(flow, store=store, create_folders=True, ensure_success=True, log=False)
    (found,) = store.query({"name": "fit_elastic_tensor"}, load=True)
    json.dump(jsanitize(found["output"]), sys.stdout)
