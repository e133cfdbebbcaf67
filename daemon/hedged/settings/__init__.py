"""
Settings: files, environment and defaults become one checked value, and then policies.

Enters TOML files and environment variables; leaves `Settings`, the origin of every value, and the
core's `Policy` of each portfolio. pydantic stays in this room.
"""
