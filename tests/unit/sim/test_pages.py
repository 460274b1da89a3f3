"""The checked-in documentation is what the tables say."""

from pathlib import Path

import pytest

from entresol_sim.pages import PARTS, generate, whole_pages

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("path", PARTS)
def test_generated_parts_are_up_to_date(path):
    text = (ROOT / path).read_text()
    assert generate(text, PARTS[path]) == text, "run `python -m entresol_sim.pages`"


def test_generated_pages_are_up_to_date():
    for path, text in whole_pages(ROOT).items():
        assert (ROOT / path).read_text() == text, f"{path}: run `python -m entresol_sim.pages`"


def test_a_missing_marker_is_reported():
    with pytest.raises(ValueError, match="extensions"):
        generate("nothing here", PARTS["README.md"])
