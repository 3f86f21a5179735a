"""Enumerations are those of the Rust library, which a test of it compares with those of the core."""

from __future__ import annotations

import re
from pathlib import Path

from bgtask import enums

LIBRARY = Path(__file__).parents[3] / "crates/bgtask/src"


def test_every_enumeration_has_the_names_and_numbers_of_the_rust_library() -> None:
    theirs: dict[str, dict[str, int]] = {}
    for file in LIBRARY.rglob("*.rs"):
        for block in re.findall(r"^windows_enum! \{\n(.*?)^\}", file.read_text(), re.M | re.S):
            (enumeration,) = re.findall(r"^    (\w+) \{", block, re.M)
            values = re.findall(r"^        (\w+) = (\d+),", block, re.M)
            theirs[enumeration] = {value: int(number) for value, number in values}
    ours = {
        name: {value.name: int(value) for value in found}
        for name, found in vars(enums).items()
        if isinstance(found, type) and issubclass(found, enums._WindowsEnum) and found is not enums._WindowsEnum
    }
    assert len(ours) > 20
    # What of theirs is not among ours is a text here, or asks for what Linux has not.
    assert {name: theirs.get(name) for name in ours} == ours
