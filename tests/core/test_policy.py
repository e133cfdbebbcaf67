"""A policy is read back as it was written."""

from __future__ import annotations

import json

from builders import policy, rule
from hedged.core.encoding import encode
from hedged.core.policy import decode_policy


def test_a_policy_survives_its_journal_and_its_sets_are_written_in_order() -> None:
    using = policy(rules=(rule("über-leveraged ≥ 5%", "funding_rate_8h >= 0.0005", raise_by="0.30"),))
    body = encode(using)

    assert encode(decode_policy(body)) == body
    assert json.loads(body)["exposure"]["cash"] == sorted(using.exposure.cash)
