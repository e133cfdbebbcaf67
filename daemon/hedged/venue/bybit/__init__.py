"""Bybit's unified trading account: linear and inverse contracts of its v5 API."""
