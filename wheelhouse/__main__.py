"""`python -m wheelhouse` is `wheelhouse`."""

from wheelhouse.cli import main

main()
