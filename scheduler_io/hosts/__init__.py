"""Hosts: where commands run and files go, on this machine or over SSH."""
