"""The forward pass of a population on a device: blocks of images and members."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from cnn.engines.numpy.memory import keep_freed_memory
from cnn.engines.numpy.threads import work_at
from cnn.engines.torch import kernels, plans
from cnn.engines.torch.devices import free_memory, one_thread_each
from cnn.engines.torch.held import Source
from cnn.engines.torch.kernels import Tensor
from cnn.engines.torch.lowering import Products, Program, Step
from cnn.engines.torch.plans import Blocks, Plan, choose_blocks, plan_for, starts
from cnn.engines.torch.results import Results
from cnn.engines.torch.sending import sent
from cnn.types import Array

Weights = Sequence[tuple[Tensor, ...]]
"""For each step, the tensors that it takes beside its input."""

Run = Callable[[Tensor, Weights], Tensor]
"""Several steps as one function."""


class Choices(NamedTuple):
    """Where and how networks are run."""

    device: Any  # torch.device
    dtype: Any  # torch.dtype
    products: Products
    in_threads: bool  # in blocks for the cache of a CPU, not for the memory of a GPU
    compiler: Callable[[Run], Run] | None
    own_images: bool = False  # each member sees its own


def evaluate(
    program: Program,
    images: Source,
    weights: Sequence[Array],
    results: Results,
    *,
    choices: Choices,
    threads: int,
    memory_limit: int,
) -> None:
    """Run images through every member's network, and give the outputs to `results`.

    weights: for each weight array of the network, the values of all members (members, …), or of a
    fraction of them, where each serves as many consecutive members. Where the device has not the
    memory for a block, smaller ones are tried; MemoryError if there is none smaller.
    """
    import torch

    members, number = results.members, results.images
    counts = tuple(len(array) for array in weights)
    plan = plan_for(program, members, counts, choices.products, own_images=choices.own_images)
    while True:
        blocks = choose_blocks(
            plan, members, number, memory_limit=memory_limit, cached=choices.in_threads
        )
        results.begin()
        try:
            _evaluate(
                program, plan, blocks, images, weights, results, choices, threads, memory_limit
            )
        except torch.OutOfMemoryError as error:
            torch.cuda.empty_cache()
            memory_limit = blocks.bytes // 2
            if (blocks.images, blocks.group) == (1, 1):
                raise MemoryError(
                    f"device {str(choices.device)!r} has {free_memory(choices.device)} free, too "
                    f"little for the weights of {members} networks, the images and one network's "
                    f"work on one image, {blocks.bytes} bytes; give fewer vectors at a time, or "
                    "another device"
                ) from error
        else:
            results.finish()
            return


class _Work(NamedTuple):
    """The forward pass of a population, to be done place by place.

    A place is a block of images, with how many of them the one before has done, and groups of
    members likewise. shared, own: the weights of the steps; the rest is what `evaluate` has.
    """

    plan: Plan
    blocks: Blocks
    images: Source
    results: Results
    shared: Weights
    own: Weights
    run_shared: Run
    run_own: Run
    own_images: bool

    def place(self, place: tuple[tuple[int, int], Sequence[tuple[int, int]]]) -> None:
        """Run a block of images through groups of members."""
        import torch

        (start, done), groups = place
        low, high = groups[0][0] + groups[0][1], groups[-1][0] + self.blocks.group
        block = slice(start, start + self.blocks.images)
        new = slice(start + done, block.stop)
        with torch.inference_mode():
            made = self.results.place(slice(low, high), new)
            entered = None
            if not self.own_images:
                entered = self.run_shared(self.images(block, slice(None)), self.shared)
            for first, known in groups:
                part = slice(first, first + self.blocks.group)
                values = self._outputs(entered, block, part)[known:, done:]
                self.results.fill(made, slice(first + known - low, part.stop - low), values, new)
            self.results.keep(made, slice(low, high), new)

    def _outputs(self, entered: Tensor | None, block: slice, part: slice) -> Tensor:
        """Return what a group of members makes of a block (members, images, …)."""
        if entered is None:
            entered = self.images(block, part)
        values = kernels.leave(self.run_own(entered, _of_part(self.own, self.plan, part)))
        group = self.blocks.group
        if len(values) < group:  # the last layer too is shared
            values = values.repeat_interleave(group // len(values), 0)
        return values


def _evaluate(
    program: Program,
    plan: Plan,
    blocks: Blocks,
    images: Source,
    weights: Sequence[Array],
    results: Results,
    choices: Choices,
    threads: int,
    memory_limit: int,
) -> None:
    members, number = results.members, results.images
    tensors = sent(weights, choices.device, choices.dtype)
    shared = [_prepared(step, tensors, 1) for step in plan.shared]
    own = [
        _prepared(step, tensors, members // family)
        for step, family in zip(plan.own, plan.families, strict=True)
    ]
    run_own, ready = _compiled(program, plan, blocks, choices)
    runs = _in_turn(plan.shared), run_own
    work = _Work(plan, blocks, images, results, shared, own, *runs, choices.own_images)
    places = _places(blocks, members, number, choices)
    if not choices.in_threads:
        for place in places:
            work.place(place)
        return
    keep_freed_memory()
    with one_thread_each() as alone:
        if not ready:
            alone(work.place)(places[0])  # compiles; the threads find it done
        worth = number * plans.floats_of(plan, members) // plans.THREAD_FLOATS
        useful = min(threads, memory_limit // blocks.bytes, worth)
        work_at(alone(work.place), places, max(1, useful))


def _places(
    blocks: Blocks, members: int, images: int, choices: Choices
) -> list[tuple[tuple[int, int], Sequence[tuple[int, int]]]]:
    """Return all places: on a GPU one for a block of images, on a CPU enough for the threads."""
    groups, image_blocks = list(starts(members, blocks.group)), list(starts(images, blocks.images))
    chunks = -(-plans.TASKS // len(image_blocks)) if choices.in_threads else 1
    return list(itertools.product(image_blocks, _chunks(groups, chunks)))


def _in_turn(steps: Sequence[Step]) -> Run:
    kernel_calls = [step.run for step in steps]

    def run(values: Tensor, weights: Weights) -> Tensor:
        for call, arrays in zip(kernel_calls, weights, strict=True):
            values = call(values, *arrays)
        return values

    return run


def _compiled(program: Program, plan: Plan, blocks: Blocks, choices: Choices) -> tuple[Run, bool]:
    """Return the own steps as one function, and whether it has been used before."""
    if choices.compiler is None:
        return _in_turn(plan.own), True
    key = plan.key, blocks.images, blocks.group
    ready = key in program.compiled
    if not ready:
        program.compiled[key] = choices.compiler(_in_turn(plan.own))
    return program.compiled[key], ready


def _prepared(step: Step, tensors: Sequence[Tensor], sets: int) -> tuple[Tensor, ...]:
    """Return the weights of a step for all its sets of members."""
    if step.prepare is None:
        return ()
    prepared = step.prepare(*(tensors[index] for index in step.weights))
    return tuple(
        (each if len(each) == sets else each.expand(sets, *each.shape[1:])).contiguous()
        for each in prepared
    )


def _of_part(weights: Weights, plan: Plan, part: slice) -> Weights:
    """Return the weights of some members for each of the own steps."""
    return [
        tuple(each[part.start // family : -(-part.stop // family)] for each in arrays)
        for arrays, family in zip(weights, plan.families, strict=True)
    ]


def _chunks(groups: Sequence[tuple[int, int]], number: int) -> list[Sequence[tuple[int, int]]]:
    """Cut groups into that many runs of consecutive ones, or fewer."""
    size = -(-len(groups) // number)
    return [groups[first : first + size] for first in range(0, len(groups), size)]
