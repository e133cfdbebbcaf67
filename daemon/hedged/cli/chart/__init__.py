"""``rules chart``: a picture of a decision, and the figures in it."""
