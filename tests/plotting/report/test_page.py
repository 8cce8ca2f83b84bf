import base64
import re
from html.parser import HTMLParser

import numpy as np
from matplotlib.figure import Figure

from drkit.plotting.report.page import (
    Details,
    Paragraph,
    Pictures,
    Section,
    TableBlock,
    embed_figure,
    embed_photograph,
    render_page,
)
from drkit.reporting import Table

EVIL = "<script>alert('x')</script><img src=q onerror=\"boom\">&"


def _page(text: str) -> str:
    picture = embed_photograph(np.zeros((32, 32, 3), np.uint8), text, text)
    blocks = [Paragraph(text), TableBlock(Table(text, (text,), ((text,),))), Details(text, [text]), Pictures([picture])]
    return render_page(text, text, [Section("anchor", text, blocks)])


class _Reader(HTMLParser):
    """Collects opening and closing tags and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attributes
        if tag not in {"meta", "img", "br", "link"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_reported_text_cannot_become_markup() -> None:
    plain, evil = _Reader(), _Reader()
    plain.feed(_page("harmless"))
    evil.feed(_page(EVIL))
    assert evil.tags == plain.tags
    assert [name for name, _ in evil.attributes] == [name for name, _ in plain.attributes]
    assert evil.open == []


def test_all_inserted_text_is_on_the_page() -> None:
    page = _page("harmless")
    assert page.count("harmless") >= 8
    assert page == _page("harmless")


def test_an_embedded_figure_names_no_address_but_its_namespaces() -> None:
    figure = Figure()
    figure.subplots().plot([1, 2])
    picture = embed_figure(figure, "a line")
    media_type, content = picture.uri.split(",")
    assert media_type == "data:image/svg+xml;base64"
    svg = base64.b64decode(content).decode()
    addresses = {found.group() for found in re.finditer(r"http[^\"' ]*", svg)}
    assert addresses == {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert picture.width == 614
