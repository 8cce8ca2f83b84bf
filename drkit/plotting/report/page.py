"""The page: sections of text, tables and pictures in one HTML file that needs no network."""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import ClassVar

import cv2
import matplotlib as mpl
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

import drkit
from drkit.fonts import warning_of_missing_letters
from drkit.images.files import Photograph, encode_photograph
from drkit.plotting.style import styled
from drkit.reporting import Table

RASTER_DPI = 144  # of points that are painted as pixels
TEMPLATE, STYLE, SCRIPT = "page.html.j2", "page.css", "page.js"
# An svg in a page needs none of these, and both would name addresses.
_PROLOGUE = re.compile(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>", re.DOTALL)
_COORDINATES = re.compile(r'\b(?:d|x|y)="[^"]*"')
_FRACTION = re.compile(r"(\.\d{2})\d+")  # digits beyond a hundredth of a point
_DASHES = {"-": "", "--": "6 3", ":": "2 3", "-.": "7 3 2 3", "None": None}
_MARKERS = {"o": "\u25cf", "s": "\u25a0", "^": "\u25b2", "D": "\u25c6", "X": "\u2716", ".": "\u2022"}
_RING = "\u25cb"


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    text: str
    kind: ClassVar[str] = "heading"


@dataclass(frozen=True)
class Paragraph:
    """One or more sentences.

    Args:
        text: Plain text.
        tone: `plain`, `quiet` for remarks, or `warning`.
    """

    text: str
    tone: str = "plain"
    kind: ClassVar[str] = "paragraph"


@dataclass(frozen=True)
class TableBlock:
    """A table; a click on a heading sorts it."""

    table: Table
    kind: ClassVar[str] = "grid"


@dataclass(frozen=True)
class Picture:
    """An embedded picture.

    Args:
        uri: `data:...`.
        alt: What the picture shows, for readers who cannot see it.
        caption: Lines below the picture.
        what: `plot`, drawn for a light page, or `photograph`.
        width: Maximum width in CSS pixels.
    """

    uri: str
    alt: str
    caption: tuple[str, ...] = ()
    what: str = "plot"
    width: int = 340


@dataclass(frozen=True)
class LegendEntry:
    """One entry of the legend that several plots share.

    Args:
        label: What the line or marker stands for.
        colour: A CSS colour.
        dashes: The line's `stroke-dasharray`, empty for a solid line; None for no line.
        marker: One character; empty for no marker.
    """

    label: str
    colour: str
    dashes: str | None = ""
    marker: str = ""


@dataclass(frozen=True)
class Pictures:
    """Pictures side by side, as many as fit, below the legend that they share."""

    items: Sequence[Picture]
    legend: Sequence[LegendEntry] = ()
    kind: ClassVar[str] = "pictures"

    @property
    def are_plots(self) -> bool:
        """Whether these are plots, which grow with the window; photographs keep their size."""
        return any(item.what == "plot" for item in self.items)


@dataclass(frozen=True)
class EvidencePicture:
    """A photograph beside its maps, which are laid over the photograph as strongly as the reader chooses.

    Args:
        photograph: The photograph, with the caption of photograph and maps.
        maps: The photograph in grey with the evidence painted on it, of the same size.
        width: Maximum width of photograph and maps together in CSS pixels.
        legend: Meanings of the colours of the maps; empty if the page states them elsewhere.
    """

    photograph: Picture
    maps: Sequence[Picture]
    width: int
    legend: str = ""


@dataclass(frozen=True)
class EvidencePictures:
    """Photographs with their maps, below the slider that sets the maps' strength."""

    items: Sequence[EvidencePicture]
    kind: ClassVar[str] = "evidence"


@dataclass(frozen=True)
class Details:
    """Lines of text that are folded away below a summary."""

    summary: str
    lines: Sequence[str]
    kind: ClassVar[str] = "details"


Block = Heading | Paragraph | TableBlock | Pictures | EvidencePictures | Details


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Args:
        anchor: Letters; the page's list of contents links to it.
        title: The heading.
        blocks: The content, in order.
        is_one_sheet: Whether it is printed on one sheet of paper if it fits.
    """

    anchor: str
    title: str
    blocks: Sequence[Block] = field(default_factory=tuple)
    is_one_sheet: bool = False


def render_page(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """The whole page, the same text for the same sections.

    Everything but the template's own text is escaped, and the page's policy lets a browser run only the template's own
    script, and load nothing.
    """
    environment = Environment(
        loader=PackageLoader("drkit.plotting.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style, script = (Path(__file__).with_name(name).read_text(encoding="utf-8") for name in (STYLE, SCRIPT))
    page = environment.get_template(TEMPLATE).render(
        title=title,
        subtitle=subtitle,
        sections=sections,
        version=drkit.__version__,
        style=style,
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    return page.lstrip()


def embed_figure(figure: Figure, alt: str, *caption: str) -> Picture:
    """A figure as an embedded svg without background, as wide as it was drawn (96 pixels an inch).

    Text is embedded as text, which a browser without DejaVu Sans shows in another font; few fonts are wider.
    """
    buffer = BytesIO()
    with styled(), mpl.rc_context({"svg.fonttype": "none"}), warning_of_missing_letters(alt):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None}, dpi=RASTER_DPI)
    text = _PROLOGUE.sub("", buffer.getvalue().decode()).strip()
    text = _COORDINATES.sub(lambda coordinates: _FRACTION.sub(r"\1", coordinates[0]), text)
    width = round(float(figure.get_size_inches()[0]) * 96)
    return Picture(_data_uri("image/svg+xml", text.encode()), alt, caption, "plot", width)


def embed_photograph(photograph: Photograph, alt: str, *caption: str, width: int = 180) -> Picture:
    """A photograph as an embedded JPEG."""
    return Picture(_data_uri("image/jpeg", encode_photograph(photograph, ".jpg")), alt, caption, "photograph", width)


def shrink(picture: Photograph, side: int) -> Photograph:
    """Scale a square picture down to `side` pixels; a smaller one is returned unchanged."""
    if len(picture) <= side:
        return picture
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def build_legend(handles: Sequence[Artist]) -> list[LegendEntry]:
    """The entries of a page's legend, from the lines of a figure's."""
    lines = [handle for handle in handles if isinstance(handle, Line2D)]
    return [
        LegendEntry(
            str(line.get_label()),
            str(line.get_color()) if str(line.get_color()).startswith("#") else "#4d4d4d",
            _DASHES[str(line.get_linestyle()) or "None"],
            _RING if line.get_fillstyle() == "none" else _MARKERS.get(str(line.get_marker()), ""),
        )
        for line in lines
    ]


def _data_uri(media_type: str, content: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"
