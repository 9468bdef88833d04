"""The flow of the demonstration, run by jobflow itself."""

from __future__ import annotations

import pytest
from jobflow import JobStore, run_locally
from maggma.stores import MemoryStore

from jfcelery.demo.flow import Properties, equation_of_state

#: Of copper with this EMT: Å and GPa, as ASE's own documentation and tests give them.
LATTICE_CONSTANT, BULK_MODULUS = 3.59, 134.0


def test_copper_has_the_known_properties() -> None:
    """The flow gives the lattice constant and bulk modulus that EMT is known for."""
    flow = equation_of_state("Cu")
    store = JobStore(MemoryStore())
    run_locally(flow, store=store, ensure_success=True, log=False)
    found = Properties.model_validate(store.get_output(flow.jobs[1].uuid))
    assert found.lattice_constant == pytest.approx(LATTICE_CONSTANT, abs=0.01)
    assert found.bulk_modulus == pytest.approx(BULK_MODULUS, rel=0.02)


def test_points_are_found_at_run_time() -> None:
    """One job is replaced by an energy for each strain and the fit of them all."""
    flow = equation_of_state("Al")
    responses = run_locally(flow, store=JobStore(MemoryStore()), log=False)
    assert len(flow.jobs) == 2
    assert len(responses) == 2 + 7 + 1
