"""What the targets of a run share: pages and core metadata, each asked for once, by threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from packaging.utils import NormalizedName

from wheelhouse.edge.index import PageReader
from wheelhouse.edge.wheels import WheelReader
from wheelhouse.edge.workers import Dropped, Task, Workers
from wheelhouse.events import Listener, Resolving, ignore
from wheelhouse.indexes import Index
from wheelhouse.metadata import CoreMetadata
from wheelhouse.resolve.candidates import Candidate
from wheelhouse.simple import File, Listing


class Shared:
    """What all targets of a run share: each page and each wheel's metadata is asked for once."""

    def __init__(self, pages: PageReader, wheels: WheelReader, workers: Workers, *, listen: Listener = ignore) -> None:
        self.pages, self.wheels, self.workers = pages, wheels, workers
        self._listen = listen
        self._tasks: dict[object, Task[Any]] = {}
        self._kept: set[File] = set()  # files whose metadata the cache has
        self._lock = threading.Lock()
        self._page_count = self._metadata_count = 0

    def page(self, index: Index, name: NormalizedName) -> Task[Listing | None]:
        """The index's page for a project, being fetched."""

        def work() -> Listing | None:
            page = self.pages.page(index, name)
            self._page_count += 1
            self._listen(Resolving(self._page_count, self._metadata_count))
            return page

        return self._once((index, name), work, lambda: self.pages.at_hand(index, name))

    def metadata(self, candidate: Candidate) -> Task[CoreMetadata]:
        """The candidate's core metadata, being fetched."""
        file = candidate.file
        task = self._tasks.get(file)
        if task is not None:
            return task
        return self._once(
            file, lambda: self._metadata(candidate), lambda: file in self._kept or self.wheels.at_hand(candidate)
        )

    def _metadata(self, candidate: Candidate) -> CoreMetadata:
        found = self.wheels.metadata(candidate)
        self._metadata_count += 1
        self._listen(Resolving(self._page_count, self._metadata_count))
        return found

    def is_kept(self, candidate: Candidate) -> bool:
        """Whether the candidate's core metadata lies in the cache, and nobody has looked at it yet."""
        if candidate.file in self._tasks:
            return False
        if candidate.file not in self._kept and self.wheels.at_hand(candidate):
            self._kept.add(candidate.file)
        return candidate.file in self._kept

    def expect(self, candidate: Candidate) -> None:
        """Have the candidate's core metadata fetched, unless the cache has it."""
        if candidate.file not in self._tasks and not self.is_kept(candidate):
            self._once(candidate.file, lambda: self._metadata(candidate), None)

    def _once(self, key: object, work: Callable[[], Any], at_hand: Callable[[], bool] | None) -> Task[Any]:
        """The task of that key; what is at hand is done at once, where a thread would only cost time."""
        task = self._tasks.get(key)
        if task is not None:
            return task
        quick = at_hand is not None and at_hand()
        with self._lock:
            task = self._tasks.get(key)
            if task is not None:
                return task
            if not quick:
                task = self._tasks[key] = self.workers.submit(work)
                return task
            task = self._tasks[key] = Task(work)
        task.run()
        return task

    def after(self, task: Task[Any], follow: Callable[[], None]) -> None:
        """Have `follow` run in the pool when the task is done."""

        def submit() -> None:
            with suppress(Dropped):
                self.workers.submit(follow)

        task.when_done(submit)

    def wait(self, task: Task[Any]) -> Any:
        """The task's answer, now: it overtakes what was only guessed to be needed."""
        if not task.done:
            self.workers.here(task)
        return task.result()
