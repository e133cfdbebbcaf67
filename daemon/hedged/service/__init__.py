"""
The service: wakes, finds the tick that is due for each portfolio, and runs its cycle.
"""
