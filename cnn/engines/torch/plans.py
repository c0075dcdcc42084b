"""Plans: the steps of a program for a population of some size, and the blocks that they run in.

A block of images goes through all steps for a group of members at a time: on a CPU in threads, on
a GPU as large as memory allows. Plans depend on shapes, and on what members share, alone.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from cnn.engines.torch import kernels
from cnn.engines.torch.kernels import Tensor
from cnn.engines.torch.lowering import Part, Products, Program, Step, steps_of

MAP_BYTES = 8_000_000  # of the largest maps of a block on a CPU; Python takes part of smaller ones
BLOCK_IMAGES = 4, 256  # on a CPU; fewer read the weights of Dense layers too often
WIDE = 64  # filters that fill the product of the first layer
THREAD_FLOATS = 4_000_000  # that steps return, below which another thread is not worth it
TASKS = 12  # enough for the threads of a CPU to end together
FEW_IMAGES = 32  # a GPU is given fewer members at a time before it is given fewer images
BYTES = 6  # for a number: four, and half as much for what a kernel needs for itself


class Plan(NamedTuple):
    """The steps that all members share, those that they do not, and who shares these.

    families: for each of the own steps, how many consecutive members share what it returns.
    """

    key: Any  # what it was made for
    shared: tuple[Step, ...]
    own: tuple[Step, ...]
    families: tuple[int, ...]
    filters: int  # of one member in the first layer of its own
    entered: int  # numbers of an image that enters for all members
    left: int  # numbers of an image that one member gives


class Blocks(NamedTuple):
    """Images of a block, members that go through it together, and the bytes that they need."""

    images: int
    group: int
    bytes: int


def plan_for(
    program: Program,
    members: int,
    counts: tuple[int, ...],
    products: Products,
    *,
    own_images: bool = False,
) -> Plan:
    """Return the steps for a population, worked out when it is first met.

    counts: how many members each weight array has; own_images: each member sees its own.
    """
    key = members, counts, products, own_images
    if key not in program.plans:
        program.plans[key] = _planned(program, *key)
    plan: Plan = program.plans[key]
    return plan


def _planned(
    program: Program,
    members: int,
    counts: tuple[int, ...],
    products: Products,
    own_images: bool,
) -> Plan:
    shared: list[Step] = []
    own: list[tuple[Step, int]] = [(Step(_entered, program.floats), 1)] * own_images
    sets, own_filters = (members, WIDE) if own_images else (1, 1)
    end = len(program.parts) - program.closing
    position = 0
    while position < len(program.parts):
        part, *following = program.parts[position : end if position < end else None]
        number = max((counts[index] for index in part.weights), default=1)
        filters = number * _depth(part)
        steps, taken = steps_of(part, following, sets=sets, filters=filters, products=products)
        if position == end:
            steps.insert(0, Step(kernels.single, 0))
        position += taken
        after = max(sets, number)
        for place, step in enumerate(steps):
            now = after if place == len(steps) - 1 else sets  # patches are of what was before
            if now == 1 < members and not own:
                shared.append(step)
            else:
                own_filters = own_filters if own else _depth(part)
                own.append((step, members // now))
        sets = after
    families = tuple(family for _, family in own)
    own_steps = tuple(step for step, _ in own)
    key = members, counts, products, own_images
    entered = 0 if own_images else program.floats
    return Plan(key, tuple(shared), own_steps, families, own_filters, entered, program.left)


def _entered(values: Tensor) -> Tensor:
    return values


def floats_of(plan: Plan, members: int) -> int:
    """Return how many numbers all steps return for an image, for all members together."""
    own = zip(plan.own, plan.families, strict=True)
    shared = sum(step.floats for step in plan.shared)
    return shared + sum(members // family * step.floats for step, family in own)


def _depth(part: Part) -> int:
    """Return the channels or neurons that a part gives."""
    size = part.operation.layer.layer_output_size
    return int(size if isinstance(size, int) else size[-1])


def choose_blocks(
    plan: Plan, members: int, images: int, *, memory_limit: int, cached: bool
) -> Blocks:
    """Choose blocks from the shapes; cached: for the cache of a CPU.

    Whole families form a group or, where memory does not allow that, an even part of one. Raises
    ValueError where one image and one member are too much.
    """
    entered = [plan.entered, *(step.floats for step in plan.shared)]
    for_image = BYTES * (_largest_pair(entered) + entered[-1] + members * plan.left)
    limit = memory_limit // 8 if cached else memory_limit
    for unit in _units(plan, members):
        own = [
            step.floats * max(1, unit // family)
            for step, family in zip(plan.own, plan.families, strict=True)
        ]
        for_unit = BYTES * _largest_pair([0, *own]) if own else 0
        units = members // unit
        if cached:
            narrow = -(-WIDE // (plan.filters * unit))
            block, group = _for_cache(4 * max(own, default=1), narrow, units, images)
        else:
            block, group = _for_memory(for_image, for_unit, units, images, limit)
        while (block, group) != (1, 1) and block * (for_image + group * for_unit) > limit:
            block, group = (block, -(-group // 2)) if group > 1 else (block // 2, group)
        needed = block * (for_image + group * for_unit)
        if needed <= memory_limit:
            return Blocks(_even(images, block), unit * _even(units, group), needed)
    raise ValueError(
        f"memory_limit must be at least {needed} bytes for one image and one network of this "
        f"size, not {memory_limit}"
    )


def _for_cache(largest: int, narrow: int, units: int, images: int) -> tuple[int, int]:
    """Return images, and as many units as make the first product wide, or more."""
    least, most = BLOCK_IMAGES
    group = min(narrow, units)
    block = min(max(MAP_BYTES // (largest * group), least), most, images)
    return block, min(max(MAP_BYTES // (largest * block), group), units)


def _for_memory(
    for_image: int, for_unit: int, units: int, images: int, limit: int
) -> tuple[int, int]:
    """Return images for all units at once, or few images for fewer units."""
    block = min(limit // max(1, for_image + units * for_unit), images)
    if block >= min(FEW_IMAGES, images):
        return block, units
    block = min(FEW_IMAGES, images)
    return block, min(max(1, (limit // block - for_image) // max(1, for_unit)), units)


def _units(plan: Plan, members: int) -> Iterator[int]:
    """Yield numbers of members that no family lies across, from the largest family down."""
    families = plan.families or (members,)
    for unit in range(families[0], 0, -1):
        if not any(unit % family and family % unit for family in families):
            yield unit


def _largest_pair(floats: Sequence[int]) -> int:
    """Return the most numbers that a step reads and writes."""
    return max(before + after for before, after in itertools.pairwise([*floats, 0]))


def _even(number: int, size: int) -> int:
    """Return a size of no more blocks, which leaves little for the last one to do twice."""
    return math.ceil(number / math.ceil(number / size))


def starts(number: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield where blocks of equal size begin, and how much of each the one before has done.

    All blocks have one shape: kernels are chosen, and compiled, for shapes.
    """
    for first in range(0, number, size):
        start = min(first, number - size)
        yield start, first - start
