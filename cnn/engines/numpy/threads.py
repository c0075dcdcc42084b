"""Threads that share the work, and BLAS kept to one each.

A process that is forked while another thread is at work has neither its helpers nor its hold on
BLAS: all that is kept here is for a process, and whole at a fork.
"""

from __future__ import annotations

import collections
import functools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from threadpoolctl import ThreadpoolController

_SHARE = os.environ.get("OMP_NUM_THREADS", "")  # as OpenMP reads it, once: Dask sets it later
_hold = threading.RLock()  # of what follows, also while a process forks
_at_work = 0  # how many threads are, or will be
_holders: list[int] = []  # the thread, for each of those that keep BLAS to one thread
_limiter: Any = None  # what gives BLAS back as it was


def work_at(task: Callable[[Any], object], places: Sequence[Any], threads: int) -> None:
    """Do a task at all places, in this thread and as many others as are wanted.

    Callers in several threads share the cores: none gets helpers while others use them all. At
    the end of a program, when no thread can be started any more, this one does all.
    """
    left = iter(places)

    def work() -> None:
        try:
            for place in left:
                task(place)
        finally:
            collections.deque(left, maxlen=0)  # after an error nobody goes on

    helpers: list[Future[None]] = []
    with _busy(threads) as allowed:
        try:
            with suppress(RuntimeError):  # at the end of a program, or of the system's threads
                helpers.extend(_helpers(os.getpid()).submit(work) for _ in range(allowed - 1))
            work()
        finally:
            collections.deque(left, maxlen=0)
            started = [helper for helper in helpers if not helper.cancel()]
            wait(started)
    for helper in started:
        helper.result()


@contextmanager
def _busy(threads: int) -> Iterator[int]:
    """Count so many threads as at work, or those that cores are left for, and say how many."""
    global _at_work
    with _hold:
        allowed = 1 if threads <= 1 else max(1, min(threads, available_threads() - _at_work))
        _at_work += allowed
    try:
        yield allowed
    finally:
        with _hold:
            _at_work = max(0, _at_work - allowed)  # which began anew in a child


@functools.cache
def _helpers(process: int) -> ThreadPoolExecutor:
    """Return threads that wait for work, at most one for each core.

    They are kept from one population to the next: to start a thread can take milliseconds. A
    process that was forked has none of its parent's.
    """
    return ThreadPoolExecutor(available_threads(), thread_name_prefix="cnn")


def available_threads() -> int:
    """Number of cores that this process may use, or OMP_NUM_THREADS where that was less.

    Those who start several processes, such as joblib, share the cores out by that variable.
    """
    known = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1
    share = _SHARE.partition(",")[0].strip()
    return min(cores, max(1, int(share))) if share.isdecimal() else cores


@functools.cache
def _blas() -> ThreadpoolController:
    from threadpoolctl import ThreadpoolController  # when first needed: it takes a while

    return ThreadpoolController()


def blas_kernels() -> str:
    """Return for which processors the kernels of BLAS were made that run here: "SkylakeX"."""
    kernels = {library.get("architecture") for library in _blas().info()} - {None}
    return ", ".join(sorted(kernels)) or "unknown"


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Keep BLAS to one thread, and give it back as it was when the last caller leaves."""
    global _limiter
    caller = threading.get_ident()
    with _hold:
        if _limiter is None:
            _let_any_thread_control()
            _limiter = _blas().limit(limits=1, user_api="blas")
        _holders.append(caller)
    try:
        yield
    finally:
        with _hold:
            _holders.remove(caller)
            if not _holders:
                _give_blas_back()


def _give_blas_back() -> None:
    global _limiter
    if _limiter is not None:
        _let_any_thread_control()
        _limiter.restore_original_limits()
        _let_any_thread_control()
        _limiter = None


def _let_any_thread_control() -> None:
    """Make threadpoolctl listen to this thread: from 3.8 on only the first that set a limit may."""
    for library in _blas().lib_controllers:
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread(force=True)


def _begin_as_child() -> None:
    """Let a process that was forked hold BLAS no longer than its one thread does."""
    global _at_work
    _at_work = 0
    _holders[:] = [holder for holder in _holders if holder == threading.get_ident()]
    if not _holders:
        _give_blas_back()
    _hold.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_hold.acquire, after_in_parent=_hold.release, after_in_child=_begin_as_child
    )
