"""Explorers behind a WebSocket, without Jupyter: a page that shows them as anywidget does, in a second.

The explorer, its answers and the browser are real; only the way of messages between them is not Jupyter's. Tests
of what JupyterLab itself does are in `test_explorer.py`.
"""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from radar_nb.widgets.explorer.html_export import asset

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    import radar_nb as rn

_STATE = ("index", "span", "view_state", "texts")
_PAGE = """<!doctype html><html><head><meta charset="utf-8"><link rel="icon" href="data:,">
<style>body {{margin: 16px}} {style}</style></head><body>
<script type="module">
import widget from "/explorer.js";
class Model {{
  constructor(number, state) {{
    Object.assign(this, {{ state, changed: {{}}, heard: {{}}, meta: null, buffers: [] }});
    this.socket = new WebSocket(`ws://${{location.host}}/kernel/${{number}}`);
    this.socket.binaryType = "arraybuffer";
    this.open = new Promise((done) => (this.socket.onopen = done));
    this.socket.onmessage = ({{ data }}) => {{
      if (typeof data === "string") this.meta = JSON.parse(data);
      else this.buffers.push(new DataView(data));
      if (this.buffers.length < this.meta.buffers) return;
      const {{ content, state }} = this.meta, {{ buffers }} = this;
      this.buffers = [];
      if (content) return this.tell("msg:custom", content, buffers);
      for (const [name, value] of Object.entries(state)) {{
        this.state[name] = value;
        this.tell(`change:${{name}}`);
      }}
    }};
  }}
  tell(name, ...what) {{ [...(this.heard[name] ?? [])].forEach((act) => act(...what)); }}
  get(name) {{ return this.state[name]; }}
  set(name, value) {{ this.state[name] = this.changed[name] = value; }}
  on(name, act) {{ (this.heard[name] ??= new Set()).add(act); }}
  off(name, act) {{ this.heard[name]?.delete(act); }}
  async post(message, buffers = []) {{
    await this.open;
    if (this.socket.readyState !== 1) throw new Error("the kernel is gone");
    this.socket.send(JSON.stringify({{ ...message, buffers: buffers.length }}));
    buffers.forEach((buffer) => this.socket.send(buffer));
  }}
  send(content, _, buffers) {{ return this.post({{ content }}, buffers); }}
  save_changes() {{
    const state = this.changed;
    this.changed = {{}};
    return this.post({{ state }});
  }}
}}
for (const [number, state] of {states}.entries()) {{
  const el = document.body.appendChild(document.createElement("div"));
  widget.render({{ model: new Model(number, state), el }});
}}
</script></body></html>"""


class BareKernel:
    """A server on this machine with some explorers, each with an event loop as in a kernel."""

    def __init__(self, *explorers: rn.Explorer) -> None:
        self.explorers = explorers
        self.url = ""
        self._sockets: list[set[web.WebSocketResponse]] = [set() for _ in explorers]
        self._set_by_browser: list[dict[str, Any]] = [{} for _ in explorers]
        self._transports: list[asyncio.Transport] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._loop.is_closed():
            for explorer in self.explorers:
                self.run(explorer.close)
            self.stop()

    def run(self, act: Callable[[], Any]) -> Any:
        """Do something in the loop, as a cell would, and return its result."""

        async def done() -> Any:
            return act()

        return asyncio.run_coroutine_threadsafe(done(), self._loop).result(60)

    def stop(self) -> None:
        """End the kernel, with whatever it is doing."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    async def _end(self) -> None:
        for transport in self._transports:
            transport.abort()  # without a word, as a process that is killed
        await self._runner.cleanup()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _open(self) -> None:
        for number, explorer in enumerate(self.explorers):
            self._connect(number, explorer)
        app = web.Application()
        app.router.add_get("/", self._page)
        app.router.add_get("/explorer.js", self._script)
        app.router.add_get("/kernel/{number}", self._talk)
        self._runner = web.AppRunner(app, shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/"

    def _connect(self, number: int, explorer: rn.Explorer) -> None:
        def send(content: Any, buffers: Any = ()) -> None:
            self._post(number, {"content": content}, list(buffers or ()))

        explorer.send = send

        def tell(change: Any) -> None:
            if self._set_by_browser[number].get(change["name"]) != change["new"]:  # as ipywidgets: no echo
                self._post(number, {"state": {change["name"]: change["new"]}})

        explorer.observe(tell, _STATE[:2])

    def _post(self, number: int, message: dict[str, Any], buffers: list[bytes] | None = None) -> None:
        async def post(socket: web.WebSocketResponse) -> None:
            await socket.send_str(json.dumps(message | {"buffers": len(buffers or [])}))
            for buffer in buffers or []:
                await socket.send_bytes(bytes(buffer))

        for socket in self._sockets[number]:
            if not socket.closed:
                self._order = asyncio.ensure_future(self._after(getattr(self, "_order", None), post(socket)))

    async def _after(self, last: asyncio.Future[None] | None, work: Any) -> None:
        """Send one message after the other."""
        if last is not None:
            await asyncio.wait([last])
        await work

    async def _page(self, _: web.Request) -> web.Response:
        states = json.dumps([{name: getattr(one, name) for name in _STATE} for one in self.explorers])
        text = _PAGE.format(style=asset("explorer.css"), states=states.replace("<", "\\u003c"))
        return web.Response(text=text, content_type="text/html")

    async def _script(self, _: web.Request) -> web.Response:
        return web.Response(text=asset("explorer.bundle.js"), content_type="text/javascript")

    async def _talk(self, request: web.Request) -> web.WebSocketResponse:
        number = int(request.match_info["number"])
        explorer, socket = self.explorers[number], web.WebSocketResponse(max_msg_size=1 << 28)
        await socket.prepare(request)
        self._sockets[number].add(socket)
        assert request.transport is not None
        self._transports.append(request.transport)
        async for part in socket:
            if part.type is not WSMsgType.TEXT:
                break
            message = json.loads(part.data)
            buffers = [(await socket.receive()).data for _ in range(message["buffers"])]
            if "content" in message:
                explorer._handle_custom_msg(message["content"], buffers)  # noqa: SLF001 - where ipywidgets takes messages
            else:
                for name, value in message["state"].items():
                    self._set_by_browser[number] = {name: tuple(value) if name == "span" else value}
                    setattr(explorer, name, self._set_by_browser[number][name])
                    self._set_by_browser[number] = {}
        return socket
