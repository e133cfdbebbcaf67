"""
The panels below the prices: volume, the rules' lanes, the goal, funding and open interest.

Enters a `Chart`; adds each panel to a figure, and marks what rules ask for within a window.
"""

from __future__ import annotations

from datetime import datetime

import plotly.graph_objects as go

from hedged.cli.chart.canvas import (
    GREY,
    INK,
    SILVER,
    VERMILLION,
    Panel,
    name_panel,
    short,
    times,
    turn_of,
)
from hedged.cli.chart.figures import Chart
from hedged.core.target import Status

_QUIET: dict[str, tuple[str, str, tuple[Status, ...]]] = {
    "true already": ("circle", SILVER, ("holds", "waiting")),
    "turned true, did not decide": ("circle-open", INK, ("spent", "cooling", "blocked")),
    "unknown": ("x-thin", GREY, ("unknown",)),
}


def draw_volume(drawn: go.Figure, chart: Chart, panel: Panel) -> None:
    """Volume in coins of the base."""
    _columns(drawn, chart, panel, "volume", "volume", "%{y:,.4s}")
    drawn.update_layout({panel.layout: {"tickformat": "~s"}})
    name_panel(drawn, panel, "Volume")


def draw_funding(drawn: go.Figure, chart: Chart, panel: Panel) -> None:
    """The settled rate in 8 hours; what a short pays stands below zero."""
    _columns(drawn, chart, panel, "funding_rate_8h", "funding", "%{y:.4%}")
    drawn.update_layout({panel.layout: {"tickformat": ".2%"}})
    name_panel(drawn, panel, "Funding in 8 hours: a short pays below zero")


def _columns(drawn: go.Figure, chart: Chart, panel: Panel, column: str, name: str, told: str) -> None:
    values = chart.bars[column].to_list()
    colours = [VERMILLION if value is not None and value < 0 else SILVER for value in values]
    drawn.add_trace(
        go.Bar(
            x=times(chart.bars["open_time"]), y=values, name=name, yaxis=panel.axis, showlegend=False,
            marker={"color": colours, "line": {"width": 0}}, hovertemplate=told,
        )
    )  # fmt: skip


def draw_interest(drawn: go.Figure, chart: Chart, panel: Panel) -> None:
    """Open interest in coins: price alone moves nothing."""
    drawn.add_trace(
        go.Scatter(
            x=times(chart.bars["open_time"]), y=chart.bars["open_interest"].to_list(), mode="lines",
            line={"color": GREY, "width": 1.4}, name="open interest", showlegend=False,
            yaxis=panel.axis, hovertemplate="%{y:,.4s}",
        )
    )  # fmt: skip
    drawn.update_layout({panel.layout: {"tickformat": "~s"}})
    name_panel(drawn, panel, "Open interest, coins")


def draw_rules(drawn: go.Figure, chart: Chart, panel: Panel) -> None:
    """A lane a rule, the most severe on top: the reviews at which it was true, and those it decided."""
    lanes = {rule.name: -place for place, rule in enumerate(chart.rules)}
    figures = chart.figures
    for said, (symbol, colour, statuses) in _QUIET.items():
        points = [
            (review.bar, lanes[rule])
            for review in figures.reviews
            for rule, status in review.statuses.items()
            if status in statuses
        ]
        marker = {"symbol": symbol, "size": 6, "color": colour, "line": {"width": 1.2, "color": colour}}
        _lane_marks(drawn, panel, said, points, marker)
    for entry in figures.entries:
        turn = turn_of(entry)
        marker = {"symbol": turn.symbol, "size": 12, "color": turn.colour}
        _lane_marks(drawn, panel, "", [(entry.bar, lanes[entry.rule])], marker)
    drawn.update_layout({
        panel.layout: {
            "range": [0.5 - len(lanes), 0.5], "zeroline": False, "tickmode": "array",
            "tickvals": list(lanes.values()), "ticktext": [short(rule.name) for rule in chart.rules],
        }
    })  # fmt: skip


def _lane_marks(
    drawn: go.Figure, panel: Panel, said: str, points: list[tuple[datetime, int]],
    marker: dict[str, object],
) -> None:  # fmt: skip
    if points:
        drawn.add_trace(
            go.Scatter(
                x=times(at for at, _ in points), y=[lane for _, lane in points], mode="markers",
                marker=marker, name=said, showlegend=bool(said), yaxis=panel.axis, hoverinfo="skip",
            )
        )  # fmt: skip


def draw_goal(drawn: go.Figure, chart: Chart, panel: Panel) -> None:
    """The goal as steps: what a review decides stands until the next."""
    reviews, figures = chart.figures.reviews, chart.figures
    steps = [
        (figures.first_bar, reviews[0].goal_before),
        *((review.bar, review.goal_ratio) for review in reviews),
        (figures.last_bar, reviews[-1].goal_ratio),
    ]
    goals = [float(goal) for _, goal in steps]
    drawn.add_trace(
        go.Scatter(
            x=times(at for at, _ in steps), y=goals, mode="lines", name="goal", showlegend=False,
            line={"shape": "hv", "color": INK, "width": 1.8}, fill="tozeroy",
            fillcolor="rgba(0,114,178,.12)", yaxis=panel.axis, hovertemplate="%{y:.1%}",
        )
    )  # fmt: skip
    top = 1.15 * max([0.5, *goals])
    drawn.update_layout({panel.layout: {"range": [0, top], "tickformat": ".0%"}})
    name_panel(drawn, panel, "Goal of the hedge, share of the exposure")


def draw_events(drawn: go.Figure, chart: Chart, panels: dict[str, Panel]) -> None:
    """What rules ask for within a window, on the bar on which it happened."""
    rates = dict(chart.bars.select("open_time", "funding_rate_8h").iter_rows())
    for metric in sorted({event.metric for event in chart.figures.events}):
        funding = metric.startswith("funding") and "funding" in panels
        found = [event.at for event in chart.figures.events if event.metric == metric]
        drawn.add_trace(
            go.Scatter(
                x=times(at.bar for at in found), mode="markers", name=metric,
                y=[rates[at.bar] if funding else at.price for at in found],
                yaxis=panels["funding" if funding else "price"].axis,
                marker={"symbol": "x-thin" if "breaks" in metric else "cross-thin", "size": 9,
                        "line": {"width": 2, "color": INK}},
                text=[f"{at.bar:%Y-%m-%d}: {metric}" for at in found],
                hovertemplate="%{text}<extra></extra>",
            )
        )  # fmt: skip
