"""Devices of PyTorch: which there are, and PyTorch's own settings, left as they were."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from typing import Any

PRECISIONS = "float32", "tf32", "bfloat16"


def load_torch(user: str) -> Any:
    """Return the module torch; an ImportError says who needs it and how it is installed."""
    try:
        import torch
    except ImportError as error:
        raise ImportError(f"{user} needs torch: pip install 'gacnn[torch]'") from error
    return torch


def checked_device(device: Any) -> str:
    """Return the name of a device that is there; of None, that of a GPU if there is one."""
    torch = load_torch("TorchEngine")
    if device is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError, ValueError, AttributeError):
        found = None
    if found is None or found.type not in ("cpu", "cuda", "mps"):
        raise ValueError(
            f"device must be 'cpu', 'cuda', 'cuda:1' and so on or 'mps', not {device!r}"
        )
    if found.type == "cuda":
        _check_cuda(torch, found)
    if found.type == "mps" and not torch.backends.mps.is_available():
        raise ValueError(f"device {device!r} is a GPU of Apple's, and there is none; take 'cpu'")
    return "cpu" if found.type == "cpu" else str(found)


def _check_cuda(torch: Any, device: Any) -> None:
    name = str(device)
    if not torch.backends.cuda.is_built():
        raise ValueError(
            f"device {name!r} needs a PyTorch that was built for CUDA, and this one, "
            f"{torch.__version__}, was not; install one as pytorch.org/get-started says, or take "
            "'cpu'"
        )
    if not torch.cuda.is_available():
        raise ValueError(
            f"device {name!r} needs a CUDA GPU and its driver, and PyTorch finds none on this "
            "machine; look at nvidia-smi, or take 'cpu'"
        )
    number = torch.cuda.device_count()
    if device.index is not None and device.index >= number:
        there = ", ".join(repr(f"cuda:{index}") for index in range(number))
        raise ValueError(f"device {name!r} does not exist; this machine has {there}")


def check_precision(precision: Any, device: str) -> None:
    """Raise ValueError for what is no precision of the device."""
    if precision not in PRECISIONS:
        known = ", ".join(map(repr, PRECISIONS))
        raise ValueError(f"precision must be one of {known}, not {precision!r}")
    if precision == "tf32" and not device.startswith("cuda"):
        raise ValueError(
            f"precision 'tf32' is one of CUDA's, not of device {device!r}; take 'float32' or "
            "'bfloat16'"
        )


def free_memory(device: Any) -> str:
    """Return how much memory of a device is free, for a message."""
    import torch

    if device.type != "cuda":
        return "no memory"
    free, total = torch.cuda.mem_get_info(device)
    return f"{free / 2**30:.1f} of {total / 2**30:.1f} GiB"


def fastest_products(device: str) -> str:
    """Return how layers multiply fastest on a device."""
    if not device.startswith("cuda"):
        return "grouped" if device == "cpu" else "batched"
    return "fused" if find_spec("triton") else "batched"


def check_fused(device: str) -> None:
    """Raise ValueError where the kernel in Triton does not run, ImportError without Triton."""
    if not find_spec("triton"):
        raise ImportError(
            "products='fused' needs triton, which PyTorch's builds for CUDA bring along on Linux; "
            "take 'batched'"
        )
    interpreted = device == "cpu" and os.environ.get("TRITON_INTERPRET") == "1"
    if not device.startswith("cuda") and not interpreted:
        raise ValueError(f"products='fused' is for CUDA, not for device {device!r}; leave it out")


def compiler() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what compiles functions of tensors to C++.

    It needs Python only to be called, so that threads do not wait for each other.
    """
    import torch

    return partial(
        torch.compile,
        dynamic=False,
        fullgraph=True,
        isolate_recompiles=True,
        options={"cpp_wrapper": True},
    )


# Settings of the whole process


_hold = threading.Lock()
_before: list[dict[str, Any]] = []  # the settings, once for each caller


@contextmanager
def settings(*, tf32: bool, benchmark: bool) -> Iterator[None]:
    """Have float32 be float32 (or TF32 on CUDA) inside, whatever the process has chosen.

    When the last caller leaves, all is as it was. Deterministic kernels are taken, unless cuDNN
    is to time them (benchmark).
    """
    wanted = "tf32" if tf32 else "ieee"
    with _hold:
        _before.append(_before[0] if _before else _settings())
        _set(
            {
                **dict.fromkeys(_precisions(), wanted),
                "benchmark": benchmark,
                "deterministic": not benchmark,
            }
        )
    try:
        yield
    finally:
        with _hold:
            before = _before.pop()
            if not _before:
                _set(before)


def _precisions() -> dict[str, Any]:
    from torch.backends import cuda, cudnn, mkldnn

    return {
        "cuda product": cuda.matmul,
        "cuda convolution": cudnn.conv,
        "product": mkldnn.matmul,
        "convolution": mkldnn.conv,
    }


def _settings() -> dict[str, Any]:
    from torch.backends import cudnn

    precisions = {name: owner.fp32_precision for name, owner in _precisions().items()}
    own = {"benchmark": cudnn.benchmark, "deterministic": cudnn.deterministic}
    return {**precisions, **own}


def _set(values: dict[str, Any]) -> None:
    from torch.backends import cudnn

    for name, owner in _precisions().items():
        owner.fp32_precision = values[name]
    cudnn.benchmark = values["benchmark"]
    cudnn.deterministic = values["deterministic"]


_threads_before: list[int] = []  # PyTorch's number of threads, once for each caller


@contextmanager
def one_thread_each() -> Iterator[Callable[[Callable[[Any], None]], Callable[[Any], None]]]:
    """Return what makes a task keep PyTorch to one thread, in whichever thread it is done.

    PyTorch has a number for each thread, and one for those that come. The caller's is given back,
    and so is the other when the last caller leaves.
    """
    import torch

    def alone(task: Callable[[Any], None]) -> Callable[[Any], None]:
        def run(place: Any) -> None:
            if torch.get_num_threads() != 1:
                torch.set_num_threads(1)
            task(place)

        return run

    with _hold:
        _threads_before.append(_threads_before[0] if _threads_before else torch.get_num_threads())
    try:
        yield alone
    finally:
        with _hold:
            torch.set_num_threads(_threads_before.pop())
