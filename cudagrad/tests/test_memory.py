"""The allocator: what is reused, what must not be, what is counted, and what happens at the end."""

from __future__ import annotations

import gc
import itertools
from typing import Any

import numpy as np
import pytest

import cudagrad
from cudagrad import arrays, device, engine, memory
from cudagrad.allocator import SEGMENT, SMALL, Allocator, OutOfMemoryError, readable, size_class

needs_emulator = pytest.mark.skipif(device.EXECUTOR == "gpu", reason="needs memory of the host")

GONE = 99  # a stream that is no more


class Machine:
    """A source of 16 MiB, whose segments are numbers and whose events are over when told so."""

    stream = 0

    def __init__(self, size: int = 16 << 20) -> None:
        self.size = size
        self.held: dict[int, int] = {}
        self.reserved = 0
        self.over: set[str] = set()
        self.waits = 0

    def reserve(self, size: int) -> int:
        if size > self.size - sum(self.held.values()):
            raise MemoryError
        self.reserved += 1
        self.held[self.reserved] = size
        return self.reserved

    def release(self, memory: int) -> None:
        del self.held[memory]

    def total_memory(self) -> int:
        return self.size

    def record_event(self, stream: int) -> str:
        if stream == GONE:
            raise RuntimeError("cuEventRecord: invalid resource handle")
        return f"event of {stream}"

    def event_is_over(self, event: str) -> bool:
        return event in self.over

    def synchronize(self) -> None:
        self.waits += 1
        self.over |= {f"event of {stream}" for stream in range(10)}


@pytest.fixture
def machine() -> Machine:
    return Machine()


def place(lease: Any) -> tuple[int, int]:
    return lease.block.segment.memory, lease.block.offset


@pytest.mark.parametrize("wanted", [1, 511, 512, 513, 2049, 40_000, SMALL, SMALL + 1, 10**9])
def test_a_class_holds_what_is_wanted_and_not_much_more(wanted: int) -> None:
    size = size_class(wanted)

    assert wanted <= size <= max(wanted * 1.25, wanted + 511)
    assert size % 512 == 0
    assert size_class(size) == size


def test_what_was_given_back_is_handed_out_again(machine: Machine) -> None:
    allocator = Allocator(machine)
    first = allocator.allocate(1000)
    second = allocator.allocate(1000)
    where = place(first)
    assert where != place(second)

    del first
    again = allocator.allocate(900)  # of the same class
    assert place(again) == where
    assert (allocator.statistics.hits, allocator.statistics.misses) == (2, 1)
    assert machine.held == {1: SEGMENT}


def test_blocks_do_not_overlap() -> None:
    allocator = Allocator(Machine(256 << 20))
    rng = np.random.default_rng(0)
    leases = [allocator.allocate(int(n)) for n in rng.integers(1, 2**18, 40)]
    taken: dict[int, list[tuple[int, int]]] = {}
    for lease in leases:
        block = lease.block
        assert block.offset + block.size <= block.segment.size
        taken.setdefault(block.segment.memory, []).append((block.offset, block.size))

    for parts in taken.values():
        parts.sort()
        for (start, size), (following, _) in itertools.pairwise(parts):
            assert start + size <= following


def test_all_is_counted(machine: Machine) -> None:
    allocator = Allocator(machine)
    statistics = allocator.statistics
    small, large = allocator.allocate(1000), allocator.allocate(3 << 20)

    assert (statistics.live, statistics.requested) == (2, 1000 + (3 << 20))
    assert statistics.allocated == 1024 + (3 << 20)
    assert statistics.reserved == SEGMENT + (3 << 20)
    del small, large
    assert (statistics.live, statistics.requested, statistics.allocated) == (0, 0, 0)
    assert statistics.reserved == statistics.peak_reserved == SEGMENT + (3 << 20)
    assert statistics.peak_allocated == 1024 + (3 << 20)
    allocator.reset_peak()
    assert (statistics.peak_allocated, statistics.peak_reserved) == (0, statistics.reserved)


def test_emptying_the_cache_gives_back_what_no_array_has_a_part_of(machine: Machine) -> None:
    allocator = Allocator(machine)
    small, neighbour = allocator.allocate(1000), allocator.allocate(1000)
    large, other = allocator.allocate(3 << 20), allocator.allocate(5000)
    del small, large, other
    allocator.empty_cache()

    assert machine.held == {place(neighbour)[0]: SEGMENT}
    assert allocator.statistics.reserved == SEGMENT
    again = allocator.allocate(1000)
    assert place(again)[0] == place(neighbour)[0]
    del neighbour, again
    allocator.empty_cache()
    assert not machine.held


def test_out_of_memory_is_an_error_only_when_the_cache_does_not_help(machine: Machine) -> None:
    allocator = Allocator(machine)
    first = allocator.allocate(9 << 20)
    del first
    second = allocator.allocate(12 << 20)  # does not fit beside the cached block
    assert machine.held == {2: 12 << 20}

    with pytest.raises(OutOfMemoryError) as caught:
        allocator.allocate(5 << 20)
    assert str(caught.value) == (
        "out of memory: 5.00 MiB are wanted, and no 5.00 MiB can be reserved, although the cache "
        "was given back: arrays hold 12.00 MiB of 12.00 MiB reserved, with 16.00 MiB in all; "
        "use smaller batches, or delete what is not needed"
    )
    del second
    assert allocator.allocate(5 << 20).block.size == 5 << 20


def test_a_limit_is_kept(machine: Machine) -> None:
    allocator = Allocator(machine, limit=4 << 20)
    kept = [allocator.allocate(2 << 20) for _ in range(2)]

    with pytest.raises(OutOfMemoryError, match=r"with a limit of 4\.00 MiB"):
        allocator.allocate(1)
    assert len(kept) == 2


def test_a_cycle_is_collected_before_memory_is_said_to_be_out(machine: Machine) -> None:
    allocator = Allocator(machine)
    cycle: list[Any] = [allocator.allocate(10 << 20)]
    cycle.append(cycle)
    gc.disable()
    try:
        del cycle
        assert allocator.allocate(10 << 20).block.size == 10 << 20
    finally:
        gc.enable()


def test_streams_do_not_get_each_others_blocks(machine: Machine) -> None:
    allocator = Allocator(machine)
    first = allocator.allocate(1000)
    where = place(first)
    del first
    machine.stream = 1
    other = allocator.allocate(1000)
    assert place(other) != where
    machine.stream = 0
    assert place(allocator.allocate(1000)) == where


def test_a_block_used_by_another_stream_waits_for_it(machine: Machine) -> None:
    allocator = Allocator(machine)
    lease = allocator.allocate(1000)
    where = place(lease)
    allocator.record(lease.block, 7)
    allocator.record(lease.block, 0)  # its own needs no event
    del lease
    waiting = allocator.allocate(1000)
    assert place(waiting) != where

    machine.over.add("event of 7")
    assert place(allocator.allocate(1000)) == where


def test_other_streams_are_waited_for_before_memory_is_said_to_be_out(machine: Machine) -> None:
    allocator = Allocator(machine)
    lease = allocator.allocate(10 << 20)
    allocator.record(lease.block, 7)
    del lease
    assert allocator.allocate(4 << 20).block.size == 4 << 20
    assert machine.waits == 0

    assert allocator.allocate(12 << 20).block.size == 12 << 20
    assert machine.waits == 1


def test_a_block_used_by_a_stream_that_is_gone_waits_for_all(machine: Machine) -> None:
    allocator = Allocator(machine)
    lease = allocator.allocate(SMALL + 1)
    allocator.record(lease.block, 7)
    allocator.record(lease.block, GONE)
    where = place(lease)
    del lease
    assert machine.waits == 1
    assert place(allocator.allocate(SMALL + 1)) == where

    allocator.empty_cache()
    assert allocator.statistics.reserved == 0


def test_sizes_are_readable() -> None:
    assert [readable(n) for n in (0, 1, 1023, 1024, 1536 * 1024, 3 << 40)] == [
        "0 bytes",
        "1 byte",
        "1023 bytes",
        "1.00 KiB",
        "1.50 MiB",
        "3.00 TiB",
    ]


# The engine's memory


@pytest.mark.usefixtures("collector_off")
def test_tensors_hold_memory_as_long_as_they_are_there() -> None:
    before = memory.memory_allocated()
    x = cudagrad.tensor(np.zeros((100, 100), np.float32), requires_grad=True)
    assert memory.memory_allocated() == before + size_class(40_000)
    reshaped = cudagrad.ops.reshape(x, (10_000,)).detach()
    assert memory.memory_allocated() == before + size_class(40_000)

    del x
    assert memory.memory_allocated() == before + size_class(40_000)
    del reshaped
    assert memory.memory_allocated() == before


@pytest.mark.usefixtures("collector_off")
def test_backward_frees_what_it_does_not_need() -> None:
    x = cudagrad.tensor(np.ones((50, 50), np.float32), requires_grad=True)
    cudagrad.ops.sum(x).backward()
    x.grad = None
    before = memory.memory_allocated()
    loss = cudagrad.ops.sum(cudagrad.ops.exp(cudagrad.ops.exp(x)))
    assert memory.memory_allocated() > before

    loss.backward()
    del loss
    assert memory.memory_allocated() == before + size_class(10_000)  # the gradient


@pytest.mark.usefixtures("collector_off")
def test_what_only_an_unneeded_gradient_keeps_is_freed_at_once() -> None:
    @engine.op
    def scaled(x: Any, weight: Any) -> Any:
        columns = arrays.zeros((50, 50), x.dtype)
        return arrays.copy(x), (lambda dout: dout, lambda dout: columns)

    x, weight = (
        cudagrad.tensor(np.ones((50, 50), np.float32), requires_grad=True) for _ in range(2)
    )
    before = memory.memory_allocated()
    y = scaled(x, weight)
    assert memory.memory_allocated() == before + 2 * size_class(10_000)

    weight.requires_grad = False
    y = scaled(x, weight)
    assert memory.memory_allocated() == before + size_class(10_000)
    y.sum().backward()


@pytest.mark.usefixtures("collector_off")
def test_the_peak_is_that_since_the_reset() -> None:
    cudagrad.reset_peak_memory_stats()
    before = cudagrad.memory_allocated()
    x = cudagrad.tensor(np.zeros(5000))
    del x

    assert cudagrad.memory_allocated() == before
    assert cudagrad.max_memory_allocated() == before + size_class(40_000)
    cudagrad.reset_peak_memory_stats()
    assert cudagrad.max_memory_allocated() == before
    assert cudagrad.max_memory_reserved() == cudagrad.memory_reserved()


def test_the_cache_is_emptied() -> None:
    x = cudagrad.tensor(np.zeros(2**20))
    reserved = cudagrad.memory_reserved()
    del x
    assert cudagrad.memory_reserved() == reserved
    cudagrad.empty_cache()

    assert cudagrad.memory_reserved() <= reserved - 2**23
    assert cudagrad.memory_reserved() >= cudagrad.memory_allocated()


def test_the_summary_says_what_the_statistics_say() -> None:
    kept = cudagrad.tensor(np.zeros(3000))
    statistics, summary = cudagrad.memory_stats(), cudagrad.memory_summary()

    held, reserved = (readable(statistics[name]) for name in ("allocated", "reserved"))
    lines = {line[:20].strip(): line[20:].split() for line in summary.splitlines()}
    assert " ".join(lines["held by arrays"]).startswith(held)
    assert " ".join(lines["reserved"]).startswith(reserved)
    assert lines["blocks held"] == [str(statistics["live"])]
    assert lines["allocations"] == [str(statistics["hits"] + statistics["misses"])]
    assert kept.shape == (3000,)


def test_a_fraction_of_memory_is_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device.allocator, "limit", None)
    total = device.executor.total_memory()
    cudagrad.set_per_process_memory_fraction(0.5)
    assert device.allocator.limit == total // 2
    cudagrad.empty_cache()
    device.allocator.limit = cudagrad.memory_reserved() + 2**20

    with pytest.raises(cudagrad.OutOfMemoryError, match=r"out of memory: 8\.00 MiB are wanted"):
        cudagrad.ops.zeros((2**21,))
    for fraction in (0.0, -1.0, 1.5):
        with pytest.raises(ValueError, match=r"is not in \(0, 1\]"):
            cudagrad.set_per_process_memory_fraction(fraction)


@needs_emulator
def test_memory_handed_out_again_is_poisoned() -> None:
    first = device.to_device(np.arange(300.0))
    where = device.executor.address(first)
    del first
    again = device.empty((300,), np.float64)
    assert device.executor.address(again) == where
    assert np.isnan(device.to_host(again)).all()
    integers = device.empty((3,), np.int32)
    assert device.to_host(integers).tolist() == [0x6D6D6D6D] * 3


@pytest.mark.parametrize("size", [1, 31, 33, 1025, 65_537, 300_001])
def test_round_trips_lose_nothing(size: int) -> None:
    rng = np.random.default_rng(size)
    for dtype in (np.float32, np.float64, np.int64, np.uint8):
        data = np.frombuffer(rng.bytes(size * np.dtype(dtype).itemsize), dtype)
        back = device.to_host(device.to_device(data))
        assert back.tobytes() == data.tobytes()  # every NaN with its bits


def test_blocks_are_aligned() -> None:
    for size in (1, 5, 1000, 10**6):
        assert device.executor.address(device.empty((size,), np.float32)) % 256 == 0
