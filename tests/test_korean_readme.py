"""README.ko.md says what README.md says: same sections, same commands, same links."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENGLISH = (ROOT / "README.md").read_text()
KOREAN = (ROOT / "README.ko.md").read_text()


def shape(text: str) -> list[str]:
    """The headings' depths, the tables' rows and the lists' numbers, in order."""
    return re.findall(r"^(#+ |\| |\d+\. )", without_code(text), re.MULTILINE)


def without_code(text: str) -> str:
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)


def commands(text: str) -> list[str]:
    """What the code blocks hold, their comments left out."""
    blocks = re.findall(r"^ *```\w+\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE)
    return [re.sub(r" +# .*", "", block) for block in blocks]


def names(text: str) -> set[str]:
    return {" ".join(name.split()) for name in re.findall(r"`([^`]+)`", without_code(text))}


def targets(text: str) -> set[str]:
    return set(re.findall(r"\]\(([^)]+)\)", text))


@pytest.mark.parametrize("part", [shape, commands])
def test_the_korean_readme_has_every_section_row_and_command(part: object) -> None:
    assert callable(part)
    assert part(KOREAN) == part(ENGLISH)


def test_the_korean_readme_names_the_same_things() -> None:
    assert names(KOREAN) == names(ENGLISH)


def test_the_korean_readme_leads_to_the_same_places() -> None:
    assert targets(KOREAN) - {"README.md"} == targets(ENGLISH) - {"README.ko.md"}
