"""
``rules metrics``: the vocabulary.
"""

from __future__ import annotations

from hedged.cli.show import console, print_json
from hedged.core.metrics import vocabulary


def metrics_markdown() -> str:
    """The vocabulary as the table that stands in config/README.md."""
    lines = ["| metric | unit | formula | warm-up, bars | section |", "|---|---|---|---|---|"]
    for f in vocabulary():
        formula = f.formula.replace("|", "\\|")
        lines.append(f"| `{f.name}` | {f.unit} | {formula} | {f.warm_up} | {f.section} |")
    return "\n".join(lines)


def show_metrics(*, json: bool, markdown: bool) -> None:
    """Every metric a rule may name; n is a number of bars of ``signal.bar``, 1 to 2000."""
    families = vocabulary()
    if markdown:
        print(metrics_markdown())
        return
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
    out = console()
    for family in families:
        out.print(f"[bold]{family.name}[/]  [dim]{family.unit}; section {family.section}[/]")
        out.print(f"    {family.formula}")
        out.print(f"    [dim]warm-up in bars: {family.warm_up}[/]")
    out.print(
        "\nn is a number of bars of signal.bar: write sma_50, not sma_n. A metric without a value is "
        "unknown,\nand an unknown condition is neither true nor false. A condition compares metrics "
        'and numbers:\n\n    when = "close < sma_50 and funding_rate < 0"',
        style="dim",
    )
