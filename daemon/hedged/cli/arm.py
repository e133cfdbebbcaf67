"""
``run --arm``: show what live orders would be sent under, and keep that a person has seen it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, fields
from pathlib import Path

from rich.markup import escape

from hedged.cli.show import console, print_json, settings_of, table
from hedged.core.arming import ArmedAccount, terms_of
from hedged.core.policy import Policy
from hedged.settings.model import Settings
from hedged.wiring import Daemon, armed_accounts, check_live, open_to_arm, put_together, wall_clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Armed:
    """What was armed, as `--json` shows it."""

    digest: str
    accounts: dict[str, ArmedAccount]
    policies: tuple[Policy, ...]


def arm(config: list[Path], *, live: bool, json: bool) -> None:
    """Print accounts, limits, legs and rules; commit them; send nothing."""
    loaded = settings_of(config)
    check_live(loaded.settings, asked=live)

    async def work() -> Daemon:
        daemon = await put_together(loaded.settings, read_only=True)
        await daemon.close()
        return daemon

    daemon = asyncio.run(work())
    settings, policies = daemon.settings, tuple(shell.policy for shell in daemon.shells)
    accounts = armed_accounts(settings)
    if not json:
        _show(settings, policies, accounts)
    with open_to_arm(settings) as journal:
        digest = journal.arm(terms_of(policies, accounts), wall_clock())
    if json:
        print_json(Armed(digest=digest, accounts=accounts, policies=policies))
        return
    console().print(
        f"[bold]Armed[/] ({digest[:12]}): `hedged run --live` sends orders from its next pass on. "
        "A change of any of these disarms."
    )


def _show(settings: Settings, policies: tuple[Policy, ...], accounts: dict[str, ArmedAccount]) -> None:
    out = console()
    out.print(f"[bold]Orders would be sent ({settings.service.mode}) on[/]")
    made = table("account", "venue", "number", "leverage", "margin", "set by hedged")
    for name, account in accounts.items():
        venue = f"{account.venue}, on loopback" if account.loopback else account.venue
        leverage = "as it is" if account.leverage is None else f"{account.leverage}"
        margin = account.margin_mode or "as it is"
        made.add_row(name, venue, account.uid, leverage, margin, "yes" if account.adjust else "no")
    out.print(made)
    for policy in policies:
        limits = table("", "", title=f"\n{policy.portfolio}: limits")
        limits.show_header = False
        for one in fields(policy.limits):
            limits.add_row(one.name, str(getattr(policy.limits, one.name)))
        if policy.watch is not None:
            for kept in fields(policy.watch.margin):
                limits.add_row(kept.name, str(getattr(policy.watch.margin, kept.name)))
        out.print(limits)
        legs = ", ".join(f"{leg.symbol} ({leg.weight})" for leg in policy.legs)
        out.print(f"legs: {escape(legs)}; at most {policy.ratio.max_ratio} of the exposure")
        for place, rule in enumerate(policy.rules, start=1):
            cools = f", cooldown {rule.cooldown.days} days" if rule.cooldown else ""
            told = f"{escape(rule.name)}, when {escape(rule.when)}: {rule.action}{cools}"
            out.print(f"rule {place}: {told}")
