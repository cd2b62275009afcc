"""A local server that imitates DWD's, with synthetic radar data under DWD's names, for tests and demos.

`Mirror` (`server`) serves a folder like DWD's server, optionally with injected faults (`faults`); `file_serving`
decides what a response holds. `make_archives` fills a folder (`archives`) with synthetic weather (`weather`) as
binaries (`frames`) or HDF5 (`composites`), `make_kostra` with tables of heavy rain (`kostra`),
`make_catrare` with a catalogue of events (`catrare`). `LiveMirror` goes
on publishing (`live`), by a clock that may run faster or step. The room may import `formats`, `dwd`, `runtime`,
and `geography` for the shapes of the catalogue.
"""

from radar_nb.mirror.archives import make_archives, make_present
from radar_nb.mirror.catrare import make_catrare
from radar_nb.mirror.faults.connections import Served
from radar_nb.mirror.kostra import make_kostra
from radar_nb.mirror.live import LiveMirror
from radar_nb.mirror.server import Mirror
from radar_nb.runtime.clock import Clock, SteppedClock

__all__ = [
    "Clock",
    "LiveMirror",
    "Mirror",
    "Served",
    "SteppedClock",
    "faults",
    "live",
    "make_archives",
    "make_catrare",
    "make_kostra",
    "make_present",
    "server",
]
