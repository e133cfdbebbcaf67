"""
The kept history: closed bars, funding and open interest as Parquet, append-only.

Enters frames as a venue reports them; leaves frames that are sorted, unique and possible.
"""
