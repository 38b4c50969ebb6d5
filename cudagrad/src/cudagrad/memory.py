"""How much device memory is held, and how well the cache does: torch.cuda's names and meaning.

https://docs.pytorch.org/docs/stable/cuda.html#memory-management
"""

from __future__ import annotations

from dataclasses import asdict

from . import device
from .allocator import OutOfMemoryError as OutOfMemoryError
from .allocator import readable


def memory_allocated() -> int:
    """Bytes of the blocks that arrays hold; a block is rounded up to its class."""
    return device.allocator.statistics.allocated


def max_memory_allocated() -> int:
    """The most that memory_allocated() has been, since the last reset_peak_memory_stats()."""
    return device.allocator.statistics.peak_allocated


def memory_reserved() -> int:
    """Bytes taken from the device: those that arrays hold, and the cache."""
    return device.allocator.statistics.reserved


def max_memory_reserved() -> int:
    """The most that memory_reserved() has been, since the last reset_peak_memory_stats()."""
    return device.allocator.statistics.peak_reserved


def reset_peak_memory_stats() -> None:
    """Let max_memory_allocated() and max_memory_reserved() begin anew, from what is held now."""
    device.allocator.reset_peak()


def empty_cache() -> None:
    """Give all memory that no array, and no captured graph, holds a part of back to the device."""
    device.allocator.empty_cache()


def set_per_process_memory_fraction(fraction: float) -> None:
    """Reserve at most this part of the device's memory; 1 is all of it.

    What is reserved stays so: call empty_cache() to give back what is more.
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"set_per_process_memory_fraction: {fraction} is not in (0, 1]")
    device.allocator.limit = int(fraction * device.executor.total_memory())


def memory_stats() -> dict[str, int]:
    """All that is counted, by name: see allocator.Statistics."""
    return asdict(device.allocator.statistics)


def memory_summary() -> str:
    """All that is counted, as a table."""
    s = device.allocator.statistics
    served = s.hits + s.misses
    share = f"{s.hits / served:.1%}" if served else "-"
    rows = [
        ("held by arrays", readable(s.allocated), readable(s.peak_allocated)),
        ("  of which wanted", readable(s.requested), ""),
        ("reserved", readable(s.reserved), readable(s.peak_reserved)),
        ("  of which cached", readable(s.reserved - s.allocated), ""),
        ("blocks held", str(s.live), ""),
        ("allocations", str(served), ""),
        ("  of which cached", f"{s.hits} ({share})", ""),
    ]
    lines = [f"{name:<20} {now:>16} {peak:>14}" for name, now, peak in rows]
    return "\n".join([f"{'memory':<20} {'now':>16} {'peak':>14}", *map(str.rstrip, lines)])
