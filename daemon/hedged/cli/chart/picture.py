"""
The picture of a decision: panels one above the other on one time axis, as a page that opens offline.

A bar stands at its open, as on any price chart, and a review at the bar that it judged.
"""

from __future__ import annotations

from html import escape

import plotly.graph_objects as go

from hedged.cli.chart.canvas import canvas, panels_of
from hedged.cli.chart.figures import Chart
from hedged.cli.chart.panels import (
    draw_events,
    draw_funding,
    draw_goal,
    draw_interest,
    draw_rules,
    draw_volume,
)
from hedged.cli.chart.prices import draw_prices

_DRAW = {
    "price": draw_prices,
    "volume": draw_volume,
    "rules": draw_rules,
    "goal": draw_goal,
    "funding": draw_funding,
    "interest": draw_interest,
}


def page(chart: Chart) -> str:
    """The picture as one HTML page with Plotly's script in it; one chart gives one page."""
    figures = chart.figures
    title = f"{figures.portfolio}: {figures.symbol} until {figures.until:%Y-%m-%d}"
    body = picture(chart).to_html(
        full_html=False,
        include_plotlyjs=True,
        include_mathjax=False,
        div_id="chart",
        config={"displaylogo": False, "responsive": True},
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{escape(title)}</title>\n<style>body {{ margin: 0 }}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def picture(chart: Chart) -> go.Figure:
    """The figure: every panel that has data, and what the rules asked for."""
    panels = panels_of(chart)
    drawn = canvas(chart, panels)
    for name, panel in panels.items():
        _DRAW[name](drawn, chart, panel)
    draw_events(drawn, chart, panels)
    return drawn
