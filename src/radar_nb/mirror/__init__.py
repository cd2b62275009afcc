"""DWD in a box: a local server with synthetic radar data under DWD's names, for tests and demos.

`Mirror` serves a folder as DWD's server does, or with faults on purpose (`faults`); `make_archives` fills a
folder with synthetic weather (`weather`, `frames`, `archives`). The room may know `formats`, `dwd` and
`runtime`.
"""

from radar_nb.mirror.archives import make_archives
from radar_nb.mirror.faults.connections import Served
from radar_nb.mirror.server import Mirror

__all__ = ["Mirror", "Served", "faults", "make_archives", "server"]
