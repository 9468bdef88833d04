"""Hosts and schedulers: files, commands and queues on the machines where jobs run."""
