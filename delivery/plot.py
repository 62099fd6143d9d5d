"""Small bar charts as images within Markdown: nothing to fetch, nothing that runs.

Both of Prefect's UIs show an image whose address is its own data. Where such images are not
shown (GitHub, a terminal), the text that stands for it says every figure.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape as xml

from delivery.markdown import escape

_PANELS_A_ROW = 3
_PANEL_HEIGHT = 184
_CAPTION_HEIGHT = 24
_MARGIN = 12
_BARS_BOTTOM = 142
_BARS_HEIGHT = 88
_WIDE, _NARROW = 76, 24
_MOST_WIDE_BARS = 6
_CHARACTER = 6
_IMAGE = re.compile(r"!\[((?:\\.|[^\]\\])*)\]\(data:image/[^)]*\)")
_LIGHT, _INK, _RED = "#9ec1e6", "#1f2933", "#b42318"


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, of which ``part`` is drawn darker; ``said`` stands above it, ``warning`` below."""

    label: str
    whole: float
    part: float
    said: str
    warning: str = ""

    @property
    def words(self) -> str:
        """The bar for those who do not see it; empty if it says nothing."""
        said = f"{self.label} {self.said}" if self.said else ""
        return f"{said} ({self.warning})" if self.warning else said


@dataclass(frozen=True, slots=True)
class Panel:
    """Bars that belong together, under a title and a note, which may both be empty."""

    bars: tuple[Bar, ...]
    title: str = ""
    note: str = ""

    @property
    def pitch(self) -> int:
        """From one bar to the next, in pixels."""
        return _WIDE if len(self.bars) <= _MOST_WIDE_BARS else _NARROW

    @property
    def width(self) -> int:
        """How wide it is drawn, in pixels."""
        return 2 * _MARGIN + max(self.pitch * len(self.bars), len(self.note) * _CHARACTER)

    @property
    def words(self) -> str:
        """The panel for those who do not see it."""
        bars = ", ".join(bar.words for bar in self.bars if bar.words)
        head = f"{self.title} ({self.note})" if self.note else self.title
        return f"{head}: {bars}" if head else bars


def chart(caption: str, panels: Sequence[Panel], *, dark: str = "#1f5fa8") -> str:
    """The panels side by side and on one scale, as an image; the parts in the colour ``dark``."""
    words = f"{caption}. " + "; ".join(panel.words for panel in panels)
    address = base64.b64encode(_svg(caption, panels, dark).encode()).decode()
    return f"![{escape(words)}](data:image/svg+xml;base64,{address})"


def in_words(markdown: str) -> str:
    """The same for a terminal: each chart is the text that stands for it."""
    return _IMAGE.sub(r"\1", markdown)


def _svg(caption: str, panels: Sequence[Panel], dark: str) -> str:
    highest = max((bar.whole for panel in panels for bar in panel.bars), default=0) or 1
    wide = max(panel.width for panel in panels)
    width = max(wide * min(len(panels), _PANELS_A_ROW), len(caption) * _CHARACTER + 2 * _MARGIN)
    height = _CAPTION_HEIGHT + _PANEL_HEIGHT * -(-len(panels) // _PANELS_A_ROW)
    drawn = "".join(
        _moved(
            _panel(panel, highest, dark),
            at % _PANELS_A_ROW * wide,
            _CAPTION_HEIGHT + at // _PANELS_A_ROW * _PANEL_HEIGHT,
        )
        for at, panel in enumerate(panels)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11" fill="{_INK}">'
        f'<rect width="{width}" height="{height}" fill="#fff"/>'
        f"{_text(_MARGIN, 16, caption)}{drawn}</svg>"
    )


def _panel(panel: Panel, highest: float, dark: str) -> str:
    """What stands above the bars, and the bars; of narrow ones every other has its label."""
    fits = panel.width // _CHARACTER - 4
    title = panel.title if len(panel.title) <= fits else f"{panel.title[: fits - 1]}…"
    every = 1 if panel.pitch == _WIDE else 2
    bars = "".join(
        _moved(
            _bar(bar, panel.pitch, _BARS_HEIGHT / highest, dark)
            + (_text(panel.pitch / 2, 156, bar.label, "middle") if at % every == 0 else ""),
            _MARGIN + at * panel.pitch,
        )
        for at, bar in enumerate(panel.bars)
    )
    return _text(_MARGIN, 16, title) + _text(_MARGIN, 30, panel.note) + bars


def _bar(bar: Bar, pitch: int, scale: float, dark: str) -> str:
    middle = pitch / 2
    return (
        _block(pitch, bar.whole * scale, _LIGHT)
        + _block(pitch, bar.part * scale, dark)
        + _text(middle, _BARS_BOTTOM - bar.whole * scale - 4, bar.said, "middle")
        + _text(middle, 170, bar.warning, "middle", _RED)
    )


def _block(pitch: int, height: float, colour: str) -> str:
    top = _BARS_BOTTOM - height
    side = f'x="{pitch * 0.2:.1f}" width="{pitch * 0.6:.1f}"'
    return f'<rect {side} y="{top:.1f}" height="{height:.1f}" fill="{colour}"/>' if height else ""


def _moved(drawn: str, right: int, down: int = 0) -> str:
    return f'<g transform="translate({right} {down})">{drawn}</g>'


def _text(x: float, y: float, text: str, anchor: str = "start", colour: str = _INK) -> str:
    shown = "".join(character for character in text if character.isprintable())
    if not shown:
        return ""
    place = f'x="{x:g}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} fill="{colour}">{xml(shown)}</text>'
