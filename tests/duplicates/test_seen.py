"""Seen photographs are recognised in other people's copies, and others are not."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from drkit.duplicates.seen import find_copies, find_seen, hash_all
from drkit.images.files import Photograph, read_photograph
from drkit.records.layouts import read_dataset
from drkit.records.provenance import sha256_file
from drkit.records.seen import SeenPhotographs

Save = Callable[..., Path]
Fundus = Callable[[int], Photograph]


def remember(paths: list[Path]) -> SeenPhotographs:
    """The photographs as seen by the weights that were trained on them."""
    hashes = hash_all(paths)
    return SeenPhotographs(
        datasets=("here",) * len(paths),
        names=tuple(path.stem for path in paths),
        sha256=tuple(map(sha256_file, paths)),
        hashes=np.stack([np.zeros((3, 4), np.uint64) if one is None else one for one in hashes]),
        is_hashed=np.array([one is not None for one in hashes]),
    )


def are_copies(paths: list[Path], seen: SeenPhotographs) -> list[bool]:
    return find_copies(paths, hash_all(paths), seen).tolist()


def save_copies(paths: list[Path], folder: Path, save: Save, across: float = 0.7, down: float = 0.7) -> list[Path]:
    """Copies with other names, at quality 80 and another size."""
    kind = cv2.INTER_AREA if max(across, down) <= 1 else cv2.INTER_LINEAR
    return [
        save(cv2.resize(read_photograph(path), None, fx=across, fy=down, interpolation=kind), folder / f"n{k}.jpg", 80)
        for k, path in enumerate(paths)
    ]


@pytest.fixture
def paths(fundus: Fundus, save: Save, tmp_path: Path) -> list[Path]:
    return [save(fundus(seed), tmp_path / "seen" / f"eye{seed}.jpg") for seed in range(4)]


@pytest.mark.parametrize(("across", "down"), [(1, 1), (0.6, 0.6), (1.5, 1.5), (1.3, 1), (1, 1.3)])
def test_copies_at_quality_80_are_recognised_at_any_size(
    paths: list[Path], across: float, down: float, save: Save, tmp_path: Path
) -> None:
    """This includes squashed copies, such as the common version of APTOS 2019 at 224 x 224."""
    assert all(are_copies(save_copies(paths, tmp_path, save, across, down), remember(paths)))


def test_other_eyes_are_not_recognised(paths: list[Path], fundus: Fundus, save: Save, tmp_path: Path) -> None:
    others = [save(fundus(seed), tmp_path / "others" / f"eye{seed}.jpg") for seed in range(4, 10)]
    assert not any(are_copies(others, remember(paths)))


def test_a_name_lets_a_crop_be_recognised_but_no_other_eye(
    paths: list[Path], fundus: Fundus, save: Save, tmp_path: Path
) -> None:
    """The numbers of IDRiD's test photographs also start at 1, so an equal name is not evidence."""
    crops = [fundus(seed)[12:-26, 12:-26] for seed in range(4)]
    renamed = [save(crop, tmp_path / "a" / f"n{number}.jpg") for number, crop in enumerate(crops)]
    named = [save(crop, tmp_path / "b" / f"EYE{number}.jpg") for number, crop in enumerate(crops)]
    namesakes = [save(fundus(seed + 10), tmp_path / "c" / f"eye{seed}.jpg") for seed in range(4)]
    seen = remember(paths)
    assert sum(are_copies(named, seen)) > sum(are_copies(renamed, seen))
    assert not any(are_copies(namesakes, seen))


def test_blank_and_broken_photographs_are_like_no_other(paths: list[Path], save: Save, tmp_path: Path) -> None:
    blank = save(np.zeros((64, 64, 3), np.uint8), tmp_path / "blank.jpg")
    broken = tmp_path / "eye0.jpg"
    broken.write_bytes(b"no photograph")
    assert not any(are_copies([blank, broken], remember([*paths, blank])))


def test_without_a_packaged_ancestor_only_content_counts(paths: list[Path]) -> None:
    contents = [sha256_file(path) for path in paths]
    assert find_seen(paths, contents, {contents[1], "unknown"}).tolist() == [False, True, False, False]


@pytest.mark.parametrize("size", [0.6, 1.7])
def test_real_photographs_are_recognised_after_being_saved_again(
    size: float, shared_data: Path, save: Save, tmp_path: Path
) -> None:
    """This includes squashed photographs of APTOS that were made round."""
    paths = read_dataset(shared_data / "APTOS2019").paths()[:1000:25]
    seen = remember(paths)
    assert all(are_copies(save_copies(paths, tmp_path / "same", save, size, size), seen))
    assert np.mean(are_copies(save_copies(paths, tmp_path / "wide", save, 1.4 * size, size), seen)) > 0.9


def test_real_photographs_of_other_patients_are_not_recognised(shared_data: Path) -> None:
    names = ("APTOS2019", "Messidor-2", "KaggleDRResized", "IDRiD")
    known = [path for name in names for path in read_dataset(shared_data / name).paths()[::15]]
    seen = remember(known)
    others = read_dataset(shared_data / "DeepDRiD").paths()[::10]
    assert not any(are_copies(others, seen))


def test_idrids_two_parts_share_46_photographs(shared_data: Path) -> None:
    """At two sizes, with two names; the other eight have no counterpart when laid upon each of the 413, either."""
    parts = sorted((shared_data / "IDRiD-segmentation").glob("*/1. Original Images/*/*.jpg"))
    seen = remember(read_dataset(shared_data / "IDRiD").paths())
    assert (len(parts), sum(are_copies(parts, seen))) == (54, 46)
