"""
The journal: append-only, hash-chained records of every pass, intents before orders, restrictions.

Enters values of the core; leaves them again. The journal is the truth; the log only tells of it.
"""
