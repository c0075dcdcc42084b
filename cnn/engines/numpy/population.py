"""The forward pass of a population: blocks of images and members, and the threads.

A block of images goes through all steps of a program for a few members at a time, so that what
one step writes the next one still finds in the cache. Blocks depend on shapes, and on what members
share, and each is the work of one thread: the results are the same for any number of threads.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnn import checks
from cnn.engines.families import have_images_of_their_own
from cnn.engines.numpy import kernels
from cnn.engines.numpy.lowering import FULL, Program, Step
from cnn.engines.numpy.memory import keep_freed_memory
from cnn.engines.numpy.threads import single_threaded_blas, work_at
from cnn.types import Array

MAP_BYTES = 3_400_000  # of the largest maps of a block: with less, Python takes more of the time
BLOCK_IMAGES = 8, 256  # fewer make short rows, more gain nothing
LARGE_DENSE = 2**18  # weights that are worth reading for more images than a block of maps has,
DENSE_IMAGES = 128  # which are so many
TASKS = 12  # enough for the threads to end together
SHARED_PART = 4  # a task spends at most one part in so many on layers that members share


class Blocks(NamedTuple):
    """How a forward pass is cut: images and members of a task, of what goes together, and bytes.

    images: of a task; piece: of these that go through the maps together; members: of a task;
    group: of these that go together.
    """

    images: int
    piece: int
    members: int
    group: int
    bytes: int


def choose_blocks(
    program: Program,
    families: Sequence[int],
    first: int,
    filters: int,
    members: int,
    images: int,
    memory_limit: int,
    *,
    own_images: bool = False,
) -> Blocks:
    """Choose blocks from the shapes: the largest maps fit the cache, everything the limit.

    Where not even one image and one network do, these are a block, with a warning.

    families: for each step, how many consecutive members share what it returns; first: the
    position of the first step that is not the same for all; filters: of that step; own_images:
    each member sees its own. Whole families form a group, or, where memory does not allow that,
    an even part of one.
    """
    entered = [program.floats, *(step.floats for step in program.steps[:first])]
    steps = [step.floats for step in program.steps[first:]]
    own = list(zip(steps, families[first:], strict=True))
    if own_images:
        entered, own = [0], [(program.floats, 1), *own]
    outputs = 8 * program.steps[-1].floats if program.closing else 0
    whole = own[0][1] if own else 1
    for unit in range(whole, 0, -1):
        if any(unit % family and family % unit for _, family in own):
            continue  # it would have a part of a family beside another
        floats = [number * max(1, unit // family) for number, family in own]
        most = images
        if any(step.weights is not None for step in program.steps[:first]):
            most = _block_of_shared(entered[1:], floats, members // unit, images)
        units = members // unit if unit == whole else 1
        least = min(units, -(-FULL // filters))
        piece, group, needed = _block(entered, floats, least, units, most, images, memory_limit)
        if needed <= (memory_limit if unit == 1 else memory_limit // 8):
            block = piece
            if _has_large_dense(program):
                most = min(DENSE_IMAGES, images, units * images // TASKS)
                made = piece, group, needed
                block, needed = _joined(program, first, entered, floats, made, most, memory_limit)
            chunks = -(-TASKS // -(-images // block))
            held = max(1, memory_limit // 16 // max(1, unit * block * outputs))
            share = min(-(-members // unit // chunks), held)
            return Blocks(block, piece, unit * group * -(-share // group), unit * group, needed)
    _say_that_more_is_needed(needed, memory_limit)
    return Blocks(1, 1, 1, 1, needed)


@functools.cache  # once is enough
def _say_that_more_is_needed(needed: int, memory_limit: int) -> None:
    checks.warn(
        f"one image needs {needed:,} bytes in a network of this size, which is more than "
        f"memory_limit={memory_limit:,}: it takes them, in one thread; give a larger "
        "memory_limit for more threads, or smaller images"
    )


def _block(
    entered: Sequence[int],
    own: Sequence[int],
    least: int,
    units: int,
    most: int,
    images: int,
    memory_limit: int,
) -> tuple[int, int, int]:
    """Return images of a block, at most `most`, a group of units, and the bytes they need.

    entered: the numbers that the steps that all share return for an image; own: those of the
    others, for a unit; least: units that fill a product.
    """
    largest = 4 * max(own, default=1)
    block = min(MAP_BYTES // (largest * least), most)
    block = min(max(block, BLOCK_IMAGES[0]), BLOCK_IMAGES[1], images)
    block = block if block == images else 1 << (block.bit_length() - 1)
    group = min(max(MAP_BYTES // (largest * block), least), units)
    for_image, for_unit = _working_bytes(entered), _working_bytes([0, *own])
    while (block, group) != (1, 1) and block * (for_image + group * for_unit) > memory_limit // 8:
        block, group = (block, group // 2) if group > least else (max(1, block // 2), group)
        least = 1 if block == 1 else least
    return block, group, block * (for_image + group * for_unit)


def _block_of_shared(shared: Sequence[int], own: Sequence[int], members: int, images: int) -> int:
    """Images of a block where members share layers: every task on a block runs those anew.

    So there are only as many tasks to a block as take little more time for it, and more blocks.
    """
    chunks = max(1, members * sum(own) // (SHARED_PART * sum(shared)))
    return min(MAP_BYTES // (4 * max(shared)), images * chunks // (TASKS // 2))


def _has_large_dense(program: Program) -> bool:
    sizes = itertools.pairwise([program.floats, *(step.floats for step in program.steps)])
    steps = zip(program.steps, sizes, strict=True)
    return any(
        step.run is kernels.dense and inputs * neurons >= LARGE_DENSE
        for step, (inputs, neurons) in steps
    )


def _joined(
    program: Program,
    first: int,
    entered: Sequence[int],
    own: Sequence[int],
    made: tuple[int, int, int],
    most: int,
    memory_limit: int,
) -> tuple[int, int]:
    """Return images of a task, whose features are joined from pieces, and the bytes they need.

    entered, own: as `_block` has them, and made what it has returned; most: images at most.
    """
    piece, group, needed = made
    flat = program.flat
    behind = own[-(len(program.steps) - max(first, flat - 1)) :]  # from own features on
    kept = 4 * entered[-1 if first < flat else flat]  # maps of all pieces, or shared features
    joined = 4 * group * behind[0] if first < flat else 0
    dense = _working_bytes([0, *entered[flat:]]) + group * _working_bytes([0, *behind])
    for block in range(most // piece * piece, piece, -piece):
        more = max(needed + block * (kept + joined), block * (kept + dense))
        if more <= memory_limit // 8:
            return block, more
    return piece, needed


def _working_bytes(floats: Sequence[int]) -> int:
    """Most bytes that a step holds for an image: input, output, and half as much for its own."""
    return 6 * max(before + after for before, after in itertools.pairwise([*floats, 0]))


def evaluate(
    program: Program,
    images: NDArray[Any],
    weights: Sequence[Array],
    out: Array,
    *,
    threads: int,
    memory_limit: int,
    thread_floats: int,
) -> None:
    """Run images (N, …) through every member's network, into out (members, N, …).

    images: also (members, N, …), each member's own. weights: for each weight array of the network,
    the values of all members (members, …), or of a fraction of them, where each serves as many
    consecutive members. thread_floats: numbers that all steps write, below which another thread
    only gets in the way.
    """
    keep_freed_memory()
    members, number = out.shape[:2]
    out = out if out.ndim != 4 else out[:, :, :, None]  # series are maps of one column
    own_images = have_images_of_their_own(images, program.input_shape)
    families = _families(program, weights, members, 1 if own_images else members)
    first = sum(1 for family in families if family == members > 1)
    filters = program.steps[first].filters if first < len(program.steps) else FULL
    filters = FULL if own_images else filters
    blocks = choose_blocks(
        program, families, first, filters, members, number, memory_limit, own_images=own_images
    )

    work = _Work(program, images, weights, out, first, blocks, own_images)
    places = [
        (member, start)
        for member in range(0, members, blocks.members)
        for start in range(0, number, blocks.images)
    ]
    floats = _floats(program, families, members) + own_images * members * program.floats
    worth = number * floats // thread_floats
    limits = len(places), memory_limit // blocks.bytes, worth
    with single_threaded_blas():
        work_at(work.block, places, min(threads, *(max(1, limit) for limit in limits)))


class _Work(NamedTuple):
    """The forward pass of a population, to be done block by block by any thread.

    first: how many of the first steps are the same for all; own_images: each member sees its own.
    The others are what `evaluate` has, or has chosen.
    """

    program: Program
    images: NDArray[Any]
    weights: Sequence[Array]
    out: Array
    first: int
    blocks: Blocks
    own_images: bool

    def block(self, place: tuple[int, int]) -> None:
        """Run a block of images, from place[1] on, for the members of a task, from place[0] on."""
        member, start = place
        members, number = self.out.shape[:2]
        chunk = slice(member, min(member + self.blocks.members, members))
        block = slice(start, min(start + self.blocks.images, number))
        with np.errstate(all="ignore"):
            self._run(chunk, block)

    def _run(self, chunk: slice, block: slice) -> None:
        """Run groups of members through steps of their own, and all together through the last."""
        steps, first, flat = self.program.steps, self.first, self.program.flat
        ending = len(steps) - self.program.closing
        pieces = _cut(block, self.blocks.piece)
        shared = [] if self.own_images else self._shared(chunk, pieces)
        gathered = []
        for part in _cut(chunk, self.blocks.group):
            entered = iter(shared)
            if self.own_images:
                entered = (self.program.enter(self.images[part, piece]) for piece in pieces)
            own = (self._through(steps[first:flat], each, part) for each in entered)
            values = _join(own, block.stop - block.start)
            values = self._through(steps[max(first, flat) : ending], values, part)
            if self.program.closing:
                gathered.append(values)
            else:
                self._write(values, part, block)
        if self.program.closing:
            values = self._through(steps[max(ending, first) :], np.concatenate(gathered), chunk)
            self._write(values, chunk, block)

    def _shared(self, chunk: slice, pieces: Sequence[slice]) -> list[Array]:
        """Return what comes out of the steps that are the same for all; features are joined."""
        steps, first, flat = self.program.steps, self.first, self.program.flat
        entered = (self.program.enter(self.images[None, piece]) for piece in pieces)
        values = (self._through(steps[: min(first, flat)], each, chunk) for each in entered)
        if first < flat:
            return list(values)
        features = _join(values, pieces[-1].stop - pieces[0].start)
        return [self._through(steps[flat:first], features, chunk)]

    def _through(self, steps: Sequence[Step], values: Array, part: slice) -> Array:
        return _run(steps, values, self.weights, part, len(self.out))

    def _write(self, values: Array, part: slice, block: slice) -> None:
        values = kernels.leave(values) if values.ndim == 6 else values
        place = self.out[part, block]
        families = place.reshape(len(values), -1, *place.shape[1:])
        families[...] = np.moveaxis(values, -1, 1)[:, None]


def _cut(whole: slice, length: int) -> list[slice]:
    """Cut a slice into slices of this length; the last may be shorter."""
    return [
        slice(start, min(start + length, whole.stop))
        for start in range(whole.start, whole.stop, length)
    ]


def _join(pieces: Iterator[Array], images: int) -> Array:
    """Join pieces along the images, of which there are so many, each as it comes."""
    first = next(pieces)
    if first.shape[-1] == images:
        return first
    whole = np.empty((*first.shape[:-1], images), np.float32)
    start = 0
    for piece in itertools.chain([first], pieces):
        whole[..., start : start + piece.shape[-1]] = piece
        start += piece.shape[-1]
    return whole


def _floats(program: Program, families: Sequence[int], members: int) -> int:
    """Return how many numbers all steps return for an image, for all members together."""
    steps = zip(program.steps, families, strict=True)
    return sum(members // family * step.floats for step, family in steps)


def _families(program: Program, weights: Sequence[Array], members: int, family: int) -> list[int]:
    """Return for each step how many consecutive members share what it returns.

    family: how many share what enters.
    """
    families = []
    for step in program.steps:
        if step.weights is not None and len(weights[step.weights]) > 1:
            family = members // len(weights[step.weights])
        families.append(family)
    return families


def _run(
    steps: Sequence[Step], values: Array, weights: Sequence[Array], part: slice, members: int
) -> Array:
    """Run steps for some of the members; what all members share takes no notice of them."""
    for step in steps:
        if step.weights is None:
            values = step.run(values)
        else:
            own = weights[step.weights]
            family = members // len(own)
            values = step.run(values, own[part.start // family : -(-part.stop // family)])
    return values
