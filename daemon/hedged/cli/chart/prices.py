"""
The upper panel: candles, the lines over them with their names at the right edge, and the firings.

Enters a `Chart`; adds to a figure what a chart reader would have drawn, as it stood at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import cycle

import plotly.graph_objects as go

from hedged.cli.chart.canvas import (
    AMBER,
    BLUE,
    GREEN,
    GREY,
    LOWERED,
    PURPLE,
    RAISED,
    SKY,
    UNMOVED,
    VERMILLION,
    WIDTH_USUAL,
    Panel,
    plain,
    short,
    times,
    turn_of,
)
from hedged.cli.chart.figures import Chart, LineShown, Point
from hedged.core.metrics.fibonacci import SWING_BARS
from hedged.core.wording import percent

LABEL = 15
"""The least distance of two names at the right edge, in pixels."""

LETTER = 6.5
"""The width of a letter of a firing's name, in pixels; the names stay twice that apart."""

HEADROOM, FOOTROOM = 0.06, 0.04
_DARK = {AMBER: "#946300", PURPLE: "#A3477B", GREEN: "#00795A", SKY: "#1F7FB5"}  # as text


@dataclass(frozen=True, slots=True)
class Label:
    """What a line is called, at the price at which it meets the right edge."""

    text: str
    price: float
    colour: str


def draw_prices(drawn: go.Figure, chart: Chart, panel: Panel) -> None:
    """All of the upper panel."""
    _candles(drawn, chart)
    labels = [*_curves(drawn, chart), *_levels(drawn, chart), *_trendlines(drawn, chart)]
    highs = dict(chart.bars.select("open_time", "high").drop_nulls().iter_rows())
    low, high = _span(chart, highs, panel.height)
    drawn.update_layout({panel.layout: {"range": [low, high], "tickformat": ",~r"}})
    shown = [label for label in labels if low <= label.price <= high]
    gap = (high - low) * LABEL / panel.height
    places = spread([label.price for label in shown], gap, low + gap / 2, high - gap / 2)
    for label, place in zip(shown, places, strict=True):
        drawn.add_annotation(
            text=label.text, xref="paper", x=1.004, xanchor="left", y=place, yanchor="middle",
            showarrow=False, font={"size": 11, "color": _DARK.get(label.colour, label.colour)},
        )  # fmt: skip
    _firings(drawn, chart, highs, (high - low) / panel.height)


def _candles(drawn: go.Figure, chart: Chart) -> None:
    bars = chart.bars
    drawn.add_trace(
        go.Candlestick(
            x=times(bars["open_time"]), open=bars["open"].to_list(), high=bars["high"].to_list(),
            low=bars["low"].to_list(), close=bars["close"].to_list(), name="price", showlegend=False,
            increasing={"line": {"color": "#555555", "width": 1}, "fillcolor": "#ffffff"},
            decreasing={"line": {"color": "#555555", "width": 1}, "fillcolor": "#555555"},
        )
    )  # fmt: skip


def _span(chart: Chart, highs: dict[datetime, float], height: int) -> tuple[float, float]:
    """The prices that are shown: those of the bars, with room for the names of the firings."""
    low, high = min(chart.bars["low"].drop_nulls()), max(highs.values())
    room = (high - low) or high
    bottom = low - FOOTROOM * room
    tops = [high + HEADROOM * room]
    for entry in chart.figures.entries:
        if entry.bar in highs:
            share = (30 + LETTER * len(short(entry.rule))) / height  # of the panel, over the candle
            tops.append((highs[entry.bar] - share * bottom) / (1 - share))
    return bottom, max(tops)


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """
    The *places* moved apart to a distance of *gap*, each as little as that leaves it.

    What would touch becomes a group, centred on the mean of its places, and kept between *low* and
    *high* (as far as it fits in there); so the order is kept.
    """
    groups: list[list[int]] = []
    centres: list[float] = []
    for i in sorted(range(len(places)), key=lambda i: places[i]):
        group, centre = [i], min(max(places[i], low), high)
        while groups and centre - centres[-1] < gap * (len(group) + len(groups[-1])) / 2:
            group = groups.pop() + group
            centres.pop()
            half = gap * (len(group) - 1) / 2
            centre = sum(places[j] for j in group) / len(group)
            centre = max(min(centre, high - half), low + half)
        groups.append(group)
        centres.append(centre)
    found = dict[int, float]()
    for group, centre in zip(groups, centres, strict=True):
        first = centre - gap * (len(group) - 1) / 2
        found |= {i: first + gap * place for place, i in enumerate(group)}
    return [found[i] for i in range(len(places))]


def _curves(drawn: go.Figure, chart: Chart) -> Iterator[Label]:
    """Averages, each in a stroke of its own; retracements; pivot points and the prior high as steps."""
    strokes = cycle(("solid", "dot", "longdash"))
    for name in chart.curves:
        values, average = chart.bars[name].to_list(), name.startswith(("sma_", "ema_"))
        if name.startswith("fib_"):  # those of the present swing; those of earlier ones are history
            values = [None if i > SWING_BARS else values[-1] for i in range(len(values), 0, -1)]
        colour = AMBER if average else GREY if name == "ath" else SKY
        drawn.add_trace(
            go.Scatter(
                x=times(chart.bars["open_time"]), y=values, mode="lines", name=name, showlegend=False,
                line={"color": colour, "width": 1.6 if average else 1.2,
                      "dash": next(strokes) if average else "dashdot",
                      "shape": "linear" if average else "hv"},
                hovertemplate="%{y:,.6~g}",
            )
        )  # fmt: skip
        if values[-1] is not None:
            yield Label(f"{name} {_price(values[-1])}", values[-1], colour)


def _levels(drawn: go.Figure, chart: Chart) -> Iterator[Label]:
    """Each level from its first pivot to the right edge, and its pivots."""
    for level in chart.figures.levels:
        above = level.metric.startswith("resistance")
        colour = PURPLE if above else GREEN
        start = max(min(pivot.bar for pivot in level.pivots), chart.figures.first_bar)
        _segment(
            drawn, Point(bar=start, price=level.price),
            Point(bar=chart.figures.last_bar, price=level.price), colour, width=1.4,
        )  # fmt: skip
        _circles(drawn, level.pivots, colour, 5, chart.figures.first_bar)
        name = f"{'R' if above else 'S'}{level.metric[-1]}"
        yield Label(f"{name} {_price(level.price)} ({level.touches} pivots)", level.price, colour)


def _trendlines(drawn: go.Figure, chart: Chart) -> Iterator[Label]:
    """Each major line, dashed if it has just been broken, and the pivots on it."""
    for line in chart.figures.trendlines:
        ascending = line.metric.endswith("_ascending")
        colour = BLUE if ascending else VERMILLION
        start = _visible_start(line, chart.figures.first_bar)
        _segment(drawn, start, line.end, colour, width=1.8, dash="dash" if line.broken else "solid")
        _circles(drawn, line.pivots, colour, 8, chart.figures.first_bar)
        text = f"{'↗' if ascending else '↘'} {_price(line.end.price)} ({len(line.pivots)} pivots)"
        yield Label(text + " broken" * line.broken, line.end.price, colour)


def _visible_start(line: LineShown, first: datetime) -> Point:
    """Where a line begins, or enters the picture."""
    start, end = line.start, line.end
    if start.bar >= first:
        return start
    share = (first - start.bar) / (end.bar - start.bar)
    return Point(bar=first, price=start.price + share * (end.price - start.price))


def _segment(
    drawn: go.Figure, start: Point, end: Point, colour: str, width: float, dash: str = "solid"
) -> None:
    drawn.add_shape(
        type="line", x0=plain(start.bar), x1=plain(end.bar), y0=start.price, y1=end.price,
        line={"color": colour, "width": width, "dash": dash}, layer="between",
    )  # fmt: skip


def _circles(
    drawn: go.Figure, points: Sequence[Point], colour: str, size: int, first: datetime
) -> None:
    shown = [point for point in points if point.bar >= first]
    drawn.add_trace(
        go.Scatter(
            x=times(point.bar for point in shown), y=[point.price for point in shown], mode="markers",
            marker={"symbol": "circle-open", "size": size, "color": colour, "line": {"width": 1.5}},
            showlegend=False, hoverinfo="skip",
        )
    )  # fmt: skip


def _firings(drawn: go.Figure, chart: Chart, highs: dict[datetime, float], pixel: float) -> None:
    """A marker over the candle of every review at which a rule fired, and the rule's name over it."""
    shown = [entry for entry in chart.figures.entries if entry.bar in highs]
    for turn in (RAISED, LOWERED, UNMOVED):
        entries = [entry for entry in shown if turn_of(entry) == turn]
        drawn.add_trace(
            go.Scatter(
                x=times(entry.bar for entry in entries), mode="markers", name=turn.said,
                y=[highs[entry.bar] + 12 * pixel for entry in entries], showlegend=bool(entries),
                marker={"symbol": turn.symbol, "size": 12, "color": turn.colour},
                text=[
                    f"{entry.at:%Y-%m-%d}: <b>{short(entry.rule)}</b> fired: {entry.action}, goal "
                    f"{percent(entry.goal_before)} to {percent(entry.goal_ratio)}"
                    for entry in entries
                ],
                hovertemplate="%{text}<extra></extra>",
            )
        )  # fmt: skip
    _name_firings(drawn, chart, highs, pixel)


def _name_firings(drawn: go.Figure, chart: Chart, highs: dict[datetime, float], pixel: float) -> None:
    """The rule's name over each marker that has the room, once where one rule fires on and on."""
    figures = chart.figures
    room = (figures.last_bar - figures.first_bar) * (2 * LETTER / WIDTH_USUAL)
    free_from, repeated = figures.first_bar, ""
    for review in figures.reviews:
        rule = review.decider or ""
        if rule not in ("", repeated) and review.bar >= free_from and review.bar in highs:
            free_from = review.bar + room
            drawn.add_annotation(
                text=short(rule), x=plain(review.bar), y=highs[review.bar] + 22 * pixel,
                textangle=-90, yanchor="bottom", xanchor="center", showarrow=False, borderpad=0,
                font={"size": 10, "color": turn_of(review).colour}, bgcolor="rgba(255,255,255,.75)",
            )  # fmt: skip
        repeated = rule


def _price(price: float) -> str:
    return f"{price:,.0f}" if price >= 1000 else f"{price:,.5g}"
