"""Speed and memory, printed by one command: ``python tests/benchmarks/run.py``."""
