"""The command `radar-nb`: the same steps as in a notebook, for a terminal or a script. The only room that prints.

Start with `main` (the help, the commands, exit codes). `archive_commands` (plan, download, sync, extract),
`data_commands` (info, plot, accumulate), `place_commands` (points, areas), `analysis_commands` (events,
compare, ...), `present_commands` (latest, nowcast, follow), `export_commands`, `cube_commands` and
`machine_commands` (doctor, config, mirror, demo) hold the commands; each calls the public API. `places` has the
options of place and time that many share. `doctor` and `configuration` examine the machine, `completion` knows
its shells. `terminal` prints results, and words the errors of the library in the command's own options. The
room may know all others.
"""

__all__ = ["main"]
