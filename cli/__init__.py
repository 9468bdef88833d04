"""The command line ``jfc``: parse, call the core, render."""
