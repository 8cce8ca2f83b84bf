"""Parse preprocessing steps and apply them to photographs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from drkit.catalogue import FILTERS
from drkit.errors import UsageError
from drkit.images.disc import NoDiscError, find_disc
from drkit.images.files import Photograph
from drkit.images.filters.fundus import Fundus
from drkit.specs import Spec, parse_spec


@dataclass(frozen=True)
class Step(Spec):
    """A filter of `drkit.catalogue.FILTERS` with values of all its parameters."""

    def __call__(self, fundus: Fundus) -> Fundus:
        """Filter a photograph."""
        filtered: Fundus = FILTERS[self.name].load()(fundus, **dict(self.parameters))
        return filtered


def parse_steps(text: str) -> tuple[Step, ...]:
    """Read `circle-crop,clahe:clip=2:tiles=8`: commas between steps, colons between a step's parameters.

    Raises:
        UsageError: a step or parameter is unknown (the message suggests similar ones), or a value is not in its range.
    """
    words = [word.strip() for word in text.split(",")]
    if not all(words):
        raise UsageError(f"--steps '{text}': a step is missing; write for example circle-crop,clahe:clip=2:tiles=8")
    return tuple(_parse_step(word) for word in words)


def plan_steps(steps: Sequence[Step], size: int | None, default_size: int) -> tuple[Step, ...]:
    """Insert a resize after the last step that cuts or scales, so that later steps work on output pixels.

    Args:
        steps: The steps of the command line.
        size: Side of the result in pixels; None for that of a `resize` step, or `default_size` without one.
        default_size: Default side in pixels.
    """
    if size is None and any(step.name == "resize" for step in steps):
        return tuple(steps)
    end = max((index + 1 for index, step in enumerate(steps) if _changes_frame(step)), default=0)
    resize = _parse_step(f"resize:size={size or default_size}")
    return (*steps[:end], resize, *steps[end:])


def apply_steps(photograph: Photograph, steps: Sequence[str]) -> Photograph:
    """Compute the pixels that `drkit preprocess` writes for a photograph, before they are encoded.

    Args:
        photograph: uint8 (H, W, 3) RGB, as decoded.
        steps: The steps, as in a manifest.

    Returns:
        uint8 (S, S, 3) RGB; the photograph itself if there are no steps.
    """
    return follow_steps(frame_photograph(photograph)[0], parsed(tuple(steps))).photograph if steps else photograph


def frame_photograph(photograph: Photograph) -> tuple[Fundus, str]:
    """The photograph (H, W, 3) with its fundus disc; if no disc is found, without one and with the reason."""
    try:
        return Fundus.of(photograph, find_disc(photograph)), ""
    except NoDiscError as error:
        return Fundus.of(photograph, None), str(error)


def follow_steps(fundus: Fundus, steps: Sequence[Step]) -> Fundus:
    """Apply all steps to a photograph."""
    for step in steps:
        fundus = step(fundus)
    return fundus


def stages(photograph: Photograph, steps: Sequence[Step]) -> Iterator[Photograph]:
    """Yield the photograph and the result of each step, all uint8 (H, W, 3)."""
    fundus, _ = frame_photograph(photograph)
    yield photograph
    for step in steps:
        fundus = step(fundus)
        yield fundus.photograph


@lru_cache(maxsize=16)
def parsed(steps: tuple[str, ...]) -> tuple[Step, ...]:
    """Parse the steps of a manifest, each of which is a string.

    Raises:
        UsageError: as for `parse_steps`.
    """
    return tuple(_parse_step(step) for step in steps)


def _changes_frame(step: Step) -> bool:
    entry = FILTERS[step.name]
    return entry.changes_frame or dict(step.parameters).get(entry.scaling_parameter, 0) > 0


def _parse_step(word: str) -> Step:
    choice = parse_spec(FILTERS, "step", word)
    return Step(choice.name, choice.parameters)
