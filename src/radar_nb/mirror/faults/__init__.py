"""What the mirror does wrong on purpose.

`rules` says which request is struck, `responses` what its answer becomes, `connections` acts on the
connection.
"""
