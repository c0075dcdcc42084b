"""Threads that share the work, and BLAS kept to one each."""

from __future__ import annotations

import collections
import functools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController


def work_at(task: Callable[[tuple[int, int]], None], places: Sequence[Any], threads: int) -> None:
    """Do a task at all places, in this thread and as many others as are wanted."""
    left = iter(places)

    def work() -> None:
        try:
            for place in left:
                task(place)
        finally:
            collections.deque(left, maxlen=0)  # after an error nobody goes on

    helpers: list[Future[None]] = []
    try:
        helpers.extend(_helpers(os.getpid()).submit(work) for _ in range(threads - 1))
        work()
    finally:
        collections.deque(left, maxlen=0)
        started = [helper for helper in helpers if not helper.cancel()]
        wait(started)
    for helper in started:
        helper.result()


@functools.cache
def _helpers(process: int) -> ThreadPoolExecutor:
    """Return threads that wait for work, at most one for each core.

    They are kept from one population to the next: to start a thread can take milliseconds. A
    process that was forked has none of its parent's.
    """
    return ThreadPoolExecutor(available_threads(), thread_name_prefix="cnn")


def available_threads() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def _blas() -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController  # when first needed: it takes a while

    return ThreadpoolController()


_hold = threading.Lock()


_holders: list[Any] = []  # the limiter, once for each caller


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Keep BLAS to one thread, and give it back as it was when the last caller leaves."""
    with _hold:
        if not _holders:
            _let_any_thread_control()
        _holders.append(_holders[0] if _holders else _blas().limit(limits=1, user_api="blas"))
    try:
        yield
    finally:
        with _hold:
            limiter = _holders.pop()
            if not _holders:
                _let_any_thread_control()
                limiter.restore_original_limits()
                _let_any_thread_control()


def _let_any_thread_control() -> None:
    """Make threadpoolctl listen to this thread: from 3.8 on only the first that set a limit may."""
    for library in _blas().lib_controllers:
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread(force=True)
