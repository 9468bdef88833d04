"""Seeing and steering a project over HTTP: metrics and health, the REST API, the web pages."""
