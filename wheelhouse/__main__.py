"""`python -m wheelhouse` is `wheelhouse`."""

from wheelhouse.cli import program

program()
