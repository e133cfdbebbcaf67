"""
The pure core: values in, values out.

Nothing in here reads a clock, a file, a socket or a random number; the same arguments give the
same answer on every machine, which is what lets ``hedged journal replay`` prove a decision.
"""
