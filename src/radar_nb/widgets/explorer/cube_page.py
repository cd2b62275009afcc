"""A web page that shows a cube from any web space: the explorer, which reads the cube by HTTP Range requests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from radar_nb.cube.browsing import browser_description
from radar_nb.cube.opening import open_cube
from radar_nb.errors import SettingsError
from radar_nb.runtime.files import replacing, user_path
from radar_nb.runtime.language import load_texts, speaking
from radar_nb.widgets.explorer.frames import FrameSequence, select_variable
from radar_nb.widgets.explorer.html_export import PROGRAM, asset, json_text, page_head, sum_limits
from radar_nb.widgets.explorer.map_info import map_info

if TYPE_CHECKING:
    from radar_nb.runtime.language import Texts

_NAME = "index.html"

_BODY = """<body><nav id="years" class="rnb-years" hidden></nav><main id="explorer"></main>
<script id="content" type="application/json">{content}</script>
<script id="program" type="module">{script}
openCube(ZSTDDecoder);</script></body></html>
"""


def cube_page(
    store: Any, path: str | os.PathLike[str] | None = None, *, url: str | None = None, lang: str | None = None
) -> Path:
    """Write a web page that shows a cube in any browser, without a kernel: one HTML file of some 0.6 MB.

    The page is the explorer. It plays a year at a time, answers with series of cells and areas, and reads the cube
    by HTTP Range requests: a request for each chunk of time that is played. Put cube and page into a web space, or
    the page elsewhere, if the cube's server allows other sites to read it (CORS). The page knows the days that the
    cube has now: write it again after a build.

    A browser holds at most 96 MB of fields, 64 MB of open ones, and some chunks that are being unpacked.

    Parameters
    ----------
    store : path, str, or store of obstore
        A cube, as for `open_cube`.
    path : path, optional
        By default `index.html` in the folder of the cube.
    url : str, optional
        Where browsers find the cube's folder. By default as seen from the page: both lie in the web space as they
        lie on this disk.
    lang : {"en", "de"}, optional
        As for `Explorer`.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    NothingFound, CubeError, DamagedShard, StorageError
        As for `open_cube`; or the codes have more than 16 bits.
    SettingsError
        The cube is not in a folder, and `path` or `url` is missing; `lang` is unknown.

    Examples
    --------
    >>> cube_page("YW.zarr")  # doctest: +SKIP
    """
    say = load_texts(lang)
    local = isinstance(store, str | os.PathLike) and "://" not in str(store)
    if not local and (path is None or url is None):
        raise SettingsError(
            "the cube is not in a folder: pass path=, the page's file, and url=, the cube's address for browsers"
        )
    target = user_path(path) if path is not None else user_path(store) / _NAME
    place = url if url is not None else _seen_from(target, user_path(store))
    with speaking(say.language):
        content = _content(store, say) | {"texts": say.group("explorer") | {"silent": say("cube.slow")}}
    content["cube"]["url"] = place if place.endswith("/") else f"{place}/"
    script = f"{asset('zstddec.js')}\n{asset(PROGRAM)}"
    with replacing(target) as file:
        file.write(page_head(say.language, str(content["info"]["title"])).encode())
        file.write(_BODY.format(content=json_text(content), script=script).encode())
    return target


def _seen_from(page: Path, folder: Path) -> str:
    """Return the address of a folder relative to a page."""
    try:
        return quote(Path(os.path.relpath(folder, page.parent)).as_posix())
    except ValueError as error:  # another drive of Windows
        raise SettingsError(f"{folder} and {page} share no folder: pass url=, the cube's address") from error


def _content(store: Any, say: Texts) -> dict[str, Any]:
    frames = FrameSequence(select_variable(open_cube(store, packed=True, chunks=None)).isel(time=slice(0, 1)))
    info = map_info(frames, say)
    least = info["units"][0]["limits"][1 if frames.class_names else 0]  # the first class is dry
    cube = browser_description(store) | {"least": float(least)}
    if frames.class_names:
        cube["classes"] = frames.class_codes.astype(int).tolist()
    return {"info": info | {"source": None, "sum_limits": sum_limits()}, "cube": cube}
