"""A cache that a test looks into at once."""

from __future__ import annotations

from collections.abc import Callable

from wheelhouse.edge.cache import Cache


class PromptCache(Cache):
    """What is to be kept soon is kept at once."""

    def later(self, keep: Callable[[], None]) -> None:
        keep()
