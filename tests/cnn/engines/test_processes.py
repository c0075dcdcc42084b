"""Forwards in threads and processes of all kinds: none hangs, and all give the same bits."""

import asyncio
import multiprocessing
import multiprocessing.pool
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from networks import EAGER
from test_population import DIGITS, blas_threads, case

import cnn
from cnn.engines.numpy import population
from cnn.engines.numpy import threads as pool

NEEDS_FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
FORKS = pytest.mark.filterwarnings("ignore:This process.*is multi-threaded:DeprecationWarning")


def forward(_=None):
    model, X, vectors = case(DIGITS, 16, 200)
    return model.forward(X, vectors, engine=EAGER, threads=2)


def in_child(work, seconds=60):
    """Do the work in a child that is forked; return its exit code, 8 where it hangs."""
    child = os.fork()
    if child == 0:
        try:
            threading.Timer(seconds, os._exit, [8]).start()
            os._exit(work())
        finally:
            os._exit(9)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@NEEDS_FORK
@FORKS
@pytest.mark.parametrize(
    ("module", "function"),
    [(population, "work_at"), (pool, "_let_any_thread_control")],
    ids=["at work", "in what it does alone"],
)
def test_a_fork_while_another_thread_is_in_a_forward(module, function, monkeypatch):
    wanted, before = forward(), blas_threads()
    there, on, original = threading.Event(), threading.Event(), getattr(module, function)

    def patched(*values, **options):
        if threading.current_thread() is thread:
            there.set()
            assert on.wait(60)
        return original(*values, **options)

    monkeypatch.setattr(module, function, patched)
    thread = threading.Thread(target=forward)
    thread.start()
    assert there.wait(60)

    def work():
        held = blas_threads() != before or pool._holders
        return 7 if np.array_equal(forward(), wanted) and not held else 6

    threading.Timer(0.2, on.set).start()  # a fork waits for what a thread does alone
    assert in_child(work) == 7
    thread.join()


@NEEDS_FORK
@FORKS
def test_forks_at_any_time():
    """What is held for a moment only is held by somebody at many of these."""
    wanted, over = forward(), threading.Event()

    def again():
        while not over.is_set():
            forward()

    others = [threading.Thread(target=again) for _ in range(2)]
    for other in others:
        other.start()
    try:
        for _ in range(40):
            assert in_child(lambda: 7 if np.array_equal(forward(), wanted) else 6) == 7
    finally:
        over.set()
        for other in others:
            other.join()


@NEEDS_FORK
@FORKS
def test_a_fork_inside_of_a_hold():
    """The child goes on in it, and leaves it, as its parent does."""
    before = blas_threads()
    with pool.single_threaded_blas():
        pid = os.fork()
        inside = set(blas_threads())
    if pid == 0:
        os._exit(7 if inside == {1} and blas_threads() == before else 6)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    assert blas_threads() == before


@pytest.mark.parametrize("how", ["ThreadPool", "executor", "asyncio"])
def test_threads_of_all_kinds(how):
    wanted = forward()
    if how == "ThreadPool":
        with multiprocessing.pool.ThreadPool(3) as threads:
            outputs = threads.map(forward, range(6))
    elif how == "executor":
        with ThreadPoolExecutor(3) as threads:
            outputs = list(threads.map(forward, range(6)))
    else:

        async def gathered():
            return await asyncio.gather(*(asyncio.to_thread(forward) for _ in range(6)))

        outputs = asyncio.run(gathered())
    assert all(np.array_equal(output, wanted) for output in outputs)


@NEEDS_FORK
@FORKS
@pytest.mark.parametrize("kind", ["fork", "spawn"])
def test_a_daemon_process(kind):
    context = multiprocessing.get_context(kind)
    queue = context.SimpleQueue()
    process = context.Process(target=send_forward, args=(queue,), daemon=True)
    process.start()
    assert np.array_equal(queue.get(), forward())
    process.join()


def send_forward(queue):
    queue.put(forward())


def test_callers_share_the_cores(monkeypatch):
    """Beside the callers themselves, no more threads are at work than there are cores."""
    monkeypatch.setattr(pool, "available_threads", lambda: 4)
    together, counts = threading.Barrier(3, timeout=60), []

    def caller():
        with pool._busy(4) as allowed:
            counts.append(allowed)
            together.wait()

    callers = [threading.Thread(target=caller) for _ in range(3)]
    for each in callers:
        each.start()
    for each in callers:
        each.join()
    assert sorted(counts) == [1, 1, 4]
    with pool._busy(9) as allowed:
        assert allowed == 4


@pytest.mark.parametrize(
    ("value", "expected"),
    [("1", 1), ("2,1", 2), (" 3 ", 3), ("0", 1), ("", 0), ("x", 0), ("99", 0)],
)
def test_cores_are_shared_out_by_a_variable(monkeypatch, value, expected):
    """As joblib does, whose workers would otherwise use all cores each."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(pool, "_SHARE", value)
    assert pool.available_threads() == (expected or 8)


def test_workers_of_joblib_use_no_more_threads_than_there_are_cores():
    joblib = pytest.importorskip("joblib")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if cores < 2:
        pytest.skip("needs two cores")
    counts = joblib.Parallel(n_jobs=2)(joblib.delayed(pool.available_threads)() for _ in range(2))
    assert sum(counts) <= cores


AT_THE_END = """
import sys, threading, time
sys.path[:0] = sys.argv[2:]
import numpy as np
from test_processes import forward
wanted = forward()

def work():
    time.sleep(0.3)  # what has been the main part has ended by then
    print("finished", np.array_equal(forward(), wanted))

if sys.argv[1] == "thread":
    threading.Thread(target=work).start()
else:
    import atexit
    atexit.register(work)
"""


@pytest.mark.parametrize("when", ["thread", "atexit"])
def test_when_the_main_part_of_a_program_has_ended(when):
    here = Path(__file__).parent
    folders = map(str, (here, here.parents[1], Path(cnn.__file__).parents[1]))
    result = subprocess.run(
        [sys.executable, "-c", AT_THE_END, when, *folders],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (result.stdout, result.stderr) == ("finished True\n", "")
