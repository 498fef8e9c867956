"""Recipes against the sizes of files that other people printed, and the page that says how well they agree."""

import statistics
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))
from file_sizes import CLOSE, PATH, page, sizes

SIZES = sizes()


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size.model} {size.recipe} {size.published / 1e9:.2f} GB")
def test_a_recipe_takes_the_published_size_within_1_percent_or_the_file_says_why_not(size):
    assert (abs(size.difference) > CLOSE) == bool(size.why_it_differs), f"{size.difference:+.2%}"


def test_the_median_difference_is_below_a_fifth_of_a_percent():
    assert statistics.median(abs(size.difference) for size in SIZES) < 0.002


def test_the_page_is_what_the_script_writes():
    assert PATH.read_text(encoding="utf-8") == page(SIZES)
