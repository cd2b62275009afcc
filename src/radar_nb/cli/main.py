"""The command `radar-nb`: its help, its commands, and how it ends."""

from __future__ import annotations

import argparse
import functools
import json
import os
import sys
from typing import TYPE_CHECKING, Any

import radar_nb as rn
from radar_nb.cli.analysis_commands import add_analysis_commands
from radar_nb.cli.archive_commands import add_archive_commands
from radar_nb.cli.cube_commands import add_cube
from radar_nb.cli.data_commands import add_data_commands
from radar_nb.cli.export_commands import add_export_commands
from radar_nb.cli.machine_commands import add_machine_commands
from radar_nb.cli.place_commands import add_place_commands
from radar_nb.cli.present_commands import add_present_commands
from radar_nb.cli.terminal import Parser, finish, print_error, say, show
from radar_nb.runtime.language import speaking
from radar_nb.runtime.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_EPILOG = """\
From months to a map:
  radar-nb plan YW 2020-06                     what exists, how large it is, what is on disk
  radar-nb download YW 2020-06 --folder data   download it; run again to resume
  radar-nb sync YW 2001 2025 --folder data     fetch what is new or was re-issued, for years
  radar-nb plot data --time 2020-06-13T15:25   draw a map straight from the archives
  radar-nb accumulate data --to total.nc       sum everything, straight from the archives
  radar-nb points data --place Leipzig         how much fell at a place; areas: on a catchment
  radar-nb events data --threshold 5           which storms there were; exceedance: how often
  radar-nb cube build YW.zarr data             store years as one array that answers in milliseconds

At my place, in local time (areas are polygons in any file of a GIS, such as GeoJSON):
  radar-nb areas data --areas my.geojson --day 2020-06-13 --timezone Europe/Berlin   how much fell on my catchment
  radar-nb plot data --areas my.geojson --day 2020-06-13 --timezone Europe/Berlin    that day as a map with towns
  radar-nb plot data --place Leipzig --within 40km --time 2020-06-13T17:25 --timezone Europe/Berlin

Now:
  radar-nb nowcast --at 12.37,51.34            does it rain here within two hours?
  radar-nb latest RV --output now.png          draw the newest field
  radar-nb follow RV --keep 7d --folder data   fetch each new file until stopped

A month is YYYY-MM, a year YYYY, a day YYYY-MM-DD; two are a range that includes
both. Archives are months: the plan says how much of them was asked for.
Times are UTC; the time of a frame is the end of its interval. The data folder
is --folder, else RADAR_NB_DATA, else a folder of your account. The server is
--base-url, else RADAR_NB_BASE_URL, else https://opendata.dwd.de.
Exit codes: 0 success, 1 failure (the reason is on standard error), 2 wrong
arguments, 3 unexpected error, 4 the server has changed (doctor --server), 10
rain and 20 unknown (nowcast; latest: 20 stale), 130 stopped by Ctrl-C.
Data: Deutscher Wetterdienst, CC BY 4.0.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the program's name; those of the process by default. Without any, the help is printed.

    Returns
    -------
    int
        0 for success, 1 for a failure (the reason is printed on standard error), 3 for an unexpected error, 130
        after Ctrl-C. Wrong arguments end the process with 2.
    """
    words = sys.argv[1:] if arguments is None else arguments
    options = make_parser().parse_args(words or ["--help"])
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        with speaking(getattr(options, "lang", None)):
            return command(options)
    except BrokenPipeError:  # the reader of the output, such as `head`, has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        if options.debug:
            raise
        say("radar-nb: stopped; run the same command again to resume", file=sys.stderr)
        return 130
    except Exception as error:
        if options.debug:
            raise
        return print_error(options, error)


@functools.cache  # a process may run many commands
def make_parser() -> Parser:
    """Return the parser of all commands; each sets `command`, the function to call with the options."""
    parser = Parser(
        prog="radar-nb",
        description="German rain radar (RADOLAN, RADKLIM): plan, download, open, sum and draw.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"radar-nb {rn.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    debug = Parser(add_help=False)
    debug.add_argument("--debug", action="store_true", help="show the traceback of an error")
    as_json = Parser(add_help=False)
    as_json.add_argument("--json", action="store_true", help="print JSON instead of text")

    def add(name: str, run: Callable[[argparse.Namespace], int], text: str, *, json: bool = False) -> Parser:
        command = commands.add_parser(name, help=text, description=text, parents=[debug, *([as_json] * json)])
        command.set_defaults(command=run)
        return command

    add_archive_commands(add)
    add_data_commands(add)
    add_place_commands(add)
    add_analysis_commands(add)
    add_export_commands(add)
    add_present_commands(add)
    cube: Any = add("cube", _cube, "Store years as one Zarr array: build, show, verify, repair.")
    add_cube(cube, as_json, debug)
    add_machine_commands(add, make_parser)
    return parser


def _cube(options: argparse.Namespace) -> int:
    shown = options.shown(options)
    if isinstance(shown, Report):
        return finish(options, shown)
    if isinstance(shown, dict):
        say(json.dumps(shown, indent=1))
    else:
        show(options, shown)
    return 0
