"""hedged: a daemon that protects a crypto portfolio with short index futures."""

__version__ = "0.1.0"
