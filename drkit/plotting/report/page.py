"""The page: sections of paragraphs, tables and pictures, all within one file."""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import ClassVar

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

import drkit
from drkit.fonts import telling_missing_letters
from drkit.images.files import Photograph, encode_photograph
from drkit.plotting.style import styled
from drkit.reporting import Table

TEMPLATE = "page.html.j2"
# An svg in a page needs none of these, and both would name addresses.
_PROLOGUE = re.compile(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>", re.DOTALL)


@dataclass(frozen=True)
class Paragraph:
    """A sentence or more.

    Args:
        text: Plain.
        tone: `plain`, `quiet` for remarks, `warning`.
    """

    text: str
    tone: str = "plain"
    kind: ClassVar[str] = "paragraph"


@dataclass(frozen=True)
class TableBlock:
    """A table."""

    table: Table
    kind: ClassVar[str] = "grid"


@dataclass(frozen=True)
class Picture:
    """A picture, embedded.

    Args:
        uri: `data:...`.
        alt: What it shows, for those who cannot see it.
        caption: Lines below it.
        what: `plot`, drawn for a light page, or `photograph`.
        width: In CSS pixels, at most.
    """

    uri: str
    alt: str
    caption: tuple[str, ...] = ()
    what: str = "plot"
    width: int = 340


@dataclass(frozen=True)
class Pictures:
    """Pictures beside each other, as many as fit."""

    items: Sequence[Picture]
    kind: ClassVar[str] = "pictures"


@dataclass(frozen=True)
class Details:
    """What is folded away until it is asked for: lines of text."""

    summary: str
    lines: Sequence[str]
    kind: ClassVar[str] = "details"


Block = Paragraph | TableBlock | Pictures | Details


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it.

    Args:
        anchor: Letters; the page's list of contents leads there.
        title: The heading.
        blocks: In order.
    """

    anchor: str
    title: str
    blocks: Sequence[Block] = field(default_factory=tuple)


def render_page(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """The whole page, the same text for the same sections; everything but the template's own is escaped."""
    loader = PackageLoader("drkit.plotting.report", ".")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.get_template(TEMPLATE)
    return template.render(title=title, subtitle=subtitle, sections=sections, version=drkit.__version__)


def embed_figure(figure: Figure, alt: str, *caption: str) -> Picture:
    """A figure as an embedded svg without background, as wide as it was drawn (96 pixels an inch)."""
    buffer = BytesIO()
    with styled(), telling_missing_letters(alt):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = _PROLOGUE.sub("", buffer.getvalue().decode()).strip()
    width = round(float(figure.get_size_inches()[0]) * 96)
    return Picture(_data_uri("image/svg+xml", text.encode()), alt, caption, "plot", width)


def embed_photograph(photograph: Photograph, alt: str, *caption: str, width: int = 180) -> Picture:
    """A photograph as an embedded JPEG."""
    return Picture(_data_uri("image/jpeg", encode_photograph(photograph, ".jpg")), alt, caption, "photograph", width)


def _data_uri(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
