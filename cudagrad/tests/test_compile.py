"""The figures of compiled kernels, their limits and their page; no test here needs a GPU."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from cudagrad import device
from cudagrad.compile import __main__ as command
from cudagrad.compile import limits, machine, page, table
from cudagrad.compile.machine import Capability, Figures, Machine, MissingError
from cudagrad.compile.table import Launch

PAGE = Path(__file__).parents[1] / "docs" / "kernels.md"
NONE = Figures(*[0] * len(Figures._fields))
AMPERE, HOPPER = Capability(8, 0), Capability(9, 0)
SINGLE = Launch("map.map1(functions.exp)", "float32[::1], int64, float32[::1]")
DOUBLE = Launch("map.map1(functions.exp)", "float64[::1], int64, float64[::1]")
KERNEL = "matmul.tiled.matmul(float32, functions.same)"
FACTOR = Launch("map.fill", "float32[::1], float64")

needs_numba_cuda = pytest.mark.skipif(find_spec("numba_cuda") is None, reason="needs numba-cuda")


# Limits


def test_what_is_above_its_limit_is_named() -> None:
    assert list(limits.broken(SINGLE, NONE)) == []
    assert list(limits.broken(SINGLE, NONE._replace(registers=255, wide=9, instructions=9))) == []
    assert list(limits.broken(SINGLE, NONE._replace(spills=8, generic=1))) == [
        "spills 8, the limit is 0",
        "generic 1, the limit is 0",
    ]


def test_float64_is_for_launches_whose_arrays_are_of_it() -> None:
    figures = NONE._replace(float64=1)

    assert list(limits.broken(DOUBLE, figures)) == []
    assert list(limits.broken(SINGLE, figures)) == ["float64 1, the limit is 0"]
    assert list(limits.broken(FACTOR, figures)) == ["float64 1, the limit is 0"]


def test_an_allowance_is_for_its_kernels_alone() -> None:
    sin, third = SINGLE._replace(kernel="map.map1(functions.sin)"), NONE._replace(float64=3)

    assert list(limits.broken(sin, third)) == []
    assert list(limits.broken(sin, NONE._replace(float64=4))) == ["float64 4, the limit is 3"]
    assert list(limits.broken(sin, NONE._replace(divisions=1))) == ["divisions 1, the limit is 0"]
    assert list(limits.broken(SINGLE, third)) == ["float64 3, the limit is 0"]


def test_a_requirement_is_for_kernels_whose_names_begin_so() -> None:
    wide = NONE._replace(wide=8, fused=64)
    vectorized = SINGLE._replace(kernel="matmul.vectorized.matmul(float32, functions.same)")

    assert list(limits.broken(vectorized, wide)) == []
    assert list(limits.broken(vectorized, None)) == []
    assert list(limits.broken(vectorized, wide._replace(wide=7, local=1))) == [
        "local 1, it must lie in 0 to 0",
        "wide 7, it must lie in 8 to inf",
    ]
    assert list(limits.broken(SINGLE, NONE._replace(local=1))) == []


@pytest.mark.parametrize("requirement", limits.REQUIREMENTS)
def test_a_requirement_is_for_kernels_that_are_there(requirement: limits.Requirement) -> None:
    assert requirement.figure in Figures._fields
    assert any(launch.kernel.startswith(requirement.kernels) for launch in table.launches())


@pytest.mark.parametrize("allowance", limits.ALLOWANCES)
def test_an_allowance_is_for_kernels_that_are_there(allowance: limits.Allowance) -> None:
    assert allowance.figure in limits.LIMITS
    assert set(allowance.kernels) <= {launch.kernel for launch in table.launches()}


# Reading


def test_what_the_linker_says() -> None:
    log = """ptxas info    : Function properties for f
ptxas         .     32 bytes stack frame, 40 bytes spill stores, 60 bytes spill loads
ptxas info    : Used 20 registers, used 1 barriers, 32 bytes cumulative stack size"""

    assert machine.said(log) == (20, 100, 0)
    assert machine.said(f"{log}, 1024 bytes smem") == (20, 100, 1024)
    with pytest.raises(MissingError, match="says nothing of registers"):
        machine.said("all is well")


OPCODES = {
    "LDG.E.128": "wide",
    "LDG.E.128.CONSTANT": "wide",
    "LDS.U.128": "wide",
    "LDG.E": "",
    "STG.E.128": "",
    "LDC.128": "",
    "LDGSTS.E.BYPASS.128": "wide",
    "LDGSTS.E": "",
    "FFMA": "fused",
    "FFMA2": "fused",
    "HFMA2": "",
    "IMAD.WIDE.U32": "",
    "HMMA.1688.F32.TF32": "tensor",
    "HMMA.16816.F32.BF16": "tensor",
    "LD.E": "generic",
    "ST.E.64": "generic",
    "ATOM.E.ADD": "generic",
    "LDL": "local",
    "STL.128": "local",
    "DSETP.GT.AND": "float64",
    "F2F.F32.F64": "float64",
    "I2F.F64.S64": "float64",
    "MUFU.RCP64H": "float64",
    "MUFU.RCP": "",
    "DEPBAR.LE": "",
    "F2I.S64.TRUNC": "",
}


@pytest.mark.parametrize(("opcode", "figure"), OPCODES.items())
def test_what_an_opcode_counts_as(
    opcode: str, figure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = iter([(0, opcode, " R0, R1 "), (16, "NOP", " ")])
    monkeypatch.setattr(machine, "disassembled", lambda code, capability: lines)
    (figures,) = machine.figures([Machine(bytes(32), frozenset(), 8, 0, 0)], HOPPER)
    assert figures is not None

    expected = {"registers": 8, "instructions": 1} | ({figure: 1} if figure else {})
    assert {name: value for name, value in figures._asdict().items() if value} == expected


def test_a_multiply_add_of_float64_is_one_and_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = iter([(0, "DFMA", "")])
    monkeypatch.setattr(machine, "disassembled", lambda code, capability: lines)
    (figures,) = machine.figures([Machine(bytes(16), frozenset(), 8, 0, 0)], HOPPER)

    assert figures == NONE._replace(registers=8, fused=1, float64=1, instructions=1)


def test_a_call_is_a_division_where_that_stands_in_its_own_kernel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = iter([(0, "EXIT", ""), (16, "CALL.REL.NOINC", " 0x30 "), (32, "CALL.REL", " 0x20 ")])
    monkeypatch.setattr(machine, "disassembled", lambda code, capability: lines)
    machines = [
        Machine(bytes(16), frozenset(), 8, 0, 0),
        Machine(bytes(32), frozenset({32}), 8, 0, 0),  # which lies at 16 + 32 of all code
    ]

    found = machine.figures([machines[0], None, machines[1]], HOPPER)
    assert [figures and figures.divisions for figures in found] == [0, None, 1]


def test_a_line_of_nvdisasm_is_read() -> None:
    lines = [
        "        /*0010*/                   S2R R8, SR_TID.X ;",
        "        /*1a0f0*/              @!P0 BRA `(.L_x_1) ;",
        "        /*0020*/              @UP1 UIADD3 UR4, UR4, 0x1, URZ ;",
        "        /*0030*/                   EXIT ;",
        ".L_x_1:",
    ]
    found = [match and match.groups() for match in map(machine.LINE.match, lines)]

    assert found == [
        ("0010", "S2R", " R8, SR_TID.X "),
        ("1a0f0", "BRA", " `(.L_x_1) "),
        ("0020", "UIADD3", " UR4, UR4, 0x1, URZ "),
        ("0030", "EXIT", " "),
        None,
    ]


# The page


def test_the_page_is_of_these_kernels() -> None:
    assert not page.is_stale(PAGE.read_text(encoding="utf-8")), (
        "cudagrad/docs/kernels.md is of other kernels, launches or limits: tox -e kernels"
    )


def test_a_page_is_stale_when_code_changes_but_not_when_comments_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = page.written([SINGLE], {HOPPER: [NONE]}, {"numba": "1"})
    kernel = tmp_path / "__init__.py"
    monkeypatch.setattr(page.kernels, "__file__", str(kernel))
    kernel.write_text('"""One."""\ndef f(x):\n    """Two."""\n    return x\n')
    fresh = page.written([SINGLE], {HOPPER: [NONE]}, {"numba": "1"})

    assert page.is_stale(text)
    assert not page.is_stale(fresh)
    kernel.write_text('"""1."""\ndef f(x):\n    """2."""\n    # three\n    return x\n')
    assert not page.is_stale(fresh)
    kernel.write_text('"""One."""\ndef f(x):\n    """Two."""\n    return x + 1\n')
    assert page.is_stale(fresh)


def test_the_page_is_stale_without_a_launch_or_with_another_limit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = page.written([SINGLE], {HOPPER: [NONE]}, {"numba": "1"})
    fewer = tmp_path / "launches.txt"
    fewer.write_text(table.FILE.read_text(encoding="utf-8").partition("\n")[2], encoding="utf-8")
    monkeypatch.setattr(table, "FILE", fewer)

    assert page.is_stale(text)


def test_a_page_tells_where_gpus_differ() -> None:
    one, other = NONE._replace(registers=20, instructions=9), NONE._replace(registers=22)
    text = page.written([SINGLE], {AMPERE: [one], HOPPER: [other]}, {"numba": "1"})

    zeros = " | 0" * (len(Figures._fields) - 2)
    row = f"| `map1(functions.exp)` | `{SINGLE.arguments}` | 20 22{zeros} | 9 0 |"
    assert f"\n{row}\n" in text
    assert "capability 8.0, 9.0,\nin this order" in text
    assert page.in_words([one, other]) == "registers 20 22, instructions 9 0"


def test_a_page_tells_the_largest_and_how_many_have_any() -> None:
    launches = [SINGLE, DOUBLE]
    of_each = [NONE._replace(registers=20), NONE._replace(registers=22, float64=7)]
    text = page.written(launches, {HOPPER: of_each}, {"numba": "1"})

    zeros = " | 0" * Figures._fields.index("float64")
    assert f"\n| 9.0 | 22{zeros[4:]} | 7 (1) | 0 | 0 |\n" in text


def test_a_page_tells_where_a_gpu_lacks_instructions() -> None:
    text = page.written([SINGLE], {AMPERE: [None], HOPPER: [NONE._replace(fused=4)]}, {})

    assert f"| `map1(functions.exp)` | `{SINGLE.arguments}` | – 0 | – 0 | – 0 | – 0 | – 4 |" in text
    assert page.in_words([None, NONE._replace(fused=4)]) == "fused – 4"


def test_a_page_can_be_read() -> None:
    launches = [SINGLE, DOUBLE, FACTOR]
    one, other = NONE._replace(registers=20, instructions=9), NONE._replace(registers=22)
    figures = {AMPERE: [None, one, NONE], HOPPER: [other, other, NONE]}
    text = page.written(launches, figures, {"numba": "1"})

    columns = zip(*figures.values(), strict=True)
    assert page.read(text, [AMPERE, HOPPER]) == dict(zip(launches, map(list, columns), strict=True))
    assert page.read(text, [AMPERE]) == page.read(text, [HOPPER, AMPERE]) == {}


# The command


def test_without_numba_cuda_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(device.importlib.util, "find_spec", lambda name: None)

    assert command.main(["--cc", "9.0"]) == 2
    assert capsys.readouterr().err == (
        "cudagrad.compile: numba-cuda is missing: pip install -c constraints.txt "
        "'./cudagrad[compile]', in this project's root\n"
    )


@pytest.mark.parametrize("text", ["90", "sm_90", "9.0.0", ""])
def test_what_is_no_compute_capability(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        command.main(["--cc", text])

    assert exit_.value.code == 2
    assert f"{text!r} is no compute capability, such as 9.0" in capsys.readouterr().err


def compile_kernels(*arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """The command in a process of its own; before: what to do to it first."""
    code = f"""
import sys
from cudagrad.compile import __main__ as command, limits, machine
{before}
sys.exit(command.main({list(arguments)}))
"""
    environment = os.environ | ({"CUDAGRAD_DEVICE": "compiler"} if before else {})
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )


@pytest.mark.parametrize("name", ["README.md", "lessons/4_kernels.ipynb"])
def test_a_kernel_that_a_text_compiles_is_there(name: str) -> None:
    text = (PAGE.parents[1] / name).read_text(encoding="utf-8")
    names = re.findall(r"cudagrad\.compile .*--kernel ([\w.]+)", text)

    assert names
    assert command.chosen(names)


@needs_numba_cuda
def test_a_kernel_is_compiled_for_gpus_that_are_not_there() -> None:
    done = compile_kernels("--cc", "8.0", "9.0", "--kernel", KERNEL, "map.fill")

    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"\nmap\.fill: float32\[::1\], float32\n    registers \d+", done.stdout)
    assert "registers" in done.stdout.partition(f"\n{KERNEL}: ")[2]
    assert ", shared 2176, " in done.stdout
    assert "matmul(float64" not in done.stdout


@needs_numba_cuda
def test_the_ladders_page_has_the_figures_of_its_kernels() -> None:
    code = """
from cudagrad.compile.table import name_of
from cudagrad.kernels.functions import same
from cudagrad.kernels.storage import narrow, stored1
import numpy as np
from cudagrad.kernels.matmul import LADDER, STORED, TILED
for rung in LADDER:
    layout = (1, 0) if rung.by_layout else ()
    for dtype in rung.dtypes:
        print(name_of(rung.kernel(dtype, same, *layout)), rung.name, dtype.__name__, sep="; ")
for finish, dtype in ((stored1(same, same, narrow), "bfloat16"), (same, "bfloat16 to float32")):
    for rung, layout in ((TILED, ()), (STORED, (1, 0))):
        print(name_of(rung.kernel(np.uint16, finish, *layout)), rung.name, dtype, sep="; ")
"""
    listed = subprocess.check_output([sys.executable, "-c", code], text=True).splitlines()
    rungs = [line.split("; ") for line in listed]
    done = compile_kernels("--cc", "9.0", "--kernel", *(name for name, _, _ in rungs))
    figures = dict(re.findall(r"^(matmul.*): .*\n    (.*)$", done.stdout, re.MULTILINE))
    columns = ("registers", "shared", "wide", "fused", "tensor", "instructions")
    page_of_ladder = PAGE.with_name("matmul.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \w+ \| b?float\d\d", page_of_ladder, re.MULTILINE)

    assert done.returncode == 0
    assert len(rungs) == len(figures) == len(rows)
    for name, rung, dtype in rungs:
        found = dict(pair.split() for pair in figures[name].split(", "))
        cells = " | ".join([rung, dtype, *(found.get(column, "0") for column in columns)])
        assert f"\n| {cells} |\n" in page_of_ladder


@needs_numba_cuda
def test_a_kernel_is_not_compiled_for_a_gpu_without_its_instructions() -> None:
    done = compile_kernels("--cc", "7.5", "--kernel", "matmul.tensor_core.matmul")

    assert (done.returncode, done.stderr) == (0, "")
    assert "\n7.5: 0 compiled in " in done.stdout


@needs_numba_cuda
def test_a_broken_limit_is_a_failure_without_a_page(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    before = """
launch = command.Launch("map.map1(functions.exp)", "float32[::1], int64, float32[::1]")
command.table.launches = lambda: [launch]
limits.LIMITS["registers"] = 1
"""
    done = compile_kernels("--cc", "9.0", "--page", str(file), before=before)

    assert done.returncode == 1
    assert re.search(
        r"^beyond its limit: map\.map1\(functions\.exp\): float32\[::1\], int64, float32\[::1\], "
        r"9\.0: registers \d+, the limit is 1$",
        done.stdout,
        re.MULTILINE,
    )
    assert not file.exists()


@needs_numba_cuda
def test_a_page_keeps_the_figures_of_kernels_that_are_not_compiled(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    before = """
kinds = "float32[::1], int64, float32[::1]"
launches = [command.Launch(f"map.map1(functions.{name})", kinds) for name in ("exp", "log")]
command.table.launches = lambda: launches
command.versions = lambda: {"numba": "1"}
"""
    exp, log = (Launch(f"map.map1(functions.{name})", SINGLE.arguments) for name in ("exp", "log"))
    old = NONE._replace(registers=1000)
    file.write_text(page.written([exp, log], {HOPPER: [old, old]}, {"numba": "1"}))
    arguments = "--cc", "9.0", "--page", str(file), "--kernel", exp.kernel
    done = compile_kernels(*arguments, before=before)

    assert (done.returncode, done.stderr) == (0, "")
    found = page.read(file.read_text(encoding="utf-8"), [HOPPER])
    assert found[log] == [old]
    assert 0 < found[exp][0].registers < 1000


@needs_numba_cuda
@pytest.mark.parametrize(
    ("arguments", "before", "sentence"),
    [
        (["--cc", "4.2"], "", "compute capability 4.2 is unknown; known: 7.5, "),
        (["--kernel", "map.nothing"], "", "no kernel map.nothing; known, some with parts: "),
        (["--kernel", "map.fill", "--page", "x.md"], "", "--page: x.md lacks attention."),
        (["--page", "nowhere/x.md"], "", "--page: there is no folder nowhere"),
        (["--page", "."], "", "--page: . is a folder"),
        ([], "machine._nvdisasm = lambda: None", "NVIDIA's nvdisasm is missing: pip install"),
        ([], "machine.LIBRARIES = ['nvrtc', 'nothing']", "NVIDIA's library nothing is missing: "),
        ([], "sys.modules['cuda.bindings.nvjitlink'] = None", "the module cuda.bindings.nvjitl"),
    ],
)
def test_wrong_input_and_missing_tools_are_told(
    arguments: list[str], before: str, sentence: str
) -> None:
    done = compile_kernels(*arguments, before=before)

    assert done.returncode == 2
    assert done.stderr.startswith(f"cudagrad.compile: {sentence}")
    assert len(done.stderr.splitlines()) == 1


def said_in_compiler(code: str) -> list[str]:
    """What a program prints whose kernels are numba-cuda's."""
    environment = os.environ | {"CUDAGRAD_DEVICE": "compiler"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


PLANTED = """
import numpy as np
from cudagrad import device
from cudagrad.device import cuda
from cudagrad.compile import machine
from cudagrad.compile.table import Launch

@device.jit
def good(x, n, out):
    i = cuda.grid(1)
    if i < out.shape[0]:
        out[i] = x[i] * np.float32(0.1)

@device.jit
def leaks(x, n, out):
    i = cuda.grid(1)
    if i < out.shape[0]:
        out[i] = x[i] * 0.1

@device.jit
def divides(x, n, out):
    i = cuda.grid(1)
    if i < out.shape[0]:
        out[i] = x[i // n]

@device.jit
def shares(x, n, out):
    tile = cuda.shared.array(100, np.float32)
    i = cuda.grid(1)
    tile[cuda.threadIdx.x] = x[i]
    cuda.syncthreads()
    out[i] = tile[n - cuda.threadIdx.x]

ANY, C = "float32[:]", "float32[::1]"
cases = [(good, C), (leaks, C), (divides, C), (shares, C), (good, ANY)]
machine.find = lambda name: cases[int(name)][0]
for numbers in ((7, 5), (8, 0), (9, 0), (10, 0), (12, 0)):
    capability = machine.Capability(*numbers)
    machines = [
        machine.compiled(Launch(str(i), f"{x}, int64, {x}"), capability)
        for i, (_, x) in enumerate(cases)
    ]
    for figures in machine.figures(machines, capability):
        print(figures.float64, figures.divisions, figures.shared, figures.spills, figures.generic)
"""


@needs_numba_cuda
def test_planted_faults_are_seen_on_every_gpu() -> None:
    lines = said_in_compiler(PLANTED)
    rows = [[int(number) for number in line.split()] for line in lines]

    assert len(rows) == 5 * 5
    for i in range(0, len(rows), 5):
        good, leaks, divides, shares, strided = rows[i : i + 5]
        assert good == [0, 0, 0, 0, 0]
        assert leaks == [3, 0, 0, 0, 0]  # there, the product, and back
        assert divides == [0, 1, 0, 0, 0]
        assert shares == [0, 0, 400, 0, 0]
        assert strided == [0, 0, 0, 0, 2]


FUSED = """
import numpy as np
from cudagrad.compile import machine
from cudagrad.compile.table import Launch
from cudagrad.kernels import functions as f, fused
from cudagrad.kernels.fused import Chain, Step

single, flag = np.dtype(np.float32), np.dtype(bool)
names = "x", "row", "one", "mask"
steps = (  # of the values 0 to 3, which are those, and 4, which is a number
    Step(f.gelu, (0,), single),
    Step(f.mul, (5, 1), single),
    Step(f.div, (2, 4), single),
    Step(f.choose, (3, 6, 7), single),
    Step(f.less, (8, 1), flag),
)
chain = Chain("chain", names, 1, steps, (("out", 8), ("smaller", 9)))
ways = "together", "together", "once", "apart", "together", "apart"
arrays = ["float32[::1], int64"] * 3 + ["boolean[::1], int64"]
arguments = ", ".join([*arrays, "float32", "float32[::1]", "boolean[::1]"])
machine.find = lambda name: fused.kernel(chain, ways if name == "fours" else ())
for numbers in ((7, 5), (8, 0), (9, 0), (10, 0), (12, 0)):
    capability = machine.Capability(*numbers)
    names = "one", "fours"
    machines = [machine.compiled(Launch(name, arguments), capability) for name in names]
    for found in machine.figures(machines, capability):
        print(found.wide, found.spills, found.local, found.generic, found.float64, found.divisions)
"""


@needs_numba_cuda
def test_a_fused_chain_reads_by_128_bits_and_spills_nothing() -> None:
    lines = said_in_compiler(FUSED)

    assert lines == ["0 0 0 0 0 0", "2 0 0 0 0 0"] * 5


@needs_numba_cuda
def test_a_kernel_that_does_not_compile_is_named() -> None:
    before = "command.table.launches = lambda: [command.Launch('map.fill', 'float32, float32')]"
    done = compile_kernels("--cc", "9.0", before=before)

    assert done.returncode == 1
    assert done.stderr.startswith(
        "cudagrad.compile: map.fill: float32, float32 does not compile for 9.0: "
    )
