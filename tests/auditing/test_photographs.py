"""Photographs that should not be trained on."""

import cv2
import numpy as np
import pytest

from drkit.auditing.photographs import find_poor_photographs
from drkit.auditing.rows import concat_surveys
from drkit.duplicates.stats import measure_photographs
from drkit.records.layouts.survey import survey_dataset


def kinds(folder):
    rows = concat_surveys([(folder, survey_dataset(folder))])
    found = find_poor_photographs(rows, measure_photographs(rows["path"].tolist()))
    return {(finding.kind, finding.ids) for finding in found}


def test_broken_photographs_are_findings_not_refusals(tmp_path, fundus, save):
    save(fundus(0), tmp_path / "good.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "good.jpg").read_bytes()[:2000])
    (tmp_path / "empty.jpg").write_bytes(b"")
    save(np.full((300, 300, 3), 40, np.uint8), tmp_path / "grey.jpg")
    assert kinds(tmp_path) == {
        ("unreadable-photograph", ("cut",)),
        ("unreadable-photograph", ("empty",)),
        ("blank-photograph", ("grey",)),
    }


@pytest.mark.parametrize(("side", "kind"), [(40, "tiny-photograph"), (200, "small-photograph")])
def test_small_photographs(tmp_path, fundus, save, side, kind):
    save(cv2.resize(fundus(0), (side, side), interpolation=cv2.INTER_AREA), tmp_path / "a.jpg")
    assert kinds(tmp_path) == {(kind, ("a",))}


def test_a_good_photograph_has_no_findings(tmp_path, fundus, save):
    save(fundus(0), tmp_path / "a.jpg")
    assert kinds(tmp_path) == set()


def test_remarks_of_a_decoder_are_findings_by_file(tmp_path, fundus, save):
    save(fundus(0), tmp_path / "whole.jpg")
    content = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "behind.jpg").write_bytes(content + b"another file")
    (tmp_path / "odd.jpg").write_bytes(content[:-2] + 4 * b"abcdef" + content[-2:])
    (tmp_path / "closed.jpg").write_bytes(content[: len(content) // 2] + b"\xff\xd9")
    cv2.imwrite(str(tmp_path / "deep.tif"), fundus(1).astype(np.uint16) << 4)
    assert kinds(tmp_path) == {
        ("bytes-behind-end", ("behind",)),
        ("decoder-warning", ("odd",)),
        ("unreadable-photograph", ("closed",)),
        ("depth-inferred", ("deep",)),
    }
