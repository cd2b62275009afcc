"""Injected faults of the mirror.

`rules` decides which request is affected, `responses` how its response changes, and `connections` acts on the
connection.
"""
