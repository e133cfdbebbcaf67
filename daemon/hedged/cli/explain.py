"""
``explain``: a decision told from its record, to a reader who has not seen the code.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from hedged.cli.guards import carry_line, guards, liquidation_line
from hedged.cli.show import VERDICT, console, figure, given, indented, print_json, settings_of, table
from hedged.core.beta import BETA_MAX, BETA_MIN, BetaEstimate, Betas
from hedged.core.carry import carries
from hedged.core.guard import Naked
from hedged.core.liquidation import liquidations
from hedged.core.policy import Policy
from hedged.core.record import CycleRecord
from hedged.core.target import Judgement
from hedged.core.wording import contracts, money, percent
from hedged.errors import JournalError, SettingsError
from hedged.journal.store import Journal
from hedged.wiring import journal_path, wall_clock

_STATUS = {
    "fired": "[bold green]decided[/]",
    "spent": "entry used up",
    "cooling": "[yellow]cooling[/]",
    "blocked": "[yellow]blocked[/]",
    "waiting": "waiting",
    "holds": "no new entry",
    "false": "",
    "unknown": "",
}


def explain_record(
    config: list[Path], record_id: int | None, portfolio: str | None, *, json: bool
) -> None:
    """Print one record; by default the last review."""
    settings = settings_of(config).settings
    named = [known.name for known in settings.portfolio]
    if portfolio is not None and portfolio not in named:
        raise SettingsError(f"there is no portfolio {portfolio!r}; there are {', '.join(named)}")
    with Journal.open_to_read(journal_path(settings), wall_clock) as journal:
        ids = journal.row_ids(portfolio, None if record_id else "review")
        chosen = record_id if record_id is not None else (ids[-1] if ids else None)
        if chosen is None or chosen not in ids:
            raise JournalError(
                f"there is no record {chosen or ''} in {journal.path}".replace("  ", " ")
            )
        record = journal.record(chosen)
        policy = journal.policy(record.policy_digest)
    if json:
        found = {"id": chosen, "because": record.because, "record": record, "policy": policy}
        seen = record.inputs.snapshot
        more = {"liquidations": liquidations(seen, record.thought.headrooms), "carries": carries(seen)}
        print_json({**found, **more})
    else:
        print_record(record, policy, chosen)
        again = f"hedged journal replay {chosen}{escape(given(config))}"
        console().print(
            f"[dim]Decide it again from the same inputs: {again}[/]",
            soft_wrap=True,
        )


def print_record(record: CycleRecord, policy: Policy, row_id: int | None) -> None:
    """The whole story of one pass, top to bottom in the order in which it was decided."""
    out = console()
    _headline(out, record, row_id)
    if record.thought.judgement is not None:
        _rules(out, record.thought.judgement, policy)
    _exposure(out, record, policy)
    _hedge(out, record)
    _orders(out, record)
    _consent(out, record)
    _account(out, record)


def _headline(out: Console, record: CycleRecord, row_id: int | None) -> None:
    inputs = record.inputs
    number = f"Record {row_id}: " if row_id is not None else ""
    tick = inputs.tick
    kind = f"{tick.cadence} review" if tick.kind == "review" else "guard pass"
    out.print(
        f"[bold]{number}{kind} of {tick.scheduled_at:%A %Y-%m-%d %H:%M} UTC[/], portfolio "
        f"{record.portfolio}, {record.mode}"
    )
    if inputs.metrics is not None:
        row = inputs.metrics
        missing = f", {row.bars_missing} missing" if row.bars_missing else ""
        out.print(
            f"Judged on the bar of {row.symbol} that closed {row.bar_close:%A %Y-%m-%d %H:%M} UTC "
            f"({row.bars_kept} bars kept{missing}); sized on prices of {inputs.now:%Y-%m-%d %H:%M} UTC."
        )
        for note in row.notes:
            out.print(f"[yellow]data:[/] {escape(note)}")
    out.print(f"\n[bold]In short:[/] {escape(record.because)}.")


def _rules(out: Console, judgement: Judgement, policy: Policy) -> None:
    out.print("\n[bold]The rules, most severe first; the first that fires decides[/]")
    for place, (line, rule) in enumerate(zip(judgement.rules, policy.rules, strict=True), start=1):
        part = f", {_STATUS[line.status]}" if _STATUS[line.status] else ""
        out.print(f"\n  {place}. [bold]{escape(rule.name)}[/]: {VERDICT[line.value]}{part}")
        figures = ", ".join(f"{name} = {figure(value)}" for name, value in line.figures.items())
        repeats = "" if rule.fires == "enter" else " (fires at every review while true)"
        cools = f", cooldown {rule.cooldown.days} days" if rule.cooldown else ""
        indented(out, f"when {escape(rule.when)}: {rule.action}{repeats}{cools}", 5)
        indented(out, f"[dim]{figures}[/]", 5)
        if line.because:
            indented(out, f"[dim]{escape(line.because)}[/]", 5)
    goal = _move(judgement.goal_before, judgement.goal_ratio)
    target = _move(judgement.target_before, judgement.target_ratio)
    out.print(f"\nThe goal {goal} of the exposure; the target {target}.")
    for alert in judgement.alerts:
        out.print(f"[yellow]alert:[/] {escape(alert)}")


def _exposure(out: Console, record: CycleRecord, policy: Policy) -> None:
    exposure = record.thought.exposure
    made = table(
        "holding", ">quantity", f">price {policy.numeraire}", f">value {policy.numeraire}", "beta", "",
        title="\nWhat is protected",
    )  # fmt: skip
    for line in exposure.lines:
        made.add_row(
            line.asset,
            contracts(line.quantity),
            "-" if line.mark_price is None else f"{line.mark_price:,}",
            "-" if line.notional is None else money(line.notional),
            f"{line.beta} (default)" if line.beta_source == "default" else str(line.beta),
            line.because,
        )
    out.print(made)
    total = "unknown" if exposure.total is None else money(exposure.total)
    out.print(f"Exposure, the sum of value x beta of what is hedged: [bold]{total}[/]")
    if policy.beta.method != "one" and record.memory.betas is not None:
        _betas(out, record.memory.betas)


def _betas(out: Console, betas: Betas) -> None:
    """Each estimate with what it rests on; those of the last review, in a guard pass too."""
    made = table(
        "", ">beta", ">measured", ">SE", ">R2", ">correlation", ">downside", ">returns",
        title=f"\nBeta to the legs ({betas.method}), on bars up to {betas.bar_close:%Y-%m-%d %H:%M}",
    )  # fmt: skip
    estimates = (*betas.holdings, betas.portfolio)
    for estimate in estimates:
        made.add_row(estimate.asset, str(estimate.beta), *_measured(estimate))
    out.print(made)
    for estimate in estimates:
        if estimate.shrunk is None or not BETA_MIN <= estimate.shrunk <= BETA_MAX:
            out.print(f"[dim]{estimate.asset} has {estimate.beta}: {escape(estimate.because)}[/]")
    for warning in betas.warnings:
        out.print(f"[yellow]alert:[/] {escape(warning)}")


def _measured(estimate: BetaEstimate) -> tuple[str, ...]:
    found, down = estimate.measured, estimate.downside
    if found is None:
        return ("-",) * 6
    figures = (found.slope, found.standard_error, found.r2, found.correlation)
    told = tuple(f"{figure:.2f}" for figure in figures)
    return (*told, "-" if down is None else f"{down:.2f}", str(found.returns))


def _hedge(out: Console, record: CycleRecord) -> None:
    wanted, drift = record.thought.wanted, record.thought.drift
    if wanted is None:
        out.print(f"\nNo position is wanted: {escape(drift.because)}.")
        return
    made = table(
        "leg", ">mark", ">held", ">wanted", ">exact", ">wanted value", ">rounded off",
        title="\nThe hedge, in contracts (short is negative)",
    )  # fmt: skip
    for leg in wanted.legs:
        made.add_row(
            leg.symbol,
            f"{leg.mark_price:,}",
            contracts(leg.held_contracts),
            f"[bold]{contracts(leg.contracts)}[/]",
            f"{-leg.exact_contracts:.4f}",
            money(leg.wanted_notional),
            money(leg.residual_notional),
        )
    out.print(made)
    held = "null (no exposure)" if wanted.held_ratio is None else percent(wanted.held_ratio)
    out.print(
        f"Held {held} of the exposure, wanted {percent(wanted.target_ratio)}; "
        f"{money(wanted.residual_notional)} stay unhedged by rounding to whole lots."
    )
    out.print(f"Trade? {'[bold]Yes[/]' if drift.due else 'No'}: {escape(drift.because)}.")


def _orders(out: Console, record: CycleRecord) -> None:
    review, plan = record.thought.review, record.thought.plan
    if record.thought.naked is not None:
        _naked(out, record.thought.naked)
    guards(out, record.thought.headrooms, record.thought.alarms)
    for one in liquidations(record.inputs.snapshot, record.thought.headrooms):
        out.print(f"[dim]{escape(liquidation_line(one))}[/]")
    for earned in carries(record.inputs.snapshot):
        out.print(f"[dim]{escape(carry_line(earned))}[/]")
    for note in review.plan.notes:
        out.print(f"[dim]left out: {escape(note)}[/]")
    for reason in review.reasons:
        out.print(f"[bold yellow]refused:[/] {escape(reason)}")
    if not plan.steps:
        return
    made = table(
        "order", ">contracts", "instrument", ">limit", ">filled", ">at", ">fee", "outcome",
        title=f"\nOrders ({record.mode})",
    )  # fmt: skip
    outcomes = {outcome.symbol + outcome.side: outcome for outcome in record.outcomes}
    for step in plan.steps:
        outcome = outcomes.get(step.symbol + step.side)
        made.add_row(
            f"{step.side}{' reduce-only' if step.reduce_only else ''}"
            f"{' post-only' if step.post_only else ''}",
            contracts(step.contracts),
            step.symbol,
            f"{step.limit_price:,}",
            contracts(outcome.filled) if outcome else "-",
            f"{outcome.fill_price:,}" if outcome and outcome.fill_price else "-",
            money(outcome.fee) if outcome else "-",
            f"{outcome.status} {escape(outcome.reason)}".strip() if outcome else "not sent",
        )
    out.print(made)


def _naked(out: Console, spell: Naked) -> None:
    ended = f"until {spell.until:%Y-%m-%d %H:%M:%S} UTC" if spell.until else "and still"
    out.print(
        f"[bold red]unhedged[/] from {spell.since:%Y-%m-%d %H:%M:%S} UTC {ended}: {spell.seconds:,} s, "
        f"{money(spell.notional_max)} at worst, {money(spell.notional_seconds)} x seconds "
        f"({escape(spell.because)})"
    )


def _consent(out: Console, record: CycleRecord) -> None:
    """What a person was asked in this pass, and what a person had said before it."""
    decision, made = record.decision, record.proposal
    if decision is not None:
        said = "approved" if decision.verdict == "approve" else "rejected"
        why = f": {escape(decision.why)}" if decision.why else ""
        out.print(
            f"Proposal {decision.number} was {said} by {escape(decision.by)} at "
            f"{decision.at:%Y-%m-%d %H:%M} UTC{why}."
        )
    if made is not None:
        out.print(
            f"[bold]Proposal {made.number}[/] until {made.expires_at:%Y-%m-%d %H:%M} UTC: {made}"
            f"{f' ({escape(made.moved)})' if made.moved else ''}."
        )


def _account(out: Console, record: CycleRecord) -> None:
    margin, terms = record.inputs.snapshot.margin, record.thought.attribution
    for fill in record.inputs.snapshot.fills:
        cause = f"{fill.cause} {fill.client_order_id}".strip()
        out.print(
            f"[dim]since the pass before: {fill.side} {contracts(fill.contracts)} {fill.symbol} at "
            f"{'an unknown price' if fill.fill_price is None else f'{fill.fill_price:,}'} ({cause})[/]"
        )
    out.print(
        f"\nFutures account when observed: equity {money(margin.equity)}, maintenance margin "
        f"{money(margin.maintenance_margin)}. Since the pass before: hedge {money(terms.hedge_pnl)}, "
        f"basis {money(terms.basis_pnl)}, funding {money(terms.funding)}, fees {money(-terms.fees)}, "
        f"slippage {money(-terms.slippage)}, unexplained {money(terms.unexplained)}."
    )
    if terms.untold:
        out.print(
            f"[yellow]Told in part by the venue[/]: {terms.untold} events. The costs of "
            f"{money(terms.untold_notional)} traded may be missing, and {money(terms.untold_flows)} "
            "counted as moved may be something else."
        )
        for words in record.inputs.snapshot.untold:
            out.print(f"[yellow]-[/] {escape(words)}")


def _move(before: Decimal, after: Decimal) -> str:
    if before == after:
        return f"stays [bold]{percent(after)}[/]"
    return f"moves from {percent(before)} to [bold]{percent(after)}[/]"
