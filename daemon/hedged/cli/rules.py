"""
``rules metrics``: the vocabulary.
"""

from __future__ import annotations

from hedged.cli.show import console, print_json, table
from hedged.core.metrics import vocabulary


def show_metrics(*, json: bool) -> None:
    """Every metric a rule may name; n is a number of bars of ``signal.bar``, 1 to 2000."""
    families = vocabulary()
    if json:
        print_json(
            [
                {
                    "name": f.name,
                    "kind": f.kind,
                    "unit": f.unit,
                    "formula": f.formula,
                    "warm_up_bars": f.warm_up,
                    "section": f.section,
                    "needs": sorted(f.needs),
                }
                for f in families
            ]
        )
        return
    made = table("metric", "unit", "formula", "warm-up", "section")
    for family in families:
        made.add_row(
            f"[bold]{family.name}[/]", family.unit, family.formula, family.warm_up, family.section
        )
    console().print(made)
    console().print(
        "n is a number of bars of signal.bar: write sma_50, not sma_n. A metric without a value is "
        "unknown,\nand an unknown condition is neither true nor false. A condition compares metrics "
        'and numbers:\n\n    when = "close < sma_50 and funding_rate < 0"',
        style="dim",
    )
