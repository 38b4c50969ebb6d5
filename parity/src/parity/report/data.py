"""What a report holds: the types of everything in report.json, from the whole to its entries.

collect.py makes a Report, all other files of this folder read it. schema.json says the same, and
what each field means, for readers outside of Python; a test compares the two. A number is None
where JSON has no number for it, as it is not finite, and where there was nothing to measure.
"""

from __future__ import annotations

from typing import Literal, TypedDict

from ..bench.rows import Document

Status = Literal["passed", "failed", "skipped"]
STATUSES: tuple[Status, ...] = ("passed", "failed", "skipped")


class Report(TypedDict):
    schema: int
    created: str
    seconds: float
    jobs: int
    selection: Selection
    passed: bool
    environment: Environment
    envelope: Envelope
    engines: list[Engine]
    ops: list[Op]
    parts: list[Part]
    results: list[Result]
    runs: list[Run]
    trainings: list[Training]
    determinism: list[Determinism]
    faults: list[Fault]
    fuzz: list[Hunt]
    mutants: list[Score]  # of a file that was handed in
    speed: Document | None
    changes: Changes | None


class Selection(TypedDict):
    """What the report was narrowed to."""

    left_out: list[str]  # engines
    ops: list[str]
    steps: int | None
    quick: bool


class Environment(TypedDict):
    python: str
    implementation: str
    platform: str
    cpu: str
    cores: int | None
    packages: dict[str, str]
    commit: str  # of parity's source; empty outside of a git checkout
    uncommitted: bool
    corpus: Corpus


class Corpus(TypedDict):
    """The text of the training runs."""

    source: str
    python: str
    characters: int
    alphabet: str
    sha256: str


class Envelope(TypedDict):
    """A run's limit is multiple * max(floor, torch_error)."""

    multiple: float
    floor: float


class Engine(TypedDict):
    """A summary of an engine's results."""

    name: str
    version: str
    executor: str
    dtypes: list[str]
    ops: int
    checks: int
    trainings: int
    passed: int
    failed: int
    skipped: int
    worst: WorstByCheck
    seconds: float
    training_seconds: float


class WorstByCheck(TypedDict):
    forward: Worst | None
    backward: Worst | None


Measured = Literal["forward", "backward"]  # the keys of WorstByCheck
MEASURED: tuple[Measured, ...] = ("forward", "backward")


class Worst(TypedDict):
    """The largest error of all cases."""

    error: float | None
    torch_error: float | None
    case: str
    dtype: str


class Op(TypedDict):
    name: str
    formula: str
    code: dict[str, list[Piece]]  # by engine
    family: str
    cases: list[Case]


class Part(TypedDict):
    """A layer, an optimizer, a scheduler or a model."""

    name: str
    formula: str
    code: dict[str, list[Piece]]
    kind: Literal["layer", "optimizer", "scheduler", "model"]
    cases: list[PartCase]


class Piece(TypedDict):
    """The source code of a function or class."""

    name: str
    file: str
    line: int
    text: str


class Case(TypedDict):
    """A case of an op, or a call that must be refused; a reason is empty where there is none."""

    id: str
    call: str
    why: str
    kink: str
    flat: str
    chance: str
    arrays: list[Array]


class PartCase(TypedDict):
    id: str
    call: str


class Array(TypedDict):
    """An input, an output or a gradient of a case."""

    what: str
    shape: list[int]
    dtype: str
    want: str
    got: list[Got]


class Got(TypedDict):
    """An engine's version of an array."""

    engine: str
    head: str
    error: float | None
    at: str
    got: str
    want: str


class Result(TypedDict):
    """A check of a case on an engine in a dtype."""

    engine: str
    op: str  # or the part
    case: str
    check: str
    dtype: str
    status: Status
    error: float | None
    torch_error: float | None
    used: float | None
    message: str
    reproduce: str
    seconds: float
    traceback: str


class Run(TypedDict):
    """The settings of a training run."""

    name: str
    model: str
    data: str
    loss: str | None
    optimizer: str
    steps: int
    scheduler: str | None
    clip: str | None
    accumulate: int
    prompt: str
    new_tokens: int


class Training(TypedDict):
    """A run on an engine in a dtype."""

    engine: str
    run: str
    dtype: str
    status: Status
    message: str
    reproduce: str
    loss: Loss
    gradients: dict[str, Band]  # by parameter, of the first step
    weights: dict[str, Band]  # by parameter, after the last step
    text: str
    torch_text: str
    seconds: float
    torch_seconds: float
    ratio: float  # 0 if the run did not end
    low: float
    high: float
    elapsed: float
    traceback: str


class Loss(TypedDict):
    """A number per step in each."""

    engine: list[float | None]
    torch: list[float | None]
    error: list[float | None]
    torch_error: list[float | None]
    limit: list[float | None]


class Band(TypedDict):
    error: float | None
    torch_error: float | None
    limit: float | None


class Determinism(TypedDict):
    engine: str
    processes: int
    cases: int
    differing: list[str]
    status: Status
    message: str
    reproduce: str
    seconds: float


class Fault(TypedDict):
    """A planted fault, and the checks that rejected it."""

    op: str  # or the part
    name: str
    story: str
    wanted: list[str]
    rejected_by: dict[str, str]  # by check, the first case in which
    caught: bool


class Hunt(TypedDict):
    """An engine on random graphs."""

    engine: str
    graphs: int
    ops: int
    status: Status
    message: str
    program: str
    reproduce: str


class Score(TypedDict):
    """What `parity mutants --json` writes for an engine."""

    engine: str
    passed: bool
    score: float
    seconds: float
    mutants: list[Mutant]


class Mutant(TypedDict):
    module: str
    function: str
    within: str
    line: int
    kind: str
    original: str
    mutated: str
    op: str | None
    place: str
    ops: list[str]
    killed_by: str
    how: Literal["wrong", "raised", ""]
    equivalent: str


class Changes(TypedDict):
    """What changed since an earlier report."""

    baseline: Baseline
    worse: list[Change]
    better: list[Change]
    slower: list[Change]
    faster: list[Change]
    speed_not_compared: str
    compared: int
    added: int
    gone: list[str]


class Baseline(TypedDict):
    created: str
    cpu: str
    python: str


class Change(TypedDict):
    engine: str
    op: str  # or the part; empty for what is of none alone, such as a training run
    what: str
    was: str
    now: str
    message: str
    worse: bool
