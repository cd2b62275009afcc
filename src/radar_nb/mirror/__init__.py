"""A local server that imitates DWD's, with synthetic radar data under DWD's names, for tests and demos.

`Mirror` serves a folder like DWD's server, optionally with injected faults (`faults`); `make_archives` fills a
folder with synthetic weather (`weather`, `frames`, `archives`). The room may import `formats`, `dwd` and
`runtime`.
"""

from radar_nb.mirror.archives import make_archives, make_present
from radar_nb.mirror.faults.connections import Served
from radar_nb.mirror.server import Mirror

__all__ = ["Mirror", "Served", "faults", "make_archives", "make_present", "server"]
