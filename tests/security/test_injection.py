"""Ids, names and metadata from files are shown as plain text in terminals, pages and model cards."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from drkit.cli import console
from drkit.errors import InputError, readable
from drkit.exporting.card import write_card
from drkit.plotting.pictures import PictureConfig
from drkit.recipes.report import ReportInputs, run_report
from drkit.records.predictions import read_predictions, write_predictions
from drkit.reporting import Table

HOSTILE = "<img src=x onerror=alert(1)>[a](javascript:alert(1))`${7*7}{{7*7}}$x_{"
STEERING = "a\x1b]0;title\x07\x1b[2Jb\x9b31m\u202ec\rd"


def test_nothing_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    console.refuse(InputError(f"{STEERING} is not a data set"))
    table = InputError("odd")
    table.table = Table(STEERING, (STEERING,), [(STEERING,)])
    console.refuse(table)
    printed = capsys.readouterr().err
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", printed)
    assert "\\x1b" in printed


def test_readable_characters_are_kept() -> None:
    assert readable("Ä ü 眼 é\tb\n") == "Ä ü 眼 é\tb\n"


class _Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attributes)))


def test_a_report_shows_hostile_ids_and_names_as_they_are(run_stem: Path, tmp_path: Path) -> None:
    predictions = read_predictions(run_stem)
    rows = predictions.rows.copy()
    rows["image_id"] = pd.array([f"{HOSTILE}{number}" for number in range(len(rows))], dtype="string")
    rows["patient_id"] = (rows["patient_id"] + HOSTILE).astype("string")
    meta = replace(predictions.meta, model=HOSTILE, provenance={"data": [HOSTILE], "options": {HOSTILE: HOSTILE}})
    path = tmp_path / f"{HOSTILE.replace('/', '')}.parquet"
    write_predictions(replace(predictions, rows=rows, meta=meta), path)
    out = tmp_path / "report.html"
    run_report(ReportInputs((path,)), PictureConfig(out=out, resamples=100))
    page = out.read_text()
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert "{{7*7}}" in page
    assert [tag for tag, _ in _Tags(page).found].count("script") == 1  # the template's own
    for tag, attributes in _Tags(page).found:
        assert not [name for name in attributes if name.startswith("on")]
        assert not [value for value in attributes.values() if value and value.startswith("javascript:")]
        assert tag != "img" or str(attributes["src"]).startswith("data:image/")


def test_a_model_card_quotes_a_record_as_text() -> None:
    hostile = f"{HOSTILE}\n\n# Heading\n<script>alert(1)</script>"
    facts = {
        "run": hostile, "backbone": hostile, "drkit_version": "1", "target": "eye", "warning": "none",
        "trained_on": 3, "weights": hostile, "photographs_a_unit": 1, "cut_points": None, "steps": [hostile],
        "loss": "cross-entropy", "decision": "argmax", "training_data": [hostile], "licence": "not stated",
        "trained_on_unknown_photographs": False,
    }  # fmt: skip
    card = write_card(facts, 64, None, "val")
    assert not re.search(r"(?<!\\)<(?:img|script)", card)
    assert not re.search(r"(?<!\\)\]\(javascript", card)
    assert "\n# Heading" not in card
    facts |= dict.fromkeys(("run", "backbone", "weights"), "resnet18_a1") | {"training_data": ["DeepDRiD_v1"]}
    assert "Data: DeepDRiD_v1 (3" in write_card(facts | {"steps": []}, 64, None, "val")
