"""A training step captured once and replayed: its launches as one call.

Every launch costs microseconds of Python, for which a small model waits. A captured graph holds the
launches with their arguments. On a GPU a replay is one call of the driver, on the emulator a loop
over the list. During the capture nothing runs, as in torch.cuda.graph.

A replay makes the very same launches again. From that follow the rules:

- Arrays stay where they are. New data is copied over the old input, and the next replay overwrites
  the results. What the step allocates comes from memory that belongs to the graph. load_state_dict
  and nn.init write in place. But Module.to() makes new arrays, and the first step of an optimizer
  of several parameters moves them (see optim.Optimizer): capture after that.
- Modules keep their mode (train, eval), what is frozen stays so, and so do autocast and the
  precision of products.
- No number is copied to or from the host within the step.
- A number among a launch's arguments stays what it was, unless the launch is made in a
  `device.live` function, as those of optimizers are, or the number is a `device.late` one, as those
  of the random generator are. Both are called again before every replay, so learning rates, bias
  corrections and dropout go on as they would without a graph.
- What a step needs of the one before it must lie where it lay during the capture: in parameters and
  optimizer states, which are written in place. Gradients are made afresh (call zero_grad first).

Breaking a rule is an error of `graphed`. Where a launch had a number or an array from, no capture
sees. So it captures a step twice: what differs between the two would be frozen. A CUDAGraph knows
nothing of tensors and modules: there, the first two rules are up to its user. What an op refuses by
looking at numbers, such as an index out of range, is refused after the replay.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import arguments, arrays, device, launches, writes
from .allocator import Pool
from .arrays import Array
from .capture import (
    Args,
    Capture,
    CaptureError,
    Late,
    Live,
    Relaunch,
    are_equal,
    is_array,
    is_late,
    name_of,
    now,
    parts,
    place,
    renewed,
)
from .engine import Tensor, current_cast, tensor
from .kernels import functions as f
from .launches import Launcher
from .precision import get_float32_matmul_precision


class CUDAGraph:
    """Launches to be captured, by `graph`, and replayed; torch.cuda.CUDAGraph.

    https://docs.pytorch.org/docs/stable/generated/torch.cuda.CUDAGraph.html
    """

    def __init__(self) -> None:
        self._capture: Capture | None = None
        self._executable: Any = None  # made for the first replay
        self._flag: Array | None = None  # whether any check has failed
        self._places: list[writes.Place] = []  # which a replay writes over

    def capture_begin(self, skips_live: bool = False) -> None:
        """Keep what is launched from here on, instead of launching it.

        skips_live: leave out live parts, for a capture that will not be replayed.
        """
        if _recorder() is not None:
            raise CaptureError("a graph is captured within another, or within a replay")
        self.reset()
        self._capture = Capture(Pool(), skips_live)
        launches.recorder.set(self._capture)

    def capture_end(self) -> None:
        """Make a graph of what was kept since capture_begin()."""
        capture = self._captured()
        if launches.recorder.get() is not capture:
            raise CaptureError("a capture ends once, and in the thread in which it began")
        try:
            if capture.checks:
                flags = [arrays.flat(flag) for flag, _ in capture.checks]
                either = functools.partial(arrays.apply, f.either)
                self._flag = functools.reduce(either, flags)
        finally:
            launches.recorder.set(None)
        outside = [(start, stop) for start, stop, _ in writes.since(capture.start)]
        self._places = [*capture.segments.values(), *outside]

    def replay(self) -> None:
        """Run the captured launches; the first time with the numbers of the capture itself.

        Raises what an op within would have raised on seeing numbers that it refuses.
        """
        capture = self._captured()
        if _recorder() is not None:
            raise CaptureError("a graph is replayed while one is captured")
        if self._executable is None:
            runs = [(launcher.run, now(args)) for launcher, args in capture.launches]
            self._executable = device.executor.graph(runs)
        else:
            self._renew(capture)
        self._executable.replay()
        writes.note(self._places)
        launches.replayed((launcher, now(args)) for launcher, args in capture.launches)
        if self._flag is not None and arrays.item(self._flag):
            for flag, error in capture.checks:
                if arrays.item(flag):
                    raise error()

    def reset(self) -> None:
        """Forget what was captured; its memory is free once no array holds it.

        A capture that has not ended does so: launches are made again. So does one whose graph is
        dropped. If that happens in another thread, the next op of the capture's own is an error.
        """
        capture, self._capture = self._capture, None
        if capture is not None:
            capture.is_over = True
            if launches.recorder.get() is capture:
                launches.recorder.set(None)
            device.executor.synchronize()  # a replay may still be running
            self._executable = self._flag = None
            device.allocator.retire(capture.pool)

    @property
    def launched(self) -> list[tuple[Launcher, Args]]:
        """What a replay launches, in order."""
        return list(self._captured().launches)

    def pool(self) -> Pool:
        """The memory of the graph."""
        return self._captured().pool

    def _captured(self) -> Capture:
        if self._capture is None:
            raise RuntimeError("a graph must be captured before it can be used")
        return self._capture

    def _renew(self, capture: Capture) -> None:
        """Update the numbers of launches that are live or late."""
        for renewal in capture.renewals:
            if isinstance(renewal, Late):
                renewal.renew()
            else:
                self._relaunch(capture, renewal)
        for index, (_, args) in enumerate(capture.launches):
            if is_late(args):
                self._executable.update(index, now(args))

    def _relaunch(self, capture: Capture, part: Live) -> None:
        """Call a live function again, and update its launches with the numbers of now."""
        again = Relaunch()
        with launches.recording(again):
            part.function()
        before = capture.launches[part.start : part.stop]
        names = [
            [launcher.kernel.__name__ for launcher, _ in run] for run in (before, again.launches)
        ]
        if names[0] != names[1]:
            raise CaptureError(
                f"a live part of the step launched {', '.join(names[0]) or 'nothing'} when it was "
                f"captured, and now {', '.join(names[1]) or 'nothing'}: a graph's launches stay"
            )
        for index, (old, new) in enumerate(zip(before, again.launches, strict=True), part.start):
            args = renewed(old, new)
            if args is not None:
                capture.launches[index] = (old[0], args)
                self._executable.update(index, args)

    def __del__(self) -> None:
        if not sys.is_finalizing():
            self.reset()


def _recorder() -> launches.Recorder | None:
    """This thread's recorder, unless it is a capture that has been dropped elsewhere."""
    found = launches.recorder.get()
    return None if isinstance(found, Capture) and found.is_over else found


@contextlib.contextmanager
def graph(cuda_graph: CUDAGraph, skips_live: bool = False) -> Iterator[None]:
    """Capture into a graph what is launched inside, and run nothing of it; torch.cuda.graph.

    Take the step once or twice before: kernels are compiled, layouts copied to the device and
    optimizer states made then. skips_live: see capture_begin.
    """
    if not isinstance(cuda_graph, CUDAGraph):
        raise TypeError(f"graph: expected a CUDAGraph, not {name_of(cuda_graph)}")
    cuda_graph.capture_begin(skips_live)
    try:
        yield
    except BaseException:
        cuda_graph.reset()
        raise
    cuda_graph.capture_end()


class graphed:  # noqa: N801 -- used as a decorator, like a function
    """A training step, or any function that launches kernels, that is captured and then replayed.

    >>> import cudagrad
    >>> from cudagrad import nn, ops, optim
    >>> layer = nn.Linear(3, 2)
    >>> optimizer = optim.AdamW(layer.parameters())
    >>> @graphed
    ... def step(inputs, targets):
    ...     optimizer.zero_grad()
    ...     loss = ops.mse_loss(layer(inputs), targets)
    ...     loss.backward()
    ...     optimizer.step()
    ...     return loss
    >>> x, y = np.ones((4, 3), np.float32), np.zeros((4, 2), np.float32)
    >>> losses = [step(x, y).item() for _ in range(5)]
    >>> losses == sorted(losses, reverse=True)
    True

    The first calls, as many as warmup says, run it as it is. The next one captures it, for which
    its Python runs twice, and from then on its launches are replayed. It takes arrays or tensors,
    always of the same shapes and dtypes, and returns a tensor, or a tuple of some, or None: the
    same ones at every replay, with new numbers. Raises CaptureError for what a graph cannot repeat
    (see this module).
    """

    def __init__(self, step: Callable[..., Any], warmup: int = 1) -> None:
        if not callable(step):
            raise TypeError(f"graphed: a step is a function, not {name_of(step)}")
        functools.update_wrapper(self, step)
        self.step = step
        self.graph: CUDAGraph | None = None
        self._warmup = arguments.whole("graphed", "warmup", warmup, 1)
        self._inputs: list[Tensor] = []
        self._outputs: Any = None
        self._settings: list[tuple[Any, str, Any]] = []  # as the capture found them
        self._around: dict[str, Any] = {}

    def __get__(self, instance: Any, owner: Any = None) -> graphed:
        if instance is None:
            return self
        # One graph for the methods of all objects would replay that of the first.
        name = self.step.__name__
        raise TypeError(
            f"graphed: {name} is a method: graph that of one object, graphed(it.{name})"
        )

    def __call__(self, *inputs: Any) -> Any:
        for x in inputs:
            if not isinstance(x, Tensor | np.ndarray):
                raise TypeError(f"graphed: a step takes arrays and tensors, not {name_of(x)}")
            if isinstance(x, Tensor) and x.requires_grad:
                raise ValueError("graphed: no gradient reaches an argument: detach() it")
        if self._warmup:
            self._warmup -= 1
            return self.step(*map(tensor, inputs))
        if self.graph is None:
            self._capture(inputs)
        else:
            self._require_settings()
            self._write(inputs)
        assert self.graph is not None
        self.graph.replay()
        return self._outputs

    def _require_settings(self) -> None:
        for name, value in _around().items():
            if value != self._around[name]:
                raise CaptureError(
                    f"{name} was {self._around[name]} when the step was captured, and is {value} "
                    "now: capture another graph for that"
                )
        for x, name, value in self._settings:
            found = getattr(x, name)
            if found is not value:
                what = f"a tensor of shape {x.shape}" if isinstance(x, Tensor) else name_of(x)
                raise CaptureError(
                    f"{what} has another array than when the step was captured: capture it anew"
                    if name == "data"
                    else f"{what} had {name}={value} when the step was captured, and has {found} "
                    "now: capture another graph for that"
                )

    def _write(self, inputs: Args) -> None:
        """Copy inputs over those of the graph."""
        forms, own = ([(x.shape, x.dtype) for x in xs] for xs in (inputs, self._inputs))
        if forms != own:
            found, known = (", ".join(f"{s} {d}" for s, d in form) for form in (forms, own))
            raise ValueError(f"graphed: the step was captured for {known}, not for {found}")
        for x, into in zip(inputs, self._inputs, strict=True):
            if isinstance(x, Tensor):
                arrays.assign(into.data, x.data)
            else:
                device.write(np.asarray(x, order="C"), into.data)
            writes.overwritten(into.data)

    def _capture(self, inputs: Args) -> None:
        """Capture the step twice: what differs between the two must not be frozen in a graph."""
        self._inputs = list(map(tensor, inputs))
        first, second = CUDAGraph(), CUDAGraph()
        with graph(first, skips_live=True):
            self.step(*self._inputs)
        found = first._captured().settings
        self._settings = [(x, name, getattr(x, name)) for (_, name), x in found.items()]
        self._around = _around()
        with graph(second):
            outputs = self.step(*self._inputs)
        _require_tensors(outputs)
        _require_no_reference(first.pool(), second)
        _require_same_launches(first, second)
        self.graph, self._outputs = second, outputs


def _around() -> dict[str, Any]:
    """What changes the ops of a step from outside."""
    precision = get_float32_matmul_precision()
    return {"float32_matmul_precision": precision, "autocast": current_cast() is not None}


def _require_tensors(outputs: Any) -> None:
    for x in outputs if isinstance(outputs, tuple) else (outputs,):
        if x is not None and not isinstance(x, Tensor):
            raise TypeError(f"graphed: a step returns tensors, not {name_of(x)}, which would stay")


def _require_no_reference(pool: Pool, second: CUDAGraph) -> None:
    """Raise if the second capture reads an array that the first has made, such as a gradient."""
    for launcher, args in second.launched:
        leases = (device.executor.lease(arg) for arg in parts(args) if is_array(arg))
        if any(lease is not None and lease.block.pool is pool for lease in leases):
            raise CaptureError(
                f"the step goes on from an array that it made the last time ({name_of(launcher)} "
                "takes it), and a replay would begin with the same one again: call zero_grad() "
                "first, and write what outlives a step in place"
            )


def _require_same_launches(first: CUDAGraph, second: CUDAGraph) -> None:
    """Raise unless both captures made the same launches, but for live ones.

    With the same numbers, and the same arrays where they are not the step's own. A number that an
    op is given counts among these arrays: it is a 0-d array of arrays.constant.
    """
    runs = [_outside_live(g) for g in (first, second)]
    owned = [g._captured().own for g in (first, second)]
    # Not by name, which kernels of one factory share; a kernel's launcher of a grid is made once.
    launchers = [[launcher for launcher, _ in run] for run in runs]
    if launchers[0] != launchers[1]:
        raise CaptureError("the step launched other kernels the second time: it has no one graph")
    for (launcher, args), (_, others) in zip(*runs, strict=True):
        for x, y in itertools.zip_longest(parts(args), parts(others)):
            if not is_array(x):
                what = "" if are_equal(x, y) else f"{x}, and then with {y}"
            elif id(x) in owned[0] and id(y) in owned[1]:
                what = ""
            else:
                what = "" if place(x) == place(y) else "one array, or number, and then another"
            if what:
                raise CaptureError(
                    f"{name_of(launcher)} was launched with {what}: a graph would keep the one it "
                    "had: give what changes to the step as an argument"
                )


def _outside_live(cuda_graph: CUDAGraph) -> list[tuple[Launcher, Args]]:
    found, capture = cuda_graph.launched, cuda_graph._captured()
    for part in reversed(capture.renewals):
        if isinstance(part, Live):
            del found[part.start : part.stop]
    return found
