"""The engine that runs networks with PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from cnn import checks
from cnn.engines.families import have_images_of_their_own
from cnn.engines.reduction import Reduction
from cnn.engines.torch import devices
from cnn.engines.torch.held import blocks_on, copied_blocks, holding
from cnn.engines.torch.lowering import Products, Program, lower
from cnn.engines.torch.population import Choices, evaluate
from cnn.engines.torch.results import Outputs, Results, results_of
from cnn.layers.layer import Operation, Shape
from cnn.types import AnyArray, Array, Indices

PRODUCTS = "grouped", "batched", "fused"


@dataclass(frozen=True)
class TorchEngine:
    """Runs networks with PyTorch, on a GPU or on the cores of this machine. Needs torch.

    The weights, the checks and the errors are those of every engine; outputs differ from NumPy's
    in the last bits. On one device a run is repeatable bit for bit, and does not depend on
    `threads`; another `memory_limit` makes other blocks, and may change the last bits.

    Args:
        device: "cuda", "cuda:1" and so on, "mps" or "cpu"; None for "cuda" if there is a GPU, and
            else "cpu".
        precision: "float32", which PyTorch's own settings do not lower; "tf32" (CUDA), with 10
            bits of mantissa in products; "bfloat16", with 7 in all that is stored.
        products: how layers multiply: "grouped", a convolution with a group for each network;
            "batched", a batched product of patches; or "fused", a kernel of this package that
            convolves, activates and pools at once, written in Triton, which PyTorch's builds for
            CUDA bring along on Linux. None for what is fastest: "grouped" on a CPU, "fused" on
            CUDA where Triton is there, else "batched".
        compiled: compile what members do not share with `torch.compile`, for each size of a
            population: seconds, then a quarter less time for each. It needs a C++ compiler. For a
            CPU alone: on a GPU "fused" is several times as fast.
        benchmark: let cuDNN time its kernels and take the fastest: the bits are then no longer
            the same in every run.

    Raises:
        ImportError: torch is not installed.
        ValueError: the device is not there, or does not have the precision.

    >>> engine = cnn.TorchEngine("cuda", precision="bfloat16")  # doctest: +SKIP
    >>> outputs = model.forward(X, vectors, engine=engine)  # doctest: +SKIP
    """

    device: str | None = None
    precision: str = "float32"
    products: str | None = None
    compiled: bool = False
    benchmark: bool = False

    def __post_init__(self) -> None:
        device = devices.checked_device(self.device)
        object.__setattr__(self, "device", device)
        devices.check_precision(self.precision, device)
        chosen = self.products
        if chosen is None:
            chosen = devices.fastest_products(device)
        checks.one_of(chosen, "products", PRODUCTS)
        if chosen == "fused":
            devices.check_fused(device)
        object.__setattr__(self, "products", chosen)
        if checks.one_of(self.compiled, "compiled", [True, False]) and device != "cpu":
            raise ValueError(
                f'compiled=True is for device "cpu", not {device!r}, where it is slower than '
                "the kernels that are there; leave it out"
            )
        checks.one_of(self.benchmark, "benchmark", [True, False])

    @property
    def name(self) -> str:
        """The device, and what else decides the last bits."""
        parts = ["torch", str(self.device)]
        if self.precision != "float32":
            parts.append(self.precision)
        if (self.device, self.products) != ("cpu", "grouped"):
            parts.append(str(self.products))
        return " ".join([*parts, *["compiled"] * self.compiled, *["benchmark"] * self.benchmark])

    @property
    def memory_limit(self) -> int:
        """Bytes that it takes where nothing is said: a GPU waits for Python if they are few."""
        return (2**8 if self.device == "cpu" else 2**12) * 2**20

    def compile(self, operations: Sequence[Operation], input_shape: Shape) -> Program:
        """Work out which kernels do a chain; ValueError for an operation that is not known."""
        return lower(operations, input_shape, self.name)

    def run(
        self,
        program: Program,
        images: AnyArray,
        weights: Sequence[Array],
        out: Array,
        *,
        threads: int,
        memory_limit: int,
    ) -> None:
        """Run images (N, …) through every member's network, into out (members, N, …)."""
        results = Outputs(out, self._torch_device, direct=self.device == "cpu")
        self._evaluate(program, images, None, weights, results, threads, memory_limit)

    def reduce(
        self,
        program: Program,
        images: AnyArray,
        weights: Sequence[Array],
        reduction: Reduction,
        out: AnyArray,
        *,
        threads: int,
        memory_limit: int,
    ) -> None:
        """Write what is made of the outputs of every member to out (members, …)."""
        direct = self.device == "cpu"
        results = results_of(reduction, out, self._torch_device, direct=direct)
        self._evaluate(program, images, reduction.rows, weights, results, threads, memory_limit)

    @property
    def _torch_device(self) -> Any:
        return devices.load_torch("TorchEngine").device(self.device)

    def _evaluate(
        self,
        program: Program,
        images: AnyArray,
        rows: Indices | None,
        weights: Sequence[Array],
        results: Results,
        threads: int,
        memory_limit: int,
    ) -> None:
        torch = devices.load_torch("TorchEngine")
        device, on_cpu = self._torch_device, self.device == "cpu"
        dtype = torch.bfloat16 if self.precision == "bfloat16" else torch.float32
        compiler = devices.compiler() if self.compiled else None
        products = Products(str(self.products), self.precision)
        own = have_images_of_their_own(images, program.input_shape)
        choices = Choices(device, dtype, products, on_cpu, compiler, own)
        with devices.settings(tf32=self.precision == "tf32", benchmark=self.benchmark):
            blocks = copied_blocks if on_cpu else blocks_on
            source = blocks(images, device, dtype, rows, own=own)
            evaluate(
                program,
                source,
                weights,
                results,
                choices=choices,
                threads=threads,
                memory_limit=memory_limit,
            )

    def session(self) -> AbstractContextManager[None]:
        """Keep on the device the images that are run inside, so that they go up once.

        An array is known by its identity and forgotten when it is gone: what is written into it
        inside a session is not seen. Images of each member's own go up every time.
        """
        return holding(str(self.device))
