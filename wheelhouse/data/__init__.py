"""Tables that the program ships: what was measured or read once, each with its source, as JSON beside this file."""

from __future__ import annotations

import json
from functools import cache
from typing import Any


@cache
def table(name: str) -> Any:
    """The content of `wheelhouse/data/<name>`, read once and shared: never to be changed by a caller."""
    from importlib.resources import files  # here, for it costs milliseconds at start-up

    return json.loads(files(__name__).joinpath(name).read_text(encoding="utf-8"))
