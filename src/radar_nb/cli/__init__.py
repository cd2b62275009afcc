"""The command `radar-nb`: the same steps as in a notebook, for a terminal or a script. The only room that prints.

Start with `main` (the parser and the commands). `doctor` examines the installation, `configuration` lists the
settings in force. The room may know all others; each command calls the public API and prints what it returns.
"""

__all__ = ["main"]
