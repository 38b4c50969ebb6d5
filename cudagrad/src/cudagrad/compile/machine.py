"""From a kernel to figures about its machine code: numba-cuda, nvJitLink, nvdisasm, and no GPU."""

from __future__ import annotations

import importlib
import itertools
import re
import struct
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .. import device
from .table import Launch, find, needs

INSTALL = device.INSTALL.format("compile")
LIBRARIES = ("nvvm", "nvrtc", "nvJitLink")
INSTRUCTION = 16  # bytes

# A line of nvdisasm: address, perhaps a predicate, opcode with its suffixes, operands.
LINE = re.compile(r"\s*/\*([0-9a-f]+)\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*)(.*?);")
FLOAT64 = re.compile(r"D(ADD|MUL|FMA|SETP|MNMX)\b|.*\.F64\b|MUFU\.\w+64H")
WIDE = re.compile(r"LD(G|S|GSTS)?\.(\w+\.)*128\b")
FUSED = re.compile(r"[DF]FMA2?\b")
TENSOR = re.compile(r"[DHI]MMA\b")
GENERIC = ("LD", "ST", "ATOM")
LOCAL = ("LDL", "STL")
DIVISION = re.compile(r"_(div|rem)_[su]64\b")


class MissingError(RuntimeError):
    """A tool is missing, or is not of the version that the others need."""


class Capability(NamedTuple):
    """What a GPU can do: its compute capability."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"

    @property
    def model(self) -> str:
        """As tools write it after sm_."""
        return f"{self.major}{self.minor}"


class CompileError(Exception):
    """A kernel that does not compile, and why."""


class Machine(NamedTuple):
    """What nvJitLink makes of a kernel: machine code, and what its assembler says of that.

    divisions: where, in the code, the routines that divide 64 bits stand. shared: bytes.
    """

    code: bytes
    divisions: frozenset[int]
    registers: int
    spills: int
    shared: int


class Figures(NamedTuple):
    """What a kernel needs of a GPU, and what it asks of it.

    registers: of a thread. spills: bytes stored and loaded because registers ran out. shared: bytes
    of a block. wide: loads of 128 bits, copies into shared memory among them. fused: multiply-adds.
    tensor: products of a warp's fragments by tensor cores. local: loads and stores of what a thread
    keeps in memory. generic: those of numba's arrays that are not known to be contiguous, which
    find out in what memory they are only when they run. float64: its instructions, conversions too.
    divisions: of 64 bits. instructions: all of them.
    """

    registers: int
    spills: int
    shared: int
    wide: int
    fused: int
    tensor: int
    local: int
    generic: int
    float64: int
    divisions: int
    instructions: int


def require_tools() -> None:
    """Raise MissingError unless all that compiles, links and reads code is installed."""
    _module("cuda.bindings.nvjitlink")
    for name in LIBRARIES:
        try:
            _module("cuda.pathfinder").load_nvidia_dynamic_lib(name)
        except RuntimeError:
            raise MissingError(f"NVIDIA's library {name} is missing: {INSTALL}") from None
    if _nvdisasm() is None:
        raise MissingError(f"NVIDIA's nvdisasm is missing: {INSTALL}")


def _nvdisasm() -> str | None:
    return _module("cuda.pathfinder").find_nvidia_binary_utility("nvdisasm")


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise MissingError(f"the module {name} is missing: {INSTALL}") from None


def compiled(launch: Launch, capability: Capability) -> Machine | None:
    """A kernel as numba-cuda compiles and links it for a GPU of this compute capability.

    None if such a GPU lacks the instructions that the kernel is made of.
    """
    if capability < needs(launch.kernel):
        return None
    return made_of(find(launch.kernel), launch, capability)


def made_of(kernel: Any, launch: Launch, capability: Capability) -> Machine:
    """The same of any kernel that numba's cuda.jit has made; launch: its name, and its arguments.

    Raises CompileError where numba or NVIDIA's compiler refuses.
    """
    try:
        parts = device.lto_ir(kernel, launch.arguments, capability)
    except Exception as error:  # of many kinds, by numba and its compiler
        raise CompileError(f"{launch} does not compile for {capability}: {error}") from None
    cubin, log = link(parts, capability)
    return Machine(*machine_code(cubin), *said(log))


def said(log: str) -> tuple[int, int, int]:
    """Registers, spilt bytes and shared bytes, from what nvJitLink says of a kernel."""
    registers = re.search(r"Used (\d+) registers", log)
    spills = re.findall(r"(\d+) bytes spill (?:stores|loads)", log)
    shared = re.search(r"(\d+) bytes smem", log)  # not there without any
    if registers is None or not spills:
        raise MissingError(f"nvJitLink says nothing of registers and spills: {INSTALL}")
    return int(registers[1]), sum(map(int, spills)), int(shared[1]) if shared else 0


def link(parts: Sequence[bytes], capability: Capability) -> tuple[bytes, str]:
    """A cubin out of LTO-IR, by numba-cuda's way, and what the assembler says about it."""
    nvjitlink = _module("cuda.bindings.nvjitlink")
    options = [f"-arch=sm_{capability.model}", "-lto", "-Xptxas=-v", "-verbose"]
    handle = nvjitlink.create(len(options), options)
    try:
        for number, part in enumerate(parts):
            kind = nvjitlink.InputType.LTOIR
            nvjitlink.add_data(handle, kind, part, len(part), f"part {number}")
        nvjitlink.complete(handle)
        cubin = bytearray(nvjitlink.get_linked_cubin_size(handle))
        nvjitlink.get_linked_cubin(handle, cubin)
        log = bytearray(nvjitlink.get_info_log_size(handle))
        nvjitlink.get_info_log(handle, log)
    except nvjitlink.nvJitLinkError as error:
        log = bytearray(nvjitlink.get_error_log_size(handle))
        nvjitlink.get_error_log(handle, log)
        raise MissingError(f"nvJitLink: {error} {_text(log)}; {INSTALL}") from None
    finally:
        nvjitlink.destroy(handle)
    return bytes(cubin), _text(log)


def _text(log: bytearray) -> str:
    return log.decode().rstrip("\0").strip()


def machine_code(cubin: bytes) -> tuple[bytes, frozenset[int]]:
    """The code of the only kernel in a cubin, and where in it routines divide 64 bits.

    A cubin is an ELF file of 64 bits, https://gabi.xinuos.com
    """
    (start,) = struct.unpack_from("<Q", cubin, 0x28)
    size, count, names = struct.unpack_from("<3H", cubin, 0x3A)
    headers = [struct.unpack_from("<2I4Q2I2Q", cubin, start + size * i) for i in range(count)]

    def content(number: int) -> bytes:
        return cubin[headers[number][4] :][: headers[number][5]]

    def text(strings: bytes, at: int) -> str:
        return strings[at : strings.index(0, at)].decode()

    sections = {text(content(names), header[0]): i for i, header in enumerate(headers)}
    (code,) = (i for name, i in sections.items() if name.startswith(".text."))
    strings = content(sections[".strtab"])
    symbols = struct.iter_unpack("<I2BH2Q", content(sections[".symtab"]))
    divisions = frozenset(
        value
        for name, _, _, section, value, _ in symbols
        if section == code and DIVISION.search(text(strings, name))
    )
    return content(code), divisions


def figures(machines: Sequence[Machine | None], capability: Capability) -> list[Figures | None]:
    """Those of kernels for one compute capability; None where there is no kernel for it."""
    code = b"".join(made.code for made in machines if made)
    lines = disassembled(code, capability) if code else iter(())
    return [_figures(made, lines) if made else None for made in machines]


def _figures(machine: Machine, lines: Iterator[tuple[int, str, str]]) -> Figures:
    """Those of the kernel whose code comes next; lines: of this and all that follow."""
    own = list(itertools.islice(lines, len(machine.code) // INSTRUCTION))
    start = own[0][0]
    opcodes = [opcode for _, opcode, _ in own]
    calls = [int(place.split()[-1], 16) for _, opcode, place in own if opcode.startswith("CALL")]
    return Figures(
        registers=machine.registers,
        spills=machine.spills,
        shared=machine.shared,
        wide=_count(WIDE, opcodes),
        fused=_count(FUSED, opcodes),
        tensor=_count(TENSOR, opcodes),
        local=sum(opcode.split(".")[0] in LOCAL for opcode in opcodes),
        generic=sum(opcode.split(".")[0] in GENERIC for opcode in opcodes),
        float64=_count(FLOAT64, opcodes),
        divisions=sum(place - start in machine.divisions for place in calls),
        instructions=len(opcodes) - opcodes.count("NOP"),  # which fills up
    )


def _count(pattern: re.Pattern[str], opcodes: Sequence[str]) -> int:
    return sum(pattern.match(opcode) is not None for opcode in opcodes)


def disassembled(code: bytes, capability: Capability) -> Iterator[tuple[int, str, str]]:
    """Address, opcode and operands of every instruction.

    One run for all kernels: nvdisasm takes a third of a second to start.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "code")
        file.write_bytes(code)
        model = f"SM{capability.model}"
        command = [_nvdisasm() or "nvdisasm", "--no-dataflow", "--binary", model, str(file)]
        done = subprocess.run(command, capture_output=True, text=True)
    found = [LINE.match(line) for line in done.stdout.splitlines()]
    lines = [(int(m[1], 16), m[2], m[3]) for m in found if m]
    if done.returncode or len(lines) * INSTRUCTION != len(code):
        raise MissingError(f"nvdisasm does not read code for {model}: {done.stderr}; {INSTALL}")
    return iter(lines)
