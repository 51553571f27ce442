"""The page for people at a mirror's root: three static files without a build step.

The page loads nothing but the mirror's own JSON, and shows it with `textContent` only: names are hostile input.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

_FILES = {"index.html": "index.html", "page/app.js": "app.js", "page/app.css": "app.css"}


def page_files() -> Mapping[str, bytes]:
    """The files of the page by their key in the mirror; the same for every mirror."""
    folder = files(__name__)
    return {key: folder.joinpath(name).read_bytes() for key, name in _FILES.items()}
