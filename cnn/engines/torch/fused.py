"""A product of patches, its bias, activation and pooling as one kernel, written in Triton.

Members lie outermost in memory: maps (sets, images, rows, columns, channels), each set for as many
consecutive members as there are members to a set. A program of the kernel multiplies the patches
of some pooled positions by some filters of one set, once for each place in a pooling's window, and
writes the largest, or the mean. So neither patches nor what is pooled away ever lie in memory,
whose speed is what limits the other ways on a GPU.

Triton comes with PyTorch's builds for CUDA on Linux. Products of float32 are made of three of
TF32, which keeps them as exact as float32 (Ootomo & Yokota 2022, 10.1177/10943420221090256).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl

from cnn.layers.window import Window

Tensor = Any  # torch.Tensor

PRECISIONS = {"float32": "tf32x3", "tf32": "tf32", "bfloat16": "ieee"}  # as Triton calls them


class After(NamedTuple):
    """What follows a product within the kernel."""

    activation: str | None = None  # "relu", "leaky_relu"
    slope: float = 0.0  # of leaky_relu
    down: int = 1  # rows of a pooling's window, and its stride
    across: int = 1
    mean: bool = False  # of the window, instead of the largest


class Tiles(NamedTuple):
    """Positions and filters of a program, taps that it takes at a time, and its threads."""

    positions: int
    filters: int
    taps: int
    warps: int
    stages: int


def convolve(
    maps: Tensor,
    filters: Tensor,
    bias: Tensor | None = None,
    *,
    rows: Window,
    columns: Window,
    after: After,
    precision: str,
) -> Tensor:
    """Convolve maps (images, …, sets, channels) with filters (members, filters, kh, kw, channels).

    They are padded already. The maps that it returns have the members outermost in memory.
    """
    laid = maps.permute(3, 0, 1, 2, 4).contiguous()
    images, height, width = laid.shape[1:4]
    members, depth = filters.shape[:2]
    down = rows.outputs(height) // after.down
    across = columns.outputs(width) // after.across
    out = laid.new_empty((members, images, down, across, depth))
    _launch(laid, filters, bias, out, rows, columns, after, precision)
    return out.permute(1, 2, 3, 0, 4)


def multiply(
    features: Tensor, weights: Tensor, bias: Tensor | None = None, *, precision: str
) -> Tensor:
    """Multiply features (sets, images, inputs) by weights (members, neurons, inputs)."""
    laid = features.contiguous()[:, :, None, None]
    out = laid.new_empty((len(weights), laid.shape[1], weights.shape[1]))
    one = Window(1, 1)
    _launch(laid, weights, bias, out, one, one, After(), precision)
    return out


LEAST_RUN = 16
"""Fewer taps that lie beside each other are not read alone: a product takes 16 at a time."""


def tiles_for(run: int, columns: int, depth: int, *, flat: bool) -> Tiles:
    """Return what suits a product; it depends on shapes alone, for its bits do.

    The fastest on an H200 of 12 to 14 each for twelve layers, TFLOP/s of float32: MNIST's second
    layer (8 channels, 16 filters of 3 x 3) 24, CIFAR-10's (16, 32) 41, first layers 28 to 38,
    dense layers of 64 neurons 62, of 10 neurons 11.
    """
    wide_runs = run % 32 == 0 or run > 64
    if columns <= 16:
        return Tiles(64, 16, 32, 4, 3) if wide_runs or flat else Tiles(64, 16, 16, 2, 3)
    if columns <= 32:
        return Tiles(128, 32, 32 if wide_runs or flat else 16, 4, 3)
    if depth < 8:  # whose outputs lie scattered: 9.5 TFLOP/s with two filters, 3.4 as below
        return Tiles(64, 32, 32, 4, 3)
    if run <= 16:
        return Tiles(64, 64, 16, 4, 3)
    return Tiles(128, 64, 32, 4, 3)


def _launch(
    laid: Tensor,
    filters: Tensor,
    bias: Tensor | None,
    out: Tensor,
    rows: Window,
    columns: Window,
    after: After,
    precision: str,
) -> None:
    sets, _, height, width, channels = laid.shape
    members, depth = filters.shape[:2]
    beside = members // sets * depth
    down, across = out.shape[2:4] if out.ndim == 5 else (1, 1)
    positions = out[0].numel() // depth
    taps = rows.size * columns.size * channels
    beside_each_other = channels * (columns.size if columns.dilation == 1 else 1)
    flat = beside_each_other < min(LEAST_RUN, taps)
    run = taps if flat else beside_each_other
    tiles = tiles_for(run, beside, depth, flat=flat)
    grid = (triton.cdiv(positions, tiles.positions), triton.cdiv(beside, tiles.filters), sets)
    _products[grid](
        laid,
        filters,
        laid if bias is None else bias,
        out,
        positions,
        height * width * channels,
        laid.stride(0),
        beside,
        DOWN=down,
        ACROSS=across,
        WIDTH=width,
        CHANNELS=channels,
        TAPS=taps,
        RUN=run,
        RUNS=taps // run,
        FLAT=flat,
        RUN_BLOCKS=triton.cdiv(run, tiles.taps),
        ROW_TAPS=columns.size * channels,
        ROW_STRIDE=rows.stride,
        COLUMN_STRIDE=columns.stride,
        ROW_DILATION=rows.dilation,
        COLUMN_DILATION=columns.dilation,
        FILTERS=depth,
        BIASED=bias is not None,
        ACTIVATION=after.activation or "",
        SLOPE=after.slope,
        POOL_DOWN=after.down,
        POOL_ACROSS=after.across,
        MEAN=after.mean,
        PRECISION=PRECISIONS[precision],
        BLOCK_POSITIONS=tiles.positions,
        BLOCK_FILTERS=tiles.filters,
        BLOCK_TAPS=tiles.taps,
        num_warps=tiles.warps,
        num_stages=tiles.stages,
    )


@triton.jit(do_not_specialize=["positions", "beside"])  # type: ignore[untyped-decorator] # Triton's
def _products(  # type: ignore[no-untyped-def] # Triton reads annotations as its own
    maps,
    filters,
    bias,
    out,
    positions,  # of one set: images · DOWN · ACROSS
    image_stride,
    set_stride,
    beside,  # filters of all members that share a set
    DOWN: tl.constexpr,
    ACROSS: tl.constexpr,
    WIDTH: tl.constexpr,
    CHANNELS: tl.constexpr,
    TAPS: tl.constexpr,
    RUN: tl.constexpr,
    RUNS: tl.constexpr,
    FLAT: tl.constexpr,
    RUN_BLOCKS: tl.constexpr,
    ROW_TAPS: tl.constexpr,
    ROW_STRIDE: tl.constexpr,
    COLUMN_STRIDE: tl.constexpr,
    ROW_DILATION: tl.constexpr,
    COLUMN_DILATION: tl.constexpr,
    FILTERS: tl.constexpr,
    BIASED: tl.constexpr,
    ACTIVATION: tl.constexpr,
    SLOPE: tl.constexpr,
    POOL_DOWN: tl.constexpr,
    POOL_ACROSS: tl.constexpr,
    MEAN: tl.constexpr,
    PRECISION: tl.constexpr,
    BLOCK_POSITIONS: tl.constexpr,
    BLOCK_FILTERS: tl.constexpr,
    BLOCK_TAPS: tl.constexpr,
):
    position = tl.program_id(0) * BLOCK_POSITIONS + tl.arange(0, BLOCK_POSITIONS)
    column = tl.program_id(1) * BLOCK_FILTERS + tl.arange(0, BLOCK_FILTERS)
    own = tl.program_id(2).to(tl.int64)
    exists, wanted = position < positions, column < beside

    image, place = position // (DOWN * ACROSS), position % (DOWN * ACROSS)
    first_row = place // ACROSS * (POOL_DOWN * ROW_STRIDE)
    first_column = place % ACROSS * (POOL_ACROSS * COLUMN_STRIDE)
    corner = image.to(tl.int64) * image_stride + (first_row * WIDTH + first_column) * CHANNELS
    corner += own * set_stride
    filters += own * beside * TAPS
    shift = tl.zeros((BLOCK_FILTERS,), tl.float32)
    if BIASED:
        shift = tl.load(bias + own * beside + column, mask=wanted, other=0).to(tl.float32)

    pooled = tl.zeros((BLOCK_POSITIONS, BLOCK_FILTERS), tl.float32)
    for phase in range(POOL_DOWN * POOL_ACROSS):
        down, across = phase // POOL_ACROSS * ROW_STRIDE, phase % POOL_ACROSS * COLUMN_STRIDE
        moved = corner + (down * WIDTH + across) * CHANNELS
        sums = tl.zeros((BLOCK_POSITIONS, BLOCK_FILTERS), tl.float32)
        for block in range(RUNS * RUN_BLOCKS):
            run, start = block // RUN_BLOCKS, block % RUN_BLOCKS * BLOCK_TAPS
            within = start + tl.arange(0, BLOCK_TAPS)
            tap, there = run * RUN + within, within < RUN
            if FLAT:  # of any taps
                beyond = tap % ROW_TAPS // CHANNELS * COLUMN_DILATION * CHANNELS + tap % CHANNELS
                offset = tap // ROW_TAPS * (ROW_DILATION * WIDTH * CHANNELS) + beyond
            else:  # that lie beside each other in memory, and are read in wide words
                row, beside_row = run * RUN // ROW_TAPS, run * RUN % ROW_TAPS // CHANNELS
                offset = (row * ROW_DILATION * WIDTH + beside_row * COLUMN_DILATION) * CHANNELS
                offset += within
            patches = tl.load(
                maps + moved[:, None] + offset[None, :],
                mask=exists[:, None] & there[None, :],
                other=0,
            )
            weights = tl.load(
                filters + column[None, :] * TAPS + tap[:, None],
                mask=wanted[None, :] & there[:, None],
                other=0,
            )
            sums = tl.dot(patches, weights, sums, input_precision=PRECISION)
        sums += shift[None, :]
        if ACTIVATION == "relu":
            sums = tl.where(sums < 0, 0.0, sums)  # NaN stays
        elif ACTIVATION == "leaky_relu":
            sums = tl.where(sums < 0, SLOPE * sums, sums)
        if MEAN:
            pooled += sums
        elif phase == 0:
            pooled = sums
        else:
            pooled = tl.maximum(pooled, sums, propagate_nan=tl.PropagateNan.ALL)
    if MEAN:
        pooled /= POOL_DOWN * POOL_ACROSS

    member = own * (beside // FILTERS) + column // FILTERS
    written = member * positions * FILTERS + column % FILTERS
    tl.store(
        out + written[None, :] + position[:, None].to(tl.int64) * FILTERS,
        pooled.to(out.dtype.element_ty),
        mask=exists[:, None] & wanted[None, :],
    )
