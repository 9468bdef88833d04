"""Everything that may happen to a running system, at random: ``python tests/chaos/run.py``."""
