"""The engine that runs networks with PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from cnn import checks
from cnn.engines.families import have_images_of_their_own
from cnn.engines.torch import devices
from cnn.engines.torch.held import blocks_on, copied_blocks, holding
from cnn.engines.torch.lowering import Program, lower
from cnn.engines.torch.population import Choices, evaluate
from cnn.layers.layer import Operation, Shape
from cnn.types import AnyArray, Array

PRODUCTS = "grouped", "batched"


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
        products: how layers behind the first convolve: "grouped", a convolution with a group for
            each network, or "batched", a batched product of patches. None for what is fastest:
            "grouped" on a CPU, as measured; "batched" on a GPU, which is not measured yet.
        compiled: compile what members do not share with `torch.compile`, for each size of a
            population: seconds, then a quarter less time for each. On CUDA as CUDA graphs. On a
            CPU it needs a C++ compiler.
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
        chosen = "grouped" if device == "cpu" else "batched"
        if self.products is not None:
            chosen = checks.one_of(self.products, "products", PRODUCTS)
        object.__setattr__(self, "products", chosen)
        checks.one_of(self.compiled, "compiled", [True, False])
        checks.one_of(self.benchmark, "benchmark", [True, False])

    @property
    def name(self) -> str:
        """The device, and what else decides the last bits."""
        parts = ["torch", str(self.device)]
        if self.precision != "float32":
            parts.append(self.precision)
        if self.products != ("grouped" if self.device == "cpu" else "batched"):
            parts.append(str(self.products))
        return " ".join([*parts, *["compiled"] * self.compiled, *["benchmark"] * self.benchmark])

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
        torch = devices.load_torch("TorchEngine")
        device, on_cpu = torch.device(self.device), self.device == "cpu"
        dtype = torch.bfloat16 if self.precision == "bfloat16" else torch.float32
        compiler = devices.compiler(device) if self.compiled else None
        own = have_images_of_their_own(images, program.input_shape)
        choices = Choices(device, dtype, self.products == "batched", on_cpu, compiler, own)
        with devices.settings(tf32=self.precision == "tf32", benchmark=self.benchmark):
            source = (
                copied_blocks(images, dtype, own=own)
                if on_cpu
                else blocks_on(device, images, dtype, own=own)
            )
            evaluate(
                program,
                source,
                weights,
                out,
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
