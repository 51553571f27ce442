"""Resolve, fetch and bundle wheels for a machine that has no network."""

__version__ = "0.1.0"
