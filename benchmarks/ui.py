"""The widgets in a browser: how soon, how fast, how much memory, at what cost for the kernel.

    python benchmarks/ui.py [--short]

JupyterLab on this machine, Chromium without a network and without a GPU, a day of real YW: 288 fields
(synthetic where there is no real one). Prints a table; medians of five runs, `--short`: of one. Memory of play is
in `play.py`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from browser.conftest import ARGUMENTS, IDLE, Lab, jupyterlab, notebook_of  # noqa: E402 - lies in tests/

from radar_nb.mirror import Mirror, make_archives  # noqa: E402
from radar_nb.mirror.faults.rules import Fault, Faults  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

REAL = ROOT.parent / "shared" / "real" / "mirror"
YW = "climate_environment/CDC/grids_germany/5_minutes/radolan/reproc/2017_002/bin/2020/YW2017.002_202006.tar"
DAY, STREAM = "2020-06-13", 12_000_000
"""The day that is played, and the bytes a second of the server from which the panel downloads."""

RUN_CELL = """async ([number, done]) => {
  const panel = window.jupyterapp.shell.currentWidget;
  panel.content.activeCellIndex = number;
  const start = performance.now();
  window.jupyterapp.commands.execute("notebook:run-cell");
  const ready = new Function(`return ${done}`);
  while (!ready()) await new Promise((next) => requestAnimationFrame(next));
  return (performance.now() - start) / 1000;
}"""
ASK = """async (code) => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const future = kernel.requestExecute({ code });
  let printed = "";
  future.onIOPub = (message) => { if (message.header.msg_type === "stream") printed += message.content.text; };
  const reply = await future.done;
  return reply.content.status === "ok" ? printed : "failed: " + reply.content.evalue;
}"""
WHOLE = """() => {
  const { player } = document.querySelector(".rnb-explorer");
  return player.cache.packed.size >= player.info.count;
}"""
RECEIVED = "() => document.querySelector('.rnb-explorer').player.cache.received / 1e6"
PLAY = """async ([speed, seconds]) => {
  const root = document.querySelector(".rnb-explorer"), player = root.player;
  root.querySelector(".rnb-speed").value = speed;
  player.play(true);
  await new Promise((next) => setTimeout(next, 500));
  const before = player.shownCount, start = performance.now();
  await new Promise((next) => setTimeout(next, 1000 * seconds));
  const rate = (player.shownCount - before) / ((performance.now() - start) / 1000);
  player.play(false);
  return rate;
}"""
TIGHT = """async () => {
  const { player } = document.querySelector(".rnb-explorer");
  const start = performance.now();
  for (let k = 0; k < 96; k++) {
    for (let ahead = k + 1; ahead < k + 4; ahead++) player.cache.field(ahead);
    player.map.paint(await player.cache.field(k), player.limits, player.colours);
    player.map.paper.getImageData(0, 0, 1, 1);
  }
  return 96 / ((performance.now() - start) / 1000);
}"""
WEBGL = """async () => {
  const { player } = document.querySelector(".rnb-explorer"), { rows, cols } = player.map;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [cols, rows];
  const gl = canvas.getContext("webgl2");
  if (!gl) return NaN;
  const program = gl.createProgram();
  const sources = [
    [gl.VERTEX_SHADER, `#version 300 es
     void main() { gl_Position = vec4(vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4. - 1., 0, 1); }`],
    [gl.FRAGMENT_SHADER, `#version 300 es
     precision highp float; precision highp usampler2D;
     uniform usampler2D codes; uniform sampler2D table; out vec4 colour;
     void main() {
       uint code = texelFetch(codes, ivec2(gl_FragCoord.xy), 0).r;
       colour = texelFetch(table, ivec2(code & 255u, code >> 8), 0);
     }`],
  ];
  for (const [kind, text] of sources) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, text);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  gl.useProgram(program);
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  for (const unit of [0, 1]) {
    gl.activeTexture(gl.TEXTURE0 + unit);
    gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  }
  gl.uniform1i(gl.getUniformLocation(program, "codes"), 0);
  gl.uniform1i(gl.getUniformLocation(program, "table"), 1);
  const table = new Uint8Array(player.map.table.buffer);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, 256, 256, 0, gl.RGBA, gl.UNSIGNED_BYTE, table);
  gl.activeTexture(gl.TEXTURE0);
  const start = performance.now(), pixel = new Uint8Array(4);
  for (let k = 0; k < 96; k++) {
    for (let ahead = k + 1; ahead < k + 4; ahead++) player.cache.field(ahead);
    const { codes } = await player.cache.field(k);
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.R16UI, cols, rows, 0, gl.RED_INTEGER, gl.UNSIGNED_SHORT, codes);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    gl.readPixels(cols >> 1, rows >> 1, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
  }
  return 96 / ((performance.now() - start) / 1000);
}"""
CLICK = """async () => {
  const root = document.querySelector(".rnb-explorer"), { player } = root;
  player.marks.slice().forEach((mark) => player.removeMark(mark));
  delete root.dataset.series;
  const start = performance.now();
  player.pin(500, 620);
  while (root.dataset.series !== "1") await new Promise((next) => requestAnimationFrame(next));
  return (performance.now() - start) / 1000;
}"""
AREAS = """async () => {
  const root = document.querySelector(".rnb-explorer"), { player } = root;
  player.marks.slice().forEach((mark) => player.removeMark(mark));
  delete root.dataset.series;
  const middle = (n) => [200 + 50 * (n % 10), 250 + 60 * Math.floor(n / 10)], { cos, sin } = Math;
  const corner = (k, n) => middle(n).map((one, axis) => one + 12 * (axis ? sin(k / 63.7) : cos(k / 63.7)));
  const area = (n) => ({ polygon: Array.from({ length: 400 }, (_, k) => corner(k, n)), name: `area ${n}` });
  const start = performance.now();
  player.addMarks(Array.from({ length: 100 }, (_, n) => area(n)));
  while (root.dataset.series !== "100") await new Promise((next) => requestAnimationFrame(next));
  const seconds = (performance.now() - start) / 1000;
  player.marks.slice().forEach((mark) => player.removeMark(mark));
  return seconds;
}"""
KEY = """async () => {
  const root = document.querySelector(".rnb-explorer"), { player } = root;
  const start = performance.now(), stage = root.querySelector(".rnb-stage"), next = player.playhead + 1;
  stage.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
  while (stage.dataset.index !== String(next)) await new Promise((done) => requestAnimationFrame(done));
  return (performance.now() - start) / 1000;
}"""
TOTAL = """async (how) => {
  const { player } = document.querySelector(".rnb-explorer");
  player.leaveTotal();
  const start = performance.now();
  player.askTotal(how);
  while (player.total?.how !== how) await new Promise((done) => requestAnimationFrame(done));
  return (performance.now() - start) / 1000;
}"""
SIXTEEN_DAYS = """bare = ds.YW.drop_vars([n for n in ds.YW.coords if 'time' in ds[n].dims])
again = numpy.tile(numpy.arange(ds.sizes['time']), 6)[:16 * 288]
times = numpy.datetime64('2020-06-01T00:05', 'ns') + numpy.arange(16 * 288) * numpy.timedelta64(5, 'm')
rn.Explorer(bare.isel(time=again).assign_coords(time=times))"""
IMAGES = """() => {
  const image = document.querySelector("img.radar-nb-images, .radar-nb-images img");
  window.images = [];
  new MutationObserver(() => window.images.push(performance.now())).observe(image, { attributeFilter: ["src"] });
}"""
IMAGE_RATE = "() => (window.images.length - 1) / ((window.images.at(-1) - window.images[0]) / 1000)"
CPU = "import time; print(time.process_time())"
MEMORY = "import psutil; print(psutil.Process().memory_info().rss / 1e6)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A browser, a JupyterLab and an archive."""

    browser: Any
    lab: Lab
    archive: Path


@contextmanager
def notebook(place: Place, name: str, cells: list[str]) -> Iterator[Any]:
    """Open a notebook of these cells in a new page, its kernel idle, nothing run."""
    folder = place.lab.root / name
    folder.mkdir(exist_ok=True)
    (folder / "cells.ipynb").write_text(notebook_of(cells), encoding="utf-8")
    page = place.browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(120_000)
    try:
        page.goto(f"{place.lab.url}/doc/tree/{name}/cells.ipynb?reset", wait_until="domcontentloaded")
        page.wait_for_function("() => !!window.jupyterapp")
        page.evaluate("() => window.jupyterapp.restored.then(() => true)")
        page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook .jp-Cell").first.wait_for()
        page.wait_for_function(IDLE)
        yield page
        page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    finally:
        page.close()


def ran(page: Any, number: int, done: str = "") -> float:
    """Run a cell; return the seconds until a condition holds in the page, by default until it has ended."""
    ended = (
        "typeof window.jupyterapp.shell.currentWidget.content.widgets"
        f"[{number}].model.executionCount === 'number' && ({IDLE})()"
    )
    seconds: float = page.evaluate(RUN_CELL, [number, done or ended])
    return seconds


def asked(page: Any, code: str) -> float:
    """Run code in the kernel, and return the number that it prints."""
    return float(page.evaluate(ASK, code))


def renderer_memory() -> float:
    """Return the MB of the largest renderer of the browser."""
    mine = psutil.Process().children(recursive=True)
    return max(
        (child.memory_info().rss / 1e6 for child in mine if "--type=renderer" in child.cmdline()), default=0.0
    )


def player(place: Place) -> dict[str, float]:
    """Play a day once."""
    opened = f"rn.open_dataset({str(place.archive)!r}, packed=True, chunks=None, progress=False)"
    cells = [f"import radar_nb as rn\nds = {opened}.sel(time='{DAY}')\nrn.Explorer", "rn.Explorer(ds)"]
    with notebook(place, "player", cells) as page:
        ran(page, 0)
        empty, alone = asked(page, MEMORY), renderer_memory()
        first = ran(page, 1, "document.querySelector('.rnb-stage[data-index]')")
        page.wait_for_function(WHOLE)
        found = {
            "first field, s": first,
            "MB sent for the day": page.evaluate(RECEIVED),
            "fields a second, 30 asked": page.evaluate(PLAY, ["30", 3]),
            "fields a second, 60 asked": page.evaluate(PLAY, ["60", 3]),
            "fields a second, tight loop, 2D canvas": page.evaluate(TIGHT),
            "fields a second, tight loop, WebGL": page.evaluate(WEBGL),
            "click to series of the day, s": page.evaluate(CLICK),
        }
        grown = {
            "kernel memory for it, MB": asked(page, MEMORY) - empty,
            "renderer memory for it, MB": renderer_memory() - alone,
        }
        return found | grown


def days(place: Place) -> dict[str, float]:
    """Open three days, sum them and read a cell's series; also of sixteen days, which repeat the three."""
    opened = f"rn.open_dataset({str(place.archive)!r}, packed=True, chunks=None, progress=False)"
    cells = [
        "import numpy, radar_nb as rn",
        f"ds = {opened}\nexplorer = rn.Explorer(ds)\nexplorer",
        f"explorer.close()\n{SIXTEEN_DAYS}",
    ]
    with notebook(place, "days", cells) as page:
        ran(page, 0)
        found = {
            "open three days to the first field, s": ran(
                page, 1, "document.querySelector('.rnb-stage[data-index]')"
            )
        }
        found["sum of three days, first, s"] = page.evaluate(TOTAL, "sum")
        page.wait_for_function(WHOLE)
        found |= {
            "maximum of three days, s": page.evaluate(TOTAL, "max"),
            "sum of three days, again, s": page.evaluate(TOTAL, "sum"),
            "key to field, s": page.evaluate(KEY),
            "series of a cell, three days, s": page.evaluate(CLICK),
            "series of 100 areas, three days, s": page.evaluate(AREAS),
            "kernel memory, three days, MB": asked(page, MEMORY),
        }
        page.evaluate(PLAY, ["60", 60])
        found |= {
            "kernel memory after a minute of play, MB": asked(page, MEMORY),
            "renderer memory after a minute of play, MB": renderer_memory(),
        }
        path = place.archive.with_name("page.html")
        found["exported page of three days, MB"] = asked(
            page, f"print(explorer.save_html({str(path)!r}).stat().st_size / 1e6)"
        )
        path.unlink()
        ran(page, 2, "document.querySelector('.rnb-explorer')?.player?.info?.count === 16 * 288")
        page.wait_for_selector(".rnb-stage[data-index]")
        found["series of a cell, sixteen days, s"] = page.evaluate(CLICK)
        return found


def others(place: Place) -> dict[str, float]:
    """Draw the calendar of 25 years, and send Matplotlib's pictures to an ipywidgets.Image."""
    count = 40
    cells = [
        f"""import io, ipywidgets, matplotlib, radar_nb as rn
matplotlib.use("agg")
import matplotlib.pyplot as plt
fields = rn.open_dataset({str(place.archive)!r}, chunks=None, progress=False).YW.sel(time='{DAY}')[:{count}]
figure = plt.figure(figsize=(6, 6), dpi=100)
drawn = figure.add_subplot().imshow(fields[0], vmin=0, vmax=2, origin="lower")
def picture(field):
    drawn.set_data(field)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
image = ipywidgets.Image(value=picture(fields[0])).add_class("radar-nb-images")
rn.MonthPicker""",
        "rn.MonthPicker('YW', '2020-06')",
        "image",
        "for field in fields: image.value = picture(field)",
    ]
    with notebook(place, "others", cells) as page:
        ran(page, 0)
        seconds = ran(page, 1, "document.querySelectorAll('[role=grid] [role=gridcell]').length >= 300")
        ran(page, 2, "document.querySelector('.radar-nb-images img, img.radar-nb-images')")
        page.evaluate(IMAGES)
        ran(page, 3)
        page.wait_for_timeout(300)  # for what is still on its way
        rate = page.evaluate(IMAGE_RATE)
        return {"picker of 25 years, s": seconds, "fields a second, ipywidgets.Image of Matplotlib": rate}


def download(place: Place, url: str, folder: Path, *, panel: bool) -> dict[str, float]:
    """Download an archive, with the panel open or without, and return the kernel's CPU time."""
    shutil.rmtree(folder, ignore_errors=True)
    options = f"folder={str(folder)!r}, base_url={url!r}"
    imports = f"import radar_nb as rn\nimport wradlib\noptions = dict({options})\n"
    made = "panel = rn.DownloadPanel(rn.MonthPicker('YW', '2020-06', **options))"
    planned = "plan = rn.plan('YW', '2020-06', **options)"
    bare = f"report = await rn.download_async(plan, folder={str(folder)!r}, progress=False)"
    cells = [
        imports + (made if panel else planned),
        "panel" if panel else "plan",
        "panel.start(); report = await panel.done()" if panel else bare,
        "assert not report.failed, report",
    ]
    with notebook(place, "download", cells) as page:
        ran(page, 0)
        ran(page, 1)
        before = asked(page, CPU)
        seconds = ran(page, 2)
        after = asked(page, CPU)
        ran(page, 3)
        which = "panel open" if panel else "no panel"
        return {f"download, {which}, s": seconds, f"its CPU in the kernel, {which}, s": after - before}


def an_archive(folder: Path) -> Path:
    """Return a server's tree with three days of YW, real where they are here."""
    target = folder / YW
    if (REAL / YW).is_file():
        target.parent.mkdir(parents=True)
        shutil.copy(REAL / YW, target)
        return target
    return make_archives(folder, "YW", "2020-06", days=(12, 13, 14), progress=False)[0]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--short", action="store_true", help="one run instead of five")
    runs = 1 if options.parse_args().short else 5
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - a development dependency

    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        archive = an_archive(folder / "server")
        slow = Faults(rules=(Fault(kind="slow", rate=STREAM),))
        with (
            sync_playwright() as playwright,
            playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS)) as browser,
            jupyterlab(folder) as lab,
            Mirror(folder / "server", faults=slow) as mirror,
        ):
            place = Place(browser=browser, lab=lab, archive=archive)
            found: dict[str, list[float]] = {}
            for _ in range(runs):
                for measured in (
                    player(place),
                    days(place),
                    others(place),
                    download(place, mirror.url, folder / "data", panel=False),
                    download(place, mirror.url, folder / "data", panel=True),
                ):
                    for row, value in measured.items():
                        found.setdefault(row, []).append(value)
    print(f"| what | median of {runs} | lowest to highest |\n|---|---|---|")
    for row, values in found.items():
        print(f"| {row} | {statistics.median(values):.3g} | {min(values):.3g} to {max(values):.3g} |")


if __name__ == "__main__":
    main()
