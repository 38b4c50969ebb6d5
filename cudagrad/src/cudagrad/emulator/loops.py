"""Runs a compiled kernel: loops over blocks and threads, one function for each form (see forms).

    one_by_one    for each block: for each thread: body
    in_step       for each block: body, which has the loops over threads in it
    together      for each block: from barrier to barrier: for each thread: body, to its next yield
    whole_grid    the same with all blocks at once

Each function takes the kernel's own, `body`, and returns `run`, whose arguments are those of body,
the shared arrays, dims (the sizes of the grid and of the block, then the coordinates of every
thread in its block) and the record. body is not an argument of run itself, because numba does not
cache code that takes functions.
"""
# ruff: noqa: ANN201 -- numba infers the types; the coordinates have CUDA's names

from __future__ import annotations

import numpy as np

from .copies import forget
from .runtime import (
    AXIS,
    BARRIERS,
    BLOCK,
    FINISHED,
    GRID,
    INDEX,
    ORDER,
    PLACE,
    SIZE,
    SOME_LANES,
    STATE,
    THREAD,
    Dim3,
    Thread,
    address,
    compiled,
    inlined,
    place,
    rows,
    wipe,
)
from .suspended import resume, state_size, suspend
from .warps import ALL_LANES, WARP, released

FORWARD, REVERSED, RANDOM = range(3)  # orders, as they stand in the record
SIZES = 6  # that dims begins with
APART = -(2**40)  # instead of a barrier

# Orders of blocks, warps and threads. From one of n things to the next the step is the same, modulo
# n; a step that is coprime to n reaches all of them.


@compiled
def draw(record, n):
    """A random number below n, by xorshift: Marsaglia 2003, https://doi.org/10.18637/jss.v008.i14"""
    x = np.uint64(record[STATE])
    x ^= x << np.uint64(13)
    x ^= x >> np.uint64(7)
    x ^= x << np.uint64(17)
    record[STATE] = np.int64(x)
    return np.int64((x >> np.uint64(11)) % np.uint64(n))


@compiled
def order_of(record, n):
    """Which of n things is the first, and how far it is from one to the next."""
    if record[ORDER] == FORWARD:
        return 0, 1
    if record[ORDER] == REVERSED:
        return n - 1, n - 1
    step = 1 + draw(record, n)
    while not are_coprime(step, n):
        step = 1 + step % n
    return draw(record, n), step % n


@compiled
def are_coprime(a, b):
    while b:
        a, b = b, a % b
    return a == 1


@compiled
def following(i, step, n):
    """Which of n things comes next."""
    i += step
    return i - n if i >= n else i


# Coordinates. A Thread is what a kernel knows of itself.


@compiled
def grid_of(dims, record):
    """How many blocks and threads there are, and a thread that knows that much."""
    gridDim = Dim3(np.int32(dims[0]), np.int32(dims[1]), np.int32(dims[2]))
    blockDim = Dim3(np.int32(dims[3]), np.int32(dims[4]), np.int32(dims[5]))
    zero = Dim3(np.int32(0), np.int32(0), np.int32(0))
    nobody = Thread(zero, zero, blockDim, gridDim, address(record), np.int64(0))
    return dims[0] * dims[1] * dims[2], dims[3] * dims[4] * dims[5], nobody


@compiled
def block_of(nobody, record, i):
    """The same in block i; it is noted that its turn has come."""
    record[BLOCK] = i
    forget(record)
    blockIdx = place(i, nobody.gridDim)
    return Thread(
        nobody.threadIdx, blockIdx, nobody.blockDim, nobody.gridDim, nobody.record, nobody.rank
    )


@compiled
def thread_of(thread, dims, record, rank):
    """The thread of a rank in the same block as thread; it is noted that its turn has come."""
    record[THREAD] = rank
    at = SIZES + 3 * rank
    threadIdx = Dim3(np.int32(dims[at]), np.int32(dims[at + 1]), np.int32(dims[at + 2]))
    return Thread(threadIdx, thread.blockIdx, thread.blockDim, thread.gridDim, thread.record, rank)


# Forms


def one_by_one(body):
    """Run a kernel without barriers: every thread of every block, each to its end."""

    @inlined
    def run(args, shared, dims, record):
        blocks, threads, nobody = grid_of(dims, record)
        i, step = order_of(record, blocks)
        for _ in range(blocks):
            block = block_of(nobody, record, i)
            i = following(i, step, blocks)
            wipe(shared)
            rank, stride = order_of(record, threads)
            for _ in range(threads):
                body(thread_of(block, dims, record, rank), *args)
                rank = following(rank, stride, threads)
        return True

    return run


def in_step(body):
    """Run a kernel that is cut at its barriers: body does all that a block does."""

    @inlined
    def run(args, shared, dims, record):
        blocks, threads, nobody = grid_of(dims, record)
        i, step = order_of(record, blocks)
        for _ in range(blocks):
            block = block_of(nobody, record, i)
            i = following(i, step, blocks)
            wipe(shared)
            body(block, threads, dims, record, *args)
        return True

    return run


@inlined
def advance(states, first, threads, thread, record):
    """Run the threads of a block, of which the first one is given, to their next barrier.

    Its number is returned, or APART, if they are at different ones; a negative one is for the
    threads of a warp alone. A warp goes as far as it can before the next one does, and of its lanes
    those that need not wait for the others.
    """
    waiting = record[BARRIERS : BARRIERS + threads]
    warps = (threads + WARP - 1) // WARP
    warp, stride = order_of(record, warps)
    for _ in range(warps):
        start, stop = warp * WARP, min(warp * WARP + WARP, threads)
        warp = following(warp, stride, warps)
        free = ALL_LANES  # who may go on, as bits
        while free:
            lane, hop = order_of(record, stop - start)
            for _ in range(start, stop):
                if free >> lane & 1:
                    rank = start + lane
                    record[THREAD] = rank
                    waiting[rank] = resume(states, first + rank, thread)
                lane = following(lane, hop, stop - start)
            least = waiting[start:stop].min()
            if least >= FINISHED:
                free = 0
            elif least >= -SOME_LANES and waiting[start:stop].max() == least:
                free = ALL_LANES
            else:
                free = released(record, start, stop)
                if not free:
                    return APART
    return waiting[0] if waiting.min() == waiting.max() else APART


def together(body):
    """Run a kernel with barriers: the threads of a block go from one to the next together.

    body is a generator, which yields the number of the barrier it has come to. run is False if the
    threads of a block, or of a warp, are not all at the same one.
    """

    @inlined
    def run(args, shared, dims, record):
        blocks, threads, nobody = grid_of(dims, record)
        thread = body(nobody, *args)  # for its size alone
        states = np.empty(threads * state_size(thread), np.uint8)
        i, step = order_of(record, blocks)
        for _ in range(blocks):
            block = block_of(nobody, record, i)
            i = following(i, step, blocks)
            wipe(shared)
            for rank in range(threads):
                suspend(states, rank, body(thread_of(block, dims, record, rank), *args))
            barrier = APART
            while barrier != FINISHED:
                barrier = advance(states, 0, threads, thread, record)
                if barrier == APART:
                    return False
        return True

    return run


def whole_grid(body):
    """Run a kernel whose blocks wait for each other, too; each has shared memory of its own.

    run is False if the blocks are not all at the same barrier. Then it notes a block of -1, and of
    two that are at different ones their barriers and their numbers.
    """

    @inlined
    def run(args, shared, dims, record):
        blocks, threads, nobody = grid_of(dims, record)
        thread = body(nobody, *args, *rows(shared, 0))  # for its size alone
        states = np.empty(blocks * threads * state_size(thread), np.uint8)
        for i in range(blocks):
            block = block_of(nobody, record, i)
            wipe(rows(shared, i))
            for rank in range(threads):
                thread = body(thread_of(block, dims, record, rank), *args, *rows(shared, i))
                suspend(states, i * threads + rank, thread)
        reached = np.zeros(blocks, np.int64)
        running = True
        while running:
            i, step = order_of(record, blocks)
            for _ in range(blocks):
                record[BLOCK] = i
                barrier = 1
                while FINISHED < barrier < GRID:
                    barrier = advance(states, i * threads, threads, thread, record)
                if barrier == APART:
                    return False
                reached[i] = barrier
                i = following(i, step, blocks)
            if reached.min() != reached.max():
                record[BLOCK] = -1
                record[PLACE], record[AXIS] = reached.min(), reached.max()
                record[INDEX], record[SIZE] = reached.argmin(), reached.argmax()
                return False
            running = reached[0] != FINISHED
        return True

    return run
