"""
Alerts: from records to a queue in the journal, and from there to every channel through Apprise.

Enters nothing from a pass but a wake; a pass never waits for this room, and never fails with it.
"""
