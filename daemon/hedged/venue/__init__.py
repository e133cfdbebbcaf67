"""
The port to a venue, and what stands behind it: recorded history, and a paper account on top.

Enters questions about market and account; leaves core values only.
"""
