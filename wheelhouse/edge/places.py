"""Where things lie when nobody says otherwise."""

from __future__ import annotations

from pathlib import Path

import platformdirs


def cache_folder(cache_dir: Path | None) -> Path:
    """The folder of pages, metadata and the store: the one given, else the platform's."""
    return cache_dir if cache_dir is not None else Path(platformdirs.user_cache_dir("wheelhouse", appauthor=False))


def store_folder(cache_dir: Path | None) -> Path:
    """The folder of the store's wheels below the cache folder."""
    return cache_folder(cache_dir) / "wheels"
