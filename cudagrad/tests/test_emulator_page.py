"""The page about the emulator shows what the emulator does, and names the files that there are."""

from __future__ import annotations

import re
from pathlib import Path

import emulator_page

from cudagrad import emulator
from cudagrad.emulator import forms

TEXT = emulator_page.PAGE.read_text(encoding="utf-8")
BLOCKS = {name: text for name, _, text in emulator_page.BLOCK.findall(TEXT)}
MODULES = {path.stem for path in Path(emulator.__file__).parent.glob("*.py")} - {"__init__"}


def test_its_code_is_what_the_emulator_makes() -> None:
    made = emulator_page.made()

    assert BLOCKS.keys() == made.keys()
    for name, text in made.items():
        assert BLOCKS[name] == text, f"{name} is stale: python cudagrad/tests/emulator_page.py"


def test_its_kernels_take_the_forms_that_it_says() -> None:
    found = {
        name: getattr(emulator_page, name).form(emulator_page.VECTORS).name
        for name in ("center", "under_if", "two_rounds")
    }

    assert found == {
        "center": forms.IN_STEP,
        "under_if": forms.TOGETHER,
        "two_rounds": forms.TOGETHER,
    }


def test_only_the_check_of_seams_tells_the_wrong_kernel_from_a_right_one() -> None:
    checked, unchecked = BLOCKS["two_rounds_ran"], BLOCKS["two_rounds_cut"]

    assert len({line.split(":")[1] for line in checked.splitlines()}) == 2
    assert len({line.split(":")[1] for line in unchecked.splitlines()}) == 1


def test_its_reading_order_names_every_module_once() -> None:
    order = TEXT[TEXT.index("## In which order to read") :]
    named = re.findall(r"`(\w+)\.py`", order)

    assert sorted(named) == sorted(MODULES)


def test_the_package_lists_its_modules_in_that_order() -> None:
    listed = re.findall(r"^    (\w+(?:, \w+)*)(?: {2,}|$)", emulator.__doc__ or "", re.MULTILINE)
    order = TEXT[TEXT.index("## In which order to read") :]

    assert [name for line in listed for name in line.split(", ")] == re.findall(
        r"`(\w+)\.py`", order
    )
