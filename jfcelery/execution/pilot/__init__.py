"""A pilot: one queue job that runs many jobs, which it takes from the pool of its worker."""
