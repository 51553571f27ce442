"""Tables that the program ships: what was measured or read once, each with its source, as JSON beside this file."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any


@cache
def table(name: str) -> Any:
    """The content of `wheelhouse/data/<name>`, read once and shared: never to be changed by a caller."""
    loader: Any = __spec__.loader  # an `importlib.abc.ResourceLoader`, whose import costs 5 ms
    return json.loads(loader.get_data(str(Path(__file__).with_name(name))))
