"""A pool of daemon threads: nothing that they still do keeps the program from ending.

Not `ThreadPoolExecutor`: its exit hook joins (measured: Ctrl-C took 20 s). A task must never wait for another of the
same pool.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, ParamSpec, Self, TypeVar, cast

T = TypeVar("T")
P = ParamSpec("P")
_GLANCE = 0.2  # seconds; on Windows Ctrl-C is seen only between two waits


class Dropped(RuntimeError):
    """The task never ran: its pool was closed first."""


class Task(Generic[T]):
    """Work that was asked for. It is done when it has a result or an error."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work: Callable[[], T] | None = work
        self._over = threading.Event()
        self._result: T | None = None
        self._error: BaseException | None = None
        self._followers: list[Callable[[], object]] = []
        self._guard = threading.Lock()

    @property
    def done(self) -> bool:
        """Whether `result` answers at once."""
        return self._over.is_set()

    def result(self, timeout: float | None = None) -> T:
        """What the work gave, or raises what it raised; Ctrl-C ends the wait.

        Raises `TimeoutError` after `timeout` seconds, and `Dropped` when the pool was closed before the work began.
        """
        if timeout is not None:
            if not self._over.wait(timeout):
                raise TimeoutError
        else:
            while not self._over.wait(_GLANCE):
                pass
        if self._error is not None:
            raise self._error
        return cast(T, self._result)

    def when_done(self, follow: Callable[[], object]) -> None:
        """Call `follow` once the task is done: on the thread that ends it, or at once. It must not block or raise."""
        with self._guard:
            if not self._over.is_set():
                self._followers.append(follow)
                return
        follow()

    def _end(self) -> None:
        with self._guard:
            self._over.set()
            followers, self._followers = self._followers, []
        for follow in followers:
            follow()

    def run(self) -> None:
        """Do the work, on the thread that calls."""
        work, self._work = self._work, None  # what it holds may be large
        assert work is not None
        try:
            self._result = work()
        except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
            self._error = error
        finally:
            del work
            self._end()

    def _drop(self) -> None:
        self._error = Dropped()
        self._work = None
        self._end()


class Workers:
    """At most `count` daemon threads, started as they are needed, and one queue.

    Who has much to do earns more of them: one for every sixteen tasks that were begun, up to `most`.
    """

    def __init__(self, count: int, name: str, *, most: int = 0) -> None:
        if count < 1:
            raise ValueError("a pool needs at least one thread")
        self.count, self.name, self.most = count, name, max(count, most)
        self._begun = 0
        self._queue: deque[Task[Any]] = deque()
        self._changed = threading.Condition()
        self._idle = 0
        self._threads = 0
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def submit(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Task[T]:
        """Have `fn(*args, **kwargs)` run when a thread is free, first come first served.

        Raises `Dropped` after `close`.
        """
        task: Task[T] = Task(lambda: fn(*args, **kwargs))
        with self._changed:
            if self._closed:
                raise Dropped
            self._queue.append(task)
            if self._idle >= len(self._queue):
                self._changed.notify()
            elif self._threads < min(self.count + self._begun // 16, self.most):
                self._threads += 1
                threading.Thread(target=self._work, name=f"{self.name}-{self._threads}", daemon=True).start()
        return task

    @property
    def busy(self) -> int:
        """How many tasks are being run or wait to be, about."""
        return self._threads - self._idle + len(self._queue)

    def here(self, task: Task[Any]) -> None:
        """Run a task that still waits in the queue on the thread that calls."""
        with self._changed:
            try:
                self._queue.remove(task)
            except ValueError:
                return
        task.run()

    def hurry(self, task: Task[Any]) -> None:
        """Let a task that still waits in the queue be the next; one that runs or is done stays as it is."""
        with self._changed:
            try:
                self._queue.remove(task)
            except ValueError:
                return
            self._queue.appendleft(task)

    def close(self) -> None:
        """Take no more tasks and drop those that have not begun. Returns at once; running tasks end on their own."""
        with self._changed:
            self._closed = True
            dropped = list(self._queue)
            self._queue.clear()
            self._changed.notify_all()
        for task in dropped:
            task._drop()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._queue:
                    if self._closed:
                        return
                    self._idle += 1
                    self._changed.wait()
                    self._idle -= 1
                task = self._queue.popleft()
                self._begun += 1
            task.run()
            del task
