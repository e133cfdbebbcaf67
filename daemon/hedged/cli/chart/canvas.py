"""
What every panel of the picture shares: where it lies, the time axis, colours, and the firings.

Enters a `Chart`; leaves an empty figure with its axes, its headline, and a thin line through all
panels at each firing that moved the goal. Colours are those of Okabe and Ito, which colour-blind
readers tell apart; candles are black and white, so that a colour always means a line or a direction
of the goal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

import plotly.graph_objects as go
import polars as pl

from hedged.cli.chart.figures import Chart, Entry, ReviewShown
from hedged.core.metrics import bar_seconds
from hedged.core.wording import percent

INK, GREY, SILVER, GRID = "#333333", "#777777", "#b5b5b5", "#ececec"
AMBER, SKY, GREEN = "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILLION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"

# In pixels; a reader's window decides the width alone.
PRICE, PANEL, VOLUME, LANE, GAP = 480, 70, 46, 21, 22
TOP, BOTTOM, LEFT, RIGHT = 108, 34, 178, 176
WIDTH_USUAL = 1250
"""The width of the drawing that names of firings are fitted to; in a narrower one they may touch."""

NAME_MAX = 26


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: its axis (``y``, ``y2``, ...), its ends as shares of them all, its height in px."""

    axis: str
    bottom: float
    top: float
    height: int

    @property
    def layout(self) -> str:
        return f"yaxis{self.axis[1:]}"


@dataclass(frozen=True, slots=True)
class Turn:
    """How a firing is shown that raised the goal, lowered it, or left it as it was."""

    symbol: str
    colour: str
    said: str


RAISED = Turn("triangle-up", VERMILLION, "fired: goal raised")
LOWERED = Turn("triangle-down", BLUE, "fired: goal lowered")
UNMOVED = Turn("diamond", INK, "fired: goal as it was")


def turn_of(fired: Entry | ReviewShown) -> Turn:
    """How a firing is shown."""
    if fired.goal_ratio == fired.goal_before:
        return UNMOVED
    return RAISED if fired.goal_ratio > fired.goal_before else LOWERED


def panels_of(chart: Chart) -> dict[str, Panel]:
    """Every panel that has data, from the top down."""
    heights = {"price": PRICE, "volume": VOLUME, "rules": LANE * len(chart.rules), "goal": PANEL,
               "funding": PANEL, "interest": PANEL}  # fmt: skip
    series = {"volume": "volume", "funding": "funding_rate_8h", "interest": "open_interest"}
    empty = {name for name, column in series.items() if chart.bars[column].is_null().all()}
    empty |= set() if chart.figures.reviews else {"rules", "goal"}
    kept = {name: px for name, px in heights.items() if px and name not in empty}
    total = sum(kept.values()) + GAP * (len(kept) - 1)
    panels, top = {}, total
    for place, (name, px) in enumerate(kept.items(), start=1):
        axis = "y" if place == 1 else f"y{place}"
        panels[name] = Panel(axis, (top - px) / total, top / total, px)
        top -= px + GAP
    return panels


def canvas(chart: Chart, panels: dict[str, Panel]) -> go.Figure:
    """The empty figure."""
    drawn = go.Figure()
    height = sum(panel.height for panel in panels.values()) + GAP * (len(panels) - 1)
    drawn.update_layout(
        height=height + TOP + BOTTOM,
        margin={"t": TOP, "b": BOTTOM, "l": LEFT, "r": RIGHT},
        template="none",
        font={"family": "Helvetica, Arial, sans-serif", "size": 12, "color": INK},
        hovermode="x unified",
        hoversubplots="axis",
        hoverlabel={"font": {"size": 11}, "namelength": -1},
        bargap=0.25,
        title={
            "text": _headline(chart), "font": {"size": 18}, "pad": {"t": 26},
            "x": 0, "xref": "paper", "xanchor": "left", "y": 1, "yref": "container", "yanchor": "top",
        },
        legend={
            "orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "font": {"size": 11},
            "itemclick": False, "itemdoubleclick": False,
        },
        xaxis=_time_axis(chart, anchor=list(panels.values())[-1].axis),
        **{panel.layout: _axis(panel, zoomable=name == "price") for name, panel in panels.items()},
    )  # fmt: skip
    for entry in chart.figures.entries:
        if turn_of(entry) != UNMOVED:
            drawn.add_shape(
                type="line", x0=plain(entry.bar), x1=plain(entry.bar), yref="paper", y0=0, y1=1,
                line={"color": turn_of(entry).colour, "width": 1, "dash": "dot"}, opacity=0.45,
                layer="between",
            )  # fmt: skip
    return drawn


def _time_axis(chart: Chart, anchor: str) -> dict[str, object]:
    figures, seconds = chart.figures, bar_seconds(chart.figures.bar)
    first, last = (at.timestamp() * 1000 for at in (figures.first_bar, figures.last_bar))
    return {
        "type": "date", "range": [first - 1000 * seconds, last + 2000 * seconds], "anchor": anchor,
        "gridcolor": GRID, "rangeslider": {"visible": False}, "showspikes": True, "spikedash": "solid",
        "spikemode": "across", "spikethickness": 1, "spikecolor": SILVER,
        "hoverformat": "%A %Y-%m-%d" if seconds >= 86_400 else "%Y-%m-%d %H:%M",
    }  # fmt: skip


def _axis(panel: Panel, *, zoomable: bool) -> dict[str, object]:
    return {
        "domain": [panel.bottom, panel.top], "gridcolor": GRID, "zerolinecolor": "#cccccc",
        "fixedrange": not zoomable, "nticks": 8 if zoomable else 4, "ticks": "",
    }  # fmt: skip


def _headline(chart: Chart) -> str:
    figures, decided = chart.figures, "no review in this span"
    if figures.reviews:
        last = figures.reviews[-1]
        stays = "" if last.decider else f"; goal {percent(last.goal_ratio)}"
        decided = f"last review, {last.at:%A %Y-%m-%d}: {last.because}{stays}"
    closed = chart.bars["close_time"][-1]
    return (
        f"<b>{escape(figures.symbol)}</b> and the rules of {escape(figures.portfolio)}"
        f"<br><span style='font-size:13px'>{escape(decided)}</span><span style='font-size:13px;"
        f"color:{GREY}'>  ({figures.bar} bars, the last closed {closed:%Y-%m-%d %H:%M} UTC)</span>"
    )


def name_panel(drawn: go.Figure, panel: Panel, text: str) -> None:
    """The panel's name, over its upper left corner."""
    drawn.add_annotation(
        text=f"<b>{text}</b>", xref="paper", yref="paper", x=0, y=panel.top, xanchor="left",
        yanchor="bottom", showarrow=False, font={"size": 11, "color": GREY},
    )  # fmt: skip


def plain(at: datetime) -> datetime:
    """UTC, without saying so: Plotly shows times as they are written."""
    return at.astimezone(UTC).replace(tzinfo=None)


def times(stamps: Iterable[datetime] | pl.Series) -> list[datetime]:
    """The instants as `plain` writes them."""
    return [plain(at) for at in stamps]


def short(name: str) -> str:
    """A rule's name as it fits beside a lane."""
    return escape(name if len(name) <= NAME_MAX else f"{name[: NAME_MAX - 1]}…")
