"""Makes a failing program short."""

import time
from collections.abc import Callable

from .layout import Image


def minimise(
    image: Image, fails: Callable[[Image], bool], seconds: float, report: Callable[[int], None] = lambda size: None
) -> Image:
    """`image` with as much left out as possible while `fails` still holds of it, after `seconds` at the latest.

    `report` is told the number of instructions that are left.
    """
    until = time.monotonic() + seconds
    units = _blocks(image)
    for finer in (_blocks, _operations):
        units = finer(image)
        size = max(1, len(units) // 2)
        while units and time.monotonic() < until:
            at = 0
            progressed = False
            while at < len(units) and time.monotonic() < until:
                gone = {place for unit in units[at : at + size] for place in unit}
                shorter = image.without(gone)
                if _holds(shorter, fails):
                    image = shorter
                    # places are counted anew
                    units = finer(image)
                    progressed = True
                    report(image.size)
                else:
                    at += size
            if size == 1 and not progressed:
                break
            size = max(1, size // 2)
    return image


def _holds(image: Image, fails: Callable[[Image], bool]) -> bool:
    try:
        return fails(image)
    except ValueError:  # something does not reach its target any more
        return False


def _blocks(image: Image) -> list[list[tuple[int, int]]]:
    return [
        [(block.number, index) for index in range(len(block.ops))]
        for block in image.blocks
        if block.removable and block.ops
    ]


def _operations(image: Image) -> list[list[tuple[int, int]]]:
    return [[place] for unit in _blocks(image) for place in unit]
