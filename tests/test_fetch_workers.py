"""A pool of daemon threads that never keeps the program from ending."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from wheelhouse.edge.workers import Dropped, Workers


def test_a_task_gives_its_result() -> None:
    with Workers(2, "test") as workers:
        assert workers.submit(divmod, 7, 3).result() == (2, 1)


def test_a_task_gives_its_error() -> None:
    with Workers(1, "test") as workers:
        task = workers.submit(int, "seven")
        with pytest.raises(ValueError, match="seven"):
            task.result()
        assert task.done


def test_no_more_threads_run_than_were_asked_for() -> None:
    seen: set[str] = set()
    with Workers(3, "test") as workers:
        for task in [workers.submit(lambda: seen.add(threading.current_thread().name)) for _ in range(50)]:
            task.result()
    assert seen <= {"test-1", "test-2", "test-3"}


def test_all_threads_work_at_once() -> None:
    meeting = threading.Barrier(4)
    with Workers(4, "test") as workers:
        tasks = [workers.submit(meeting.wait, 20) for _ in range(4)]
        assert sorted(task.result() for task in tasks) == [0, 1, 2, 3]


def test_tasks_begin_in_order_unless_one_is_hurried() -> None:
    begin, order = threading.Event(), []
    with Workers(1, "test") as workers:
        workers.submit(begin.wait)
        tasks = {name: workers.submit(order.append, name) for name in "abc"}
        workers.hurry(tasks["c"])
        begin.set()
        for task in tasks.values():
            task.result()
        workers.hurry(tasks["a"])  # done already: nothing happens
    assert order == ["c", "a", "b"]


def test_closing_drops_what_has_not_begun() -> None:
    begun, end = threading.Event(), threading.Event()
    workers = Workers(1, "test")
    running = workers.submit(lambda: (begun.set(), end.wait(), "done")[2])
    waiting = workers.submit(str)
    begun.wait()
    workers.close()
    with pytest.raises(Dropped):
        waiting.result()
    with pytest.raises(Dropped):
        workers.submit(str)
    end.set()
    assert running.result() == "done"


def test_waiting_may_have_an_end() -> None:
    end = threading.Event()
    with Workers(1, "test") as workers:
        task = workers.submit(end.wait)
        with pytest.raises(TimeoutError):
            task.result(0.01)
        assert not task.done
        end.set()


def test_a_task_that_never_ends_does_not_keep_the_program() -> None:
    program = (
        "import threading; from wheelhouse.edge.workers import Workers; Workers(1, 'x').submit(threading.Event().wait)"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0


def test_who_has_much_to_do_earns_more_threads_up_to_a_bound() -> None:
    with Workers(1, "test", most=2) as workers:
        for task in [workers.submit(threading.get_ident) for _ in range(48)]:
            task.result()
        together = threading.Barrier(2)
        many = [workers.submit(together.wait, 60) for _ in range(4)]  # two at a time, or nobody passes
        for task in many:
            task.result(60)
        names = [workers.submit(lambda: threading.current_thread().name) for _ in range(20)]
        assert {name.result() for name in names} <= {"test-1", "test-2"}
