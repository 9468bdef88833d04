"""Coming from jobflow-remote: its queue database and its project files, taken over."""
