"""Executors: where tasks run. Threads, processes, Dask, Ray, MPI: whatever can submit."""

from __future__ import annotations

import concurrent.futures
import functools
import itertools
import sys
import time
import uuid
from collections import deque
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from types import ModuleType
from typing import Any, NamedTuple, Protocol, runtime_checkable

from cnn import checks
from gacnn.fitness.version import VERSION

CONNECT = 10.0  # seconds within which a scheduler has to answer
PATIENCE = 10.0  # seconds without any worker after which that is said
POLL = 1.0  # seconds between looks at a scheduler while tasks run
NAMES = 4096  # of tasks, before the first comes again: Dask keeps a table of all it has seen
KEPT_MESSAGES = 10  # of those that Dask keeps for its developers, vectors and all
SCHEMES = ("tcp://", "tls://", "ucx://", "ws://", "wss://", "inproc://")
GO_ON = "a run that keeps a checkpoint goes on from it with resume=True"

Function = Callable[..., Any]


class ExecutorError(ConnectionError):
    """What should do the work is gone, or cannot do it, and does not come back by itself."""


@runtime_checkable
class Executor(Protocol):
    """What runs functions elsewhere, in the words of `concurrent.futures`."""

    def submit(self, function: Function, /, *args: Any) -> Any:
        """Return a `Future` of the function's result for the arguments."""
        ...


@runtime_checkable
class Future(Protocol):
    """What an executor returns for a task."""

    def result(self) -> Any:
        """Wait for the result, and return it or raise what the task has raised."""
        ...

    def cancel(self) -> Any:
        """Give the task up if it has not begun."""
        ...


class Workers:
    """The workers behind an executor of `concurrent.futures`' kind.

    A worker is known by its name in answers only: where a task runs is up to the executor.
    """

    def __init__(self, executor: Executor) -> None:
        self.executor = executor

    @property
    def share_memory(self) -> bool:
        """Whether they are threads of this process, so that nothing is ever packed."""
        return isinstance(self.executor, concurrent.futures.ThreadPoolExecutor)

    def refuse(self, worker: str) -> bool:
        """Give no more tasks to a worker; False where that cannot be had."""
        return False

    @contextmanager
    def session(self) -> Iterator[None]:
        """Hold what a run needs."""
        yield

    def run(
        self, function: Function, rows: Sequence[Sequence[Any]], places: Sequence[str] | None = None
    ) -> list[Any]:
        """Return function(*row) for all rows, in their order.

        Args:
            function: known by its name to all workers.
            rows: the arguments of each call.
            places: the worker that each call had best go to; None where all are alike.

        Returns:
            The results.

        Raises:
            ExecutorError: no worker is left, or will be.
        """
        futures: list[Any] = []
        try:
            for row in rows:
                futures.append(self._submitted(function, row))  # noqa: PERF401 # keeps some
            return [future.result() for future in futures]
        except concurrent.futures.BrokenExecutor as error:
            raise ExecutorError(
                f"the {type(self.executor).__name__} has lost a process ({error}), and does not "
                f"replace it: make a new one; {GO_ON}"
            ) from error
        finally:
            for future in futures:
                future.cancel()

    def _submitted(self, function: Function, row: Sequence[Any]) -> Any:
        try:
            future = self.executor.submit(function, *row)
        except concurrent.futures.BrokenExecutor:
            raise
        except RuntimeError as error:  # concurrent.futures' way to say that it is closed
            raise ExecutorError(
                f"the {type(self.executor).__name__} takes no tasks ({error}): make a new one; "
                f"{GO_ON}"
            ) from error
        if not isinstance(future, Future):
            raise TypeError(
                f"the {type(self.executor).__name__} must return a future from submit, with result "
                f"and cancel, not {future!r}"
            )
        return future


class _DaskTask(NamedTuple):
    """A future, the arguments of its call, and the workers that it is for, None for all."""

    future: Any
    row: Sequence[Any]
    workers: list[str] | None


class DaskWorkers(Workers):
    """The workers of a Dask scheduler: found by its address, a cluster object or a client.

    A scheduler keeps a few kB of each group of tasks, and of each span, which is its word for a
    piece of work, for as long as it lives. So a session is one span, and its tasks are one group,
    which lives on from one call to the next because a future of it does.
    """

    share_memory = False

    def __init__(self, found_by: Any) -> None:
        self.found_by = found_by
        self._client: Any = None
        self._refused: set[str] = set()
        self._number_of_names = 0
        self._names: Iterator[tuple[str, int]] = iter(())
        self._latest: Any = None  # a future that keeps the group of all tasks alive

    def refuse(self, worker: str) -> bool:
        """Give it no more tasks."""
        self._refused.add(worker)
        return bool(self._allowed())

    def _allowed(self) -> list[str] | None:
        """Return the workers that may be used, or None for all."""
        if not self._refused:
            return None
        return sorted(self._client.nthreads().keys() - self._refused)

    @contextmanager
    def session(self) -> Iterator[None]:
        """Connect to the scheduler, unless the user's own client does."""
        import distributed

        with ExitStack() as stack:
            client = self.found_by
            if isinstance(client, distributed.Client):
                _check_client(client)
            else:
                client = stack.enter_context(self._connected())
            self._take(client)
            stack.callback(self._keep, None)
            stack.enter_context(distributed.span("gacnn"))
            yield

    def _connected(self) -> Any:
        """Return a client of one's own."""
        import distributed

        try:
            return distributed.Client(self.found_by, timeout=CONNECT, set_as_default=False)
        except (OSError, ValueError) as error:
            raise ExecutorError(
                f"no Dask scheduler answers at {_shown(self.found_by)} within {CONNECT:.0f} "
                f"seconds: {error}; start one by `dask scheduler`, or correct the address"
            ) from error

    def _keep(self, future: Any) -> None:
        """Keep a future instead of the one before."""
        before, self._latest = self._latest, future
        if before is not None:
            before.release()

    def _name(self, number: int) -> None:
        """Begin with so many new names of tasks, all of one group."""
        self._number_of_names = number
        group = itertools.repeat(f"score-{uuid.uuid4().hex}")
        self._names = itertools.cycle(zip(group, range(number), strict=False))

    def _next_names(self, number: int) -> list[tuple[str, int]]:
        """Return so many names that no future has: one that is being released gives its result."""
        held = self._client.futures
        return list(itertools.islice((each for each in self._names if each not in held), number))

    def _take(self, client: Any) -> None:
        """Work with a client; see to it that the scheduler does not keep what has passed it."""
        self._client = client
        self._name(NAMES)
        _keep_few(client.scheduler_comm)
        try:
            version = client.run_on_scheduler(prepare_scheduler)
        except (ImportError, AttributeError) as error:
            version = f"one that it cannot load ({error})"
        if version != VERSION:
            raise ExecutorError(
                f"the Dask scheduler at {_shown(self.found_by)} has gacnn {version}, and this is "
                f"gacnn {VERSION}: install the same version on both"
            )

    def run(
        self, function: Function, rows: Sequence[Sequence[Any]], places: Sequence[str] | None = None
    ) -> list[Any]:
        """Return function(*row) for all rows, in their order; see `Workers.run`."""
        import dask
        import distributed

        client, tasks = self._client, list[_DaskTask]()
        quiet = {"distributed.admin.large-graph-warning-threshold": "1 TiB"}
        try:
            self._check_scheduler()
            if 4 * len(rows) > self._number_of_names:
                self._name(4 * len(rows))
            with dask.config.set(quiet):
                tasks.extend(self._tasks(function, rows, places))  # keeps some where one fails
                self._wait(tasks, function)
            results = list(client.gather([task.future for task in tasks]))
            self._keep(tasks.pop().future)
            return results
        except distributed.scheduler.KilledWorker as error:
            raise ExecutorError(
                f"a task has taken {error.allowed_failures + 1} workers with it, the last of them "
                f"{error.last_worker.address}: they have perhaps too little memory for the data, "
                f"or the metric ends its process; {GO_ON}"
            ) from error
        except (concurrent.futures.CancelledError, distributed.client.FuturesCancelledError):
            self._check_scheduler()
            raise
        finally:
            for task in tasks:
                task.future.release()

    def _tasks(
        self,
        function: Function,
        rows: Sequence[Sequence[Any]],
        places: Sequence[str] | None,
    ) -> Iterator[_DaskTask]:
        """Yield a task for each row, given to the scheduler."""
        if places is None:
            allowed, columns = self._allowed(), zip(*rows, strict=True)
            how = {"key": self._next_names(len(rows)), "pure": False, "workers": allowed}
            futures = self._client.map(function, *columns, **how)
            yield from (_DaskTask(*each, allowed) for each in zip(futures, rows, strict=True))
            return
        names = self._next_names(len(rows))
        for row, place, name in zip(rows, places, names, strict=True):
            how = {"key": name, "pure": False, "workers": [place]}
            how["allow_other_workers"] = not self._refused
            yield _DaskTask(self._client.submit(function, *row, **how), row, [place])

    def _move(self, tasks: list[_DaskTask], function: Function, there: Container[str]) -> None:
        """Give anew what is kept for workers that are gone.

        Once it was without any worker, Dask keeps it for them for ever, though others may have it.
        """
        for index, task in enumerate(tasks):
            is_kept = task.workers and not any(worker in there for worker in task.workers)
            if is_kept and task.future.status == "pending":
                task.future.release()
                (tasks[index],) = self._tasks(function, [task.row], None)

    def _check_scheduler(self) -> None:
        if self._client.status != "running":
            raise ExecutorError(
                f"the Dask scheduler at {_shown(self.found_by)} is gone: start it again; {GO_ON}"
            )

    def _wait(self, tasks: list[_DaskTask], function: Function) -> None:
        """Wait until all are done or one has failed; say where no worker is there for a while."""
        import distributed

        alone_since: float | None = None
        while True:
            try:
                with self._client.as_current():
                    distributed.wait([task.future for task in tasks], timeout=POLL)
                return
            except TimeoutError:
                self._check_scheduler()
            if any(task.future.status == "error" for task in tasks):
                return
            there = self._there()
            if there:
                alone_since = None
                self._move(tasks, function, there)
            elif alone_since is None:
                alone_since = time.monotonic() - POLL
            elif alone_since and time.monotonic() - alone_since >= PATIENCE:
                alone_since = 0.0
                checks.warn(
                    f"{_shown(self.found_by)} has had no worker for {PATIENCE:.0f} seconds: "
                    "waiting for one; Ctrl-C twice ends the run"
                )

    def _there(self) -> Container[str]:
        """Return the addresses of the workers."""
        try:
            return set(self._client.nthreads())
        except OSError:  # the next look will tell
            return set()


def prepare_scheduler(dask_scheduler: Any) -> str:
    """Make a scheduler forget messages soon, 1,000 to each worker otherwise; return the version."""
    import dask

    dask.config.set({"distributed.admin.low-level-log-length": KEPT_MESSAGES})  # for new workers
    for stream in dask_scheduler.stream_comms.values():
        _keep_few(stream)
    return VERSION


def _keep_few(stream: Any) -> None:
    with suppress(AttributeError):  # it is there for debugging, and may be gone one day
        stream.recent_message_log = deque(stream.recent_message_log, KEPT_MESSAGES)


class _Ray:
    """Ray as an executor: `executor=ray`, after ray.init()."""

    def __init__(self, ray: Any) -> None:
        self._remote = functools.cache(ray.remote)

    def submit(self, function: Function, /, *args: Any) -> Any:
        return self._remote(function).remote(*args).future()


def workers_of(executor: Any) -> Workers:
    """Return the workers that a user's executor stands for.

    Args:
        executor: a Dask `Client`, a cluster of Dask's, an address "tcp://host:8786", the module
            `ray`, or anything with `submit`.

    Returns:
        The workers; nothing is asked of them yet.

    Raises:
        TypeError: it is none of these.
        ValueError: an address is none, a client is closed or asynchronous.
        ImportError: there is an address, but no Dask.
    """
    if isinstance(executor, str):
        if not executor.startswith(SCHEMES):
            raise ValueError(
                f'executor must be the address of a Dask scheduler, such as "tcp://host:8786", not '
                f"{executor!r}"
            )
        try:
            import distributed
        except ImportError as error:
            raise ImportError(
                f"executor {executor!r} needs Dask: pip install 'gacnn[dask]'"
            ) from error
        return DaskWorkers(executor)
    if isinstance(executor, ModuleType) and executor.__name__ == "ray":
        return Workers(_Ray(executor))
    distributed = sys.modules.get("distributed")
    if distributed is not None and isinstance(executor, distributed.Client):
        _check_client(executor)
        return DaskWorkers(executor)
    if distributed is not None and isinstance(executor, distributed.deploy.cluster.Cluster):
        _check_synchronous(executor)
        if executor.status.name in ("closing", "closed", "failed"):
            raise ValueError(
                f"executor is a {type(executor).__name__} that is {executor.status.name}: make a "
                "new one"
            )
        return DaskWorkers(executor)
    if isinstance(executor, type) or not isinstance(executor, Executor):
        raise TypeError(
            'executor must be a Dask Client, an address "tcp://host:8786", or an object with '
            f"submit(function, *args), such as a ProcessPoolExecutor, not {executor!r}"
        )
    return Workers(executor)


def _check_client(client: Any) -> None:
    _check_synchronous(client)
    if client.status not in ("running", "connecting"):
        raise ValueError(f"executor is a Client that is {client.status}: make a new one")


def _check_synchronous(client: Any) -> None:
    if client.asynchronous:
        raise ValueError(
            f"executor is an asynchronous {type(client).__name__}, which a run cannot wait for: "
            "make one without asynchronous=True"
        )


def _shown(found_by: Any) -> str:
    """Return the address of a scheduler."""
    if isinstance(found_by, str):
        return found_by
    scheduler = getattr(found_by, "scheduler", None)
    return str(getattr(scheduler, "address", None) or found_by)
