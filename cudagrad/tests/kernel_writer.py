"""Random kernels, right by construction: every executor must make the same numbers of them.

Threads only share numbers between two barriers, and barriers stand where all threads come, so no
kernel has a race. What differs from one to the next is what surrounds the barriers: loops,
branches, device functions, local arrays, and variables that are kept from one to the next.
"""

from __future__ import annotations

import random

BLOCK = 64
WAYS = ("", "up_", "down_", "xor_")  # in which lanes are named
COUNTERS = ("_", "j", "k", "_rank", "step", "thread")  # of loops
HEAD = f"""\
import math

import numpy as np

from cudagrad.device import cuda, jit


@jit(device=True)
def mixed(first, second):
    if first > second:
        return first - second
    return (first * 3 + second) & 1023


@jit(device=True)
def largest(values):
    found = values[0]
    for value in values:
        found = max(found, value)
    return found


@jit(device=True)
def neighbours(shared, value, distance):
    cuda.syncthreads()
    shared[cuda.threadIdx.x] = value
    cuda.syncthreads()
    return shared[(cuda.threadIdx.x + distance) % {BLOCK}]


@jit(device=True)
def split(value):
    return value >> 3, np.int32(value & 7)


def kernel(x, n, out):
    shared = cuda.shared.array({BLOCK}, np.int64)
    square = cuda.shared.array((8, 8), np.int32)
    counts = cuda.shared.array(8, np.int32)
    mine = cuda.local.array(4, np.int64)
    t = cuda.threadIdx.x
    i = cuda.grid(1)
    for k in range(4):
        mine[k] = k
    both = (x, shared)
    a, b, c = x[t], np.int64(t), np.int64(i)
    u, v = np.int64(n), np.int64(1)
    f = np.float32(t)
"""
TAIL = """\
    out[i, 0], out[i, 1], out[i, 2] = a, b, c
    out[i, 3], out[i, 4] = u, v
    out[i, 5], out[i, 6] = largest(mine), int(f * np.float32(16))
"""


class Writer:
    """Writes the lines of one kernel.

    a, b, c and f are the threads' own; u and v are the same in all threads of a block.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lines: list[str] = []
        self.counters: list[str] = []  # of the loops around what is being written

    def text(self) -> str:
        for _ in range(4):
            self.together(1)
        return HEAD + "".join(self.lines) + TAIL

    def write(self, depth: int, line: str) -> None:
        self.lines.append("    " * depth + line + "\n")

    def uniform(self) -> str:
        """A number that all threads of a block have."""
        choices = ["u", "v", "n", "(u + v)", "(u ^ v)", "(v * 2)", "(u - n)", "cuda.blockDim.x"]
        return self.random.choice([*choices, *self.counters])

    def own(self) -> str:
        """A number that each thread has for itself."""
        first, second = self.random.choice("abc"), self.random.choice(["a", "b", "c", "t", "u"])
        forms = [
            *(f"{first} + {second}", f"{first} * {second}", f"{first} ^ {second}"),
            *(f"x[({first} + {second}) & 63]", f"mine[{first} & 3]", f"mixed({first}, {second})"),
            *(f"{first} if {second} > 20 else {second} - 1", f"max({first}, {second} & 7)"),
            *(f"{first} // (1 + ({second} & 3))", f"{first} - {self.uniform()}", "largest(mine)"),
            # Of other types in between.
            *(f"int(np.float32({first}) * np.float32(0.3))", f"int({first} / 7 + 0.5)"),
            f"np.int64(np.uint32({first} * 4099999) * 1103515245) >> 9",
            *(f"cuda.clz(t + np.int32({first} & 7))", f"np.int64(np.int8({first}))"),
            *(f"{first} % 7 - {second} ** 2", "int(f)", f"int(math.floor(f)) - {first}"),
        ]
        return f"({self.random.choice(forms)})"

    def fraction(self) -> str:
        """A small float32 that each thread has for itself."""
        forms = [
            *(f"f * np.float32(0.75) + np.float32({self.own()} & 15)", "math.sqrt(abs(f))"),
            *(f"min(f, np.float32({self.own()} & 63))", f"f / np.float32(1 + ({self.own()} & 3))"),
            *("-f if f > 9 else f + np.float32(1.5)", "np.float32(abs(f) * 0.1 + 1)"),
        ]
        return self.random.choice(forms)

    def alone(self, depth: int) -> None:
        """Statements without a barrier, which threads may run or not."""
        name, choice = self.random.choice("abc"), self.random.randrange(9)
        if choice == 0 and depth < 5:
            self.write(depth, f"if {self.own()} & 1:")
            self.alone(depth + 1)
            self.write(depth, "else:")
            self.alone(depth + 1)
        elif choice == 1 and depth < 5:
            self.write(depth, f"for turn in range({self.own()} & 3):")
            self.alone(depth + 1)
            if self.random.random() < 0.5:
                self.write(depth + 1, f"if {self.own()} & 4:")
                self.write(depth + 2, self.random.choice(["break", "continue"]))
            self.alone(depth + 1)
        elif choice == 2:
            self.write(depth, f"mine[{self.own()} & 3] = {self.own()} & 1023")
        elif choice == 3:
            self.write(depth, f"{name} += {self.own()} & 15")
        elif choice == 4:
            first, second = self.random.sample("abc", 2)
            self.write(depth, f"{first}, {second} = {second}, {first}")
        elif choice == 5:
            self.write(depth, f"f = {self.fraction()}")
        elif choice == 6:
            first, second = self.random.sample("abc", 2)
            self.write(depth, f"{first}, {second} = split({self.own()} & 1023)")
        else:
            self.write(depth, f"{name} = {self.own()} & 1023")

    def exchange(self, depth: int) -> None:
        """Threads meet, and learn something of each other."""
        name, distance = self.random.choice("abc"), self.random.randrange(1, BLOCK)
        choice = self.random.randrange(9)
        if choice == 0:
            self.write(depth, f"u = np.int64(cuda.syncthreads_count({name} & 1))")
        elif choice == 1:
            self.write(depth, f"{name} = neighbours(shared, {self.own()}, {distance}) & 1023")
        elif choice == 2:
            name = self.random.choice([name, "f"])
            self.write(depth, f"{name} = {self.warp(name)}")
        elif choice == 3:
            self.counted(depth, name)
        elif choice == 4:
            self.write(depth, "cuda.syncthreads()")
            self.write(depth, f"square[t // 8, t % 8] = {self.own()} & 1023")
            self.write(depth, "cuda.syncthreads()")
            self.write(depth, f"{name} = square[t % 8, t // 8] + largest(square[{name} & 7])")
        else:
            to, of = (self.random.choice(["shared", "both[1]"]) for _ in range(2))
            self.write(depth, "cuda.syncthreads()")
            self.write(depth, f"{to}[t] = {self.own()}")
            self.alone(depth)
            self.write(depth, "cuda.syncthreads()")
            self.write(depth, f"{name} = {of}[(t + {distance}) % {BLOCK}] & 1023")
            if choice == 5:
                self.write(depth, f"v = {of}[0] & 7")

    def warp(self, name: str) -> str:
        """What the threads of a warp learn of each other."""
        lane = f"np.int32({self.uniform()} & 31)"
        forms = [f"cuda.shfl_{way}sync(0xFFFFFFFF, {name}, {lane})" for way in WAYS]
        if name == "f":
            return self.random.choice(forms)
        vote = f"sync(0xFFFFFFFF, {self.own()} & 1)"
        forms += [
            f"cuda.popc(cuda.ballot_{vote})",
            f"int(cuda.any_{vote})",
            f"int(cuda.all_{vote})",
        ]
        forms += [f"cuda.popc(cuda.match_any_sync(0xFFFFFFFF, np.int32({name} & 3)))"]
        return self.random.choice(forms)

    def counted(self, depth: int, name: str) -> None:
        """Atomic operations of one kind, whose order makes no difference."""
        kind = self.random.choice(["add", "max", "min", "xor", "or_", "and_"])
        self.write(depth, "cuda.syncthreads()")
        self.write(depth, "if t < 8:")
        self.write(depth + 1, "counts[t] = t * 5")
        self.write(depth, "cuda.syncthreads()")
        self.write(depth, f"cuda.atomic.{kind}(counts, {self.own()} & 7, {self.own()} & 63)")
        self.write(depth, "cuda.syncthreads()")
        self.write(depth, f"{name} = np.int64(counts[{name} & 7])")

    def together(self, depth: int) -> None:
        """Statements that all threads of a block run, with barriers."""
        choice = self.random.randrange(6)
        if depth > 3 or choice < 2:
            self.alone(depth)
            self.exchange(depth)
        elif choice == 2:
            self.write(depth, f"if {self.uniform()} & 1:")
            self.together(depth + 1)
            if self.random.random() < 0.5:
                self.write(depth, "else:")
                self.together(depth + 1)
        elif choice == 3:
            self.loop(depth, f"range(1 + ({self.uniform()} & 1))")
        elif choice == 4:
            self.loop(depth, f"range({self.uniform()} & 3, 5, 2)")
        else:
            self.alone(depth)
            self.together(depth)

    def loop(self, depth: int, numbers: str) -> None:
        self.counters.append(self.random.choice(COUNTERS))
        self.write(depth, f"for {self.counters[-1]} in {numbers}:")
        self.together(depth + 1)
        if self.random.random() < 0.3:
            self.write(depth + 1, f"if {self.uniform()} > 5:")
            self.write(depth + 2, self.random.choice(["break", "continue"]))
            self.alone(depth + 1)
        self.counters.pop()
        if self.random.random() < 0.2:
            self.write(depth, "else:")
            self.alone(depth + 1)
