"""
``rules chart``: the figures of a decision, printed or drawn.
"""

from __future__ import annotations

from pathlib import Path

import typer

from hedged.cli.chart.figures import Chart, chart_of
from hedged.cli.rules import check_covered, policies_of
from hedged.cli.show import midnight, print_json, settings_of
from hedged.errors import SettingsError
from hedged.service.ticks import Schedule
from hedged.wiring import check_served, recorded_signal, rehearsed, stated_holdings


def draw_chart(
    config: list[Path], at: str | None, days: int, out: Path, portfolio: str | None, *, json: bool
) -> None:
    """Draw the *days* up to 00:00 UTC of *at* into *out*, or print the same figures as JSON."""
    chart = _chart(config, at, days, portfolio)
    if json:
        print_json(chart.figures)
        return
    from hedged.cli.chart.picture import page  # only the picture needs Plotly

    try:
        out.write_text(page(chart), encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(
            f"{out} can't be written: {error.strerror}; name a file in a folder that can be",
            param_hint="--out",
        ) from None
    for note in chart.figures.notes:
        print(f"data: {note}")
    print(out)


def _chart(config: list[Path], at: str | None, days: int, portfolio: str | None) -> Chart:
    asked = None if at is None else midnight(at, "--at")
    on = rehearsed(settings_of(config).settings)
    settings, market = on.settings, on.market
    policies = list(policies_of(settings, portfolio))
    if len(policies) > 1:
        names = ", ".join(policy.portfolio for policy in policies)
        raise SettingsError(f"a picture is of one portfolio; say --portfolio, one of {names}")
    (policy,) = policies
    check_served(policy, market)
    holdings = stated_holdings(settings, policy.portfolio)
    recorded, _ = recorded_signal(market, policy, holdings)
    until = asked or recorded.bars["open_time"][-1] + market.step
    check_covered(recorded, until)
    history, notes = recorded_signal(market, policy, holdings, until)
    start = settings.venue.start if settings.venue.walks else None
    return chart_of(policy, history, Schedule(settings.schedule), until, days, notes, start)
