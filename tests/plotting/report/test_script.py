"""The page's script in a headless browser: it sorts tables and sets the opacity of maps."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drkit.plotting.report.page import (
    EvidencePicture,
    EvidencePictures,
    Section,
    TableBlock,
    embed_photograph,
    render_page,
)
from drkit.reporting import Table

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="needs chromium or chrome")

ROWS = [("b10", "0.710 (0.6 to 0.8)", "-"), ("b9", "-0.050", "+0.02"), ("a", "0.900", "+0.10")]
DRIVER = """
const found = {};
const heads = [...document.querySelectorAll("th")];
const names = () => [...document.querySelectorAll("tbody tr")].map((row) => row.cells[0].textContent);
const click = (column) => { heads[column].querySelector("button").click(); return [names(), heads[column].ariaSort]; };
found.numbers = [click(1), click(1)];
found.words = [click(0), click(0)];
found.missing = [click(2), click(2)];
found.marked = heads.filter((head) => head.hasAttribute("aria-sort")).length;
const sliders = [...document.querySelectorAll("input[type=range]")];
const press = (key, options) => document.dispatchEvent(new KeyboardEvent("keydown", { key, ...options }));
const state = () => [
  sliders.map((slider) => Number(slider.value)),
  getComputedStyle(document.querySelector("img.map")).opacity,
];
found.start = state();
press("-"); press("-"); press("-");
found.weaker = state();
press("-", { ctrlKey: true });
found.zoomed = state();
press("+");
found.stronger = state();
for (let step = 0; step < 20; step++) press("+");
found.most = state();
sliders[1].value = 25;
sliders[1].dispatchEvent(new Event("input"));
found.moved = state();
const panes = [...document.querySelectorAll(".panes")];
found.below = panes.map((row) => row.querySelectorAll(".pane img.base").length);
document.body.innerHTML = "";
document.body.append(Object.assign(document.createElement("pre"), { textContent: JSON.stringify(found) }));
"""


def _page() -> str:
    def pane(value: int) -> Any:
        return embed_photograph(np.full((8, 8, 3), value, np.uint8), "a picture")

    evidence = EvidencePicture(pane(50), [pane(100), pane(150)], 300)
    blocks = [
        TableBlock(Table("kappas", ("run", "kappa", "gain"), ROWS)),
        EvidencePictures([evidence]),
        EvidencePictures([evidence]),
    ]
    return render_page("title", "subtitle", [Section("only", "Only", blocks)])


def _show(page: str, path: Path) -> str:
    """The page as the browser has it after its scripts have run."""
    path.write_text(page, encoding="utf-8")
    command = [
        str(BROWSER),
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={path.parent / 'profile'}",
    ]
    done = subprocess.run(
        [*command, "--dump-dom", path.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The results of the test driver; the page's content security policy, which would block it, is removed."""
    page, removed = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", _page())
    assert removed == 1
    page = page.replace("</body>", f"<script>{DRIVER}</script></body>")
    shown = _show(page, tmp_path_factory.mktemp("driven") / "page.html")
    return json.loads(html.unescape(re.search(r"<pre>(.*?)</pre>", shown, re.DOTALL).group(1)))


def test_the_policy_allows_only_the_pages_script(tmp_path: Path) -> None:
    page = _page().replace("</body>", "<script>document.documentElement.classList.add('foreign')</script></body>")
    shown = _show(page, tmp_path / "page.html")
    assert re.search(r'<html[^>]* class="scripted"', shown)


def test_numbers_are_sorted_from_the_highest_and_back(found) -> None:
    assert found["numbers"] == [[["a", "b10", "b9"], "descending"], [["b9", "b10", "a"], "ascending"]]


def test_words_are_sorted_with_the_numbers_in_them(found) -> None:
    assert found["words"] == [[["a", "b9", "b10"], "ascending"], [["b10", "b9", "a"], "descending"]]
    assert found["marked"] == 1


def test_cells_without_a_number_stay_last(found) -> None:
    assert found["missing"] == [[["a", "b9", "b10"], "descending"], [["b9", "a", "b10"], "ascending"]]


def test_keys_and_sliders_set_the_strength_of_all_maps(found) -> None:
    assert found["start"] == [[100, 100], "1"]
    assert found["weaker"] == found["zoomed"] == [[70, 70], "0.7"]
    assert found["stronger"] == [[80, 80], "0.8"]
    assert found["most"] == [[100, 100], "1"]
    assert found["moved"] == [[25, 25], "0.25"]


def test_each_map_is_drawn_over_its_photograph(found) -> None:
    assert found["below"] == [3, 3]
