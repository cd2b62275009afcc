// The actions of the explorer's controls, keys and pointer.
import { escaped, folded, numbersOf } from "./format.js";
import { actOf } from "./keys.js";

const boxOf = ([x0, y0], [x1, y1]) => [[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]];

export const controls = {
  wire() {
    const { signal } = this.ended;
    const on = (selector, type, act) => this.root.querySelectorAll(selector).forEach((node, k) => node.addEventListener(type, (event) => act(event, k), { signal }));
    for (const type of ["click", "change", "keyup", "pointerup", "wheel"]) this.root.addEventListener(type, () => this.keepView(), { signal, passive: true });
    on(".rnb-play", "click", () => this.play());
    on(".rnb-back", "click", () => this.step(-1));
    on(".rnb-forward", "click", () => this.step(1));
    on(".rnb-rain", "click", () => this.nextRain());
    on(".rnb-slider", "input", (event) => this.seek(Number(event.target.value)));
    on(".rnb-from", "click", () => this.setSpan(this.playhead, Math.max(this.playhead, this.span[1])));
    on(".rnb-to", "click", () => this.setSpan(Math.min(this.playhead, this.span[0]), this.playhead));
    on(".rnb-whole", "click", () => this.setSpan(0, this.info.count - 1));
    on(".rnb-total", "click", ({ currentTarget }) => this.askTotal(currentTarget.dataset.how));
    on(".rnb-last", "change", ({ target }) => this.askLast(Number(target.value)));
    on(".rnb-tz", "change", ({ target }) => this.setZone(target.value));
    on(".rnb-kind", "change", ({ target }) => this.choose(() => (this.kind = target.value)));
    on(".rnb-loop", "change", ({ target }) => (this.loop = target.value));
    on(".rnb-opacity", "input", ({ target }) => this.map.setOpacity(target.value / 100));
    on(".rnb-dark", "change", ({ target }) => this.setDark(target.checked));
    on(".rnb-full", "click", () => this.fullScreen());
    on(".rnb-compare", "click", () => this.compare());
    on(".rnb-keys", "click", () => this.$(".rnb-keybox").showModal());
    on(".rnb-unzoom", "click", () => this.chart.zoom(null));
    on(".rnb-areas", "click", () => this.$(".rnb-file").click());
    on(".rnb-file", "change", ({ target }) => this.askAreas(target));
    on(".rnb-goto input[type=text]", "input", () => this.suggest());
    on(".rnb-goto input[type=text]", "blur", () => setTimeout(() => this.suggest([]), 200));
    this.wireTimeline(signal);
    this.wireSwipe(signal);
    this.chart.wire(signal);
    on(".rnb-unit", "change", (event) => this.choose(() => (this.unit = this.info.units[event.target.value])));
    on(".rnb-palette", "change", (event) => this.choose(() => (this.palette = event.target.value)));
    on(".rnb-limits", "change", (event) => this.chooseLimits(event.target));
    on(".rnb-limits", "keydown", (event) => event.key === "Enter" && event.target.blur());
    on("[data-layer]", "change", ({ target }) => {
      this.map.layers[target.dataset.layer] = target.checked;
      this.map.drawOver();
    });
    on(".rnb-mode", "click", (_, k) => this.setMode(["point", "box", "polygon"][k]));
    on(".rnb-zoomin", "click", () => this.map.zoom(1.5));
    on(".rnb-zoomout", "click", () => this.map.zoom(1 / 1.5));
    on(".rnb-fit", "click", () => this.map.zoom(0));
    on(".rnb-export", "click", ({ currentTarget }) => this.export(currentTarget.dataset.what));
    on(".rnb-pagebox", "close", ({ currentTarget }) => currentTarget.returnValue === "make" && this.askFile("page"));
    on(".rnb-goto", "submit", (event) => this.goTo(event));
    on(".rnb-copy", "click", () => this.copy());
    this.root.addEventListener("keydown", (event) => this.key(event), { signal });
    this.wirePointer(this.$(".rnb-over"), signal);
    this.setMode("point");
    const handlers = {
      "change:index": () => this.follow(this.model.get("index")),
      "change:span": () => {
        const span = this.model.get("span"), here = span[1] < this.info.count; // else it belongs to data that are about to come
        if (here && span.some((edge, k) => edge !== this.span[k])) this.setSpan(...span);
      },
    };
    for (const [name, act] of Object.entries(handlers)) {
      this.model.on(name, act);
      signal.addEventListener("abort", () => this.model.off(name, act));
    }
    this.watchLook(signal);
  },
  // Redraw for another size, screen resolution or theme of Jupyter.
  watchLook(signal) {
    const redraw = () => this.redraw(), look = { attributes: true, attributeFilter: ["data-jp-theme-name", "data-jp-theme-light", "class"] };
    const size = new ResizeObserver(redraw);
    // JupyterLab hides its page for a moment while it changes the theme
    const theme = new MutationObserver(() => [redraw(), requestAnimationFrame(() => signal.aborted || redraw())]);
    for (const selector of [".rnb-stage", ".rnb-chart", ".rnb-timeline"]) size.observe(this.$(selector));
    theme.observe(document.body, look);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw, { signal });
    const resolution = () => {
      if (signal.aborted) return;
      redraw();
      matchMedia(`(resolution: ${window.devicePixelRatio}dppx)`).addEventListener("change", resolution, { once: true, signal });
    };
    resolution();
    signal.addEventListener("abort", () => [size, theme].forEach((observer) => observer.disconnect()));
  },
  step(count) {
    if (this.playing) this.play(false);
    this.seek(this.playhead + count);
  },
  choose(act) {
    act();
    this.classes();
    this.drawChart();
    this.listMarks();
  },
  chooseLimits(input) {
    const limits = numbersOf(input.value);
    const rising = limits.length > 1 && limits.every((limit, k) => Number.isFinite(limit) && (!k || limit > limits[k - 1]));
    if (input.value.trim() && !rising) {
      this.say(this.texts.wrong_limits, "warn");
      return this.classes();
    }
    this.scale.owner.chosen = rising ? limits : undefined; // an empty input restores the default
    this.classes();
  },
  key(event) {
    if (this.$("dialog[open]")) return; // Escape closes it
    if (event.key === "Enter" && event.target.matches(".rnb-goto input")) return this.goTo(event);
    if (event.target.matches("input[type=text], textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
    const onSlider = event.target.matches(".rnb-slider, .rnb-opacity, .rnb-swipe"), act = actOf(event);
    if (!act || (event.key === "Enter" && !this.draft) || (onSlider && !event.target.matches(".rnb-slider")) || (onSlider && !/Arrow|Home|End|Page| /.test(event.key))) return;
    if (event.key === " " && event.target.matches("button, input[type=checkbox]")) return;
    event.preventDefault();
    event.stopPropagation();
    act(this);
  },
  escape() {
    this.setMode("point");
    this.say("");
  },
  press(how) {
    [...this.root.querySelectorAll(".rnb-total")].find((node) => node.dataset.how === how)?.click();
  },
  async fullScreen() {
    try {
      await (document.fullscreenElement ? document.exitFullscreen() : this.root.requestFullscreen());
    } catch {
      this.say(this.texts.no_full_screen, "warn"); // a frame that may not, such as a preview
    }
  },
  setDark(on) {
    this.$(".rnb-dark").checked = on;
    this.map.setDark(on);
    this.classes();
    this.map.drawOver();
  },
  setMode(mode) {
    this.mode = mode;
    this.draft = null;
    this.map.draft = null;
    this.map.drawOver();
    this.root.querySelectorAll(".rnb-mode").forEach((node, k) => node.setAttribute("aria-pressed", ["point", "box", "polygon"][k] === mode));
    this.stage.dataset.mode = mode;
    if (mode !== "point") this.say(this.texts[`${mode}_hint`]);
  },
  wirePointer(canvas, signal) {
    let start = null, moved = false;
    const listen = (type, act, more = {}) => canvas.addEventListener(type, act, { signal, ...more });
    listen("pointerdown", (event) => {
      if (event.button) return;
      this.stage.focus({ preventScroll: true });
      canvas.setPointerCapture(event.pointerId);
      [start, moved] = [{ x: event.clientX, y: event.clientY, place: this.map.place(event.clientX, event.clientY), view: { ...this.map.view } }, false];
    });
    listen("pointermove", (event) => {
      this.pointer = [event.clientX, event.clientY];
      this.readOut();
      if (this.draft) this.drawDraft([...this.draft, this.map.place(...this.pointer)]);
      if (!start) return;
      moved ||= Math.hypot(event.clientX - start.x, event.clientY - start.y) > 4;
      if (!moved) return;
      if (this.mode === "box") return this.drawDraft(boxOf(start.place, this.map.place(...this.pointer)));
      if (this.mode === "polygon") return;
      const { size } = this.map.frame, ratio = this.map.ratio;
      this.map.view.x = start.view.x - ((event.clientX - start.x) * ratio) / size;
      this.map.view.y = start.view.y + ((event.clientY - start.y) * ratio) / size;
      this.map.settle();
    });
    listen("pointerup", (event) => {
      if (!start) return;
      const from = start.place, place = this.map.place(event.clientX, event.clientY);
      start = null;
      if (this.mode === "polygon") this.draft = [...(this.draft ?? []), place];
      else if (this.mode === "box" && moved) this.finishArea(boxOf(from, place).slice(0, 4));
      else if (!moved && this.mode === "point") this.pin(...place);
    });
    listen("pointercancel", () => (start = null));
    listen("dblclick", () => this.draft?.length >= 3 && this.finishArea(this.draft.slice(0, -1)));
    listen("pointerleave", () => {
      this.pointer = null;
      this.readOut();
    });
    listen("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // the page keeps its own scrolling
      event.preventDefault();
      this.map.zoom(event.deltaY < 0 ? 1.25 : 0.8, [event.clientX, event.clientY]);
    }, { passive: false });
  },
  drawDraft(polygon) {
    this.map.draft = polygon;
    this.map.drawOver();
  },
  finishArea(polygon) {
    this.setMode("point");
    this.say("");
    if (polygon.length > 2) this.addMark({ polygon: polygon.map((corner) => corner.map((k) => +k.toFixed(2))) });
  },
  pin(col, row, name) {
    [col, row] = [Math.floor(col), Math.floor(row)];
    if (!this.map.holds(col, row)) return this.say(this.texts.off_map, "warn");
    this.addMark({ cell: [row, col], name });
  },
  // Convert pairs of degrees to cells: longitude first, or latitude first if only that is on the map.
  cellsOf(pairs) {
    const orders = [([lon, lat]) => [lon, lat], ([lat, lon]) => [lon, lat]];
    const found = orders.map((order) => pairs.map((pair) => this.map.projection.cell(...order(pair))));
    return found.find((cells) => cells.some(([col, row]) => this.map.holds(col, row)));
  },
  // Towns on the map whose names begin with what was typed, or contain it.
  suggest(towns = this.townsLike(this.$(".rnb-goto input").value)) {
    const list = this.$(".rnb-found"), input = this.$(".rnb-goto input");
    list.innerHTML = towns.map(([name]) => `<li role="option">${escaped(name)}</li>`).join("");
    list.hidden = !towns.length;
    input.setAttribute("aria-expanded", String(Boolean(towns.length)));
    list.querySelectorAll("li").forEach((node, k) => (node.onpointerdown = (event) => {
      event.preventDefault();
      this.goToTown(towns[k]);
    }));
  },
  townsLike(text, most = 7) {
    const wanted = folded(text.trim());
    if (wanted.length < 2 || !/\p{L}/u.test(wanted)) return [];
    const names = this.info.towns.map((town) => [folded(town[0]), town]);
    const found = names.filter(([name]) => name.startsWith(wanted));
    return [...found, ...names.filter(([name]) => !name.startsWith(wanted) && name.includes(wanted))].slice(0, most).map(([, town]) => town);
  },
  goToTown([name, col, row]) {
    this.suggest([]);
    this.$(".rnb-goto input").value = "";
    this.say("");
    this.pin(col, row, name);
    this.map.lookAt(col, row);
  },
  // A town, one place, or the corners of an area in pairs of degrees.
  goTo(event) {
    event.preventDefault();
    const input = this.$(".rnb-goto input"), text = input.value.trim();
    if (/\p{L}{2}/u.test(text)) {
      const named = this.info.towns.filter(([name]) => folded(name) === folded(text));
      if (named.length === 1) return this.goToTown(named[0]);
      if (this.info.alone) return this.takeTown({ name: text });
      return this.ask({ type: "town", name: text });
    }
    const numbers = numbersOf(input.value.replace(/[°NEOÖ]/gi, " "));
    const pairs = Array.from({ length: numbers.length / 2 }, (_, k) => numbers.slice(2 * k, 2 * k + 2));
    if (!numbers.every(Number.isFinite) || numbers.length % 2 || pairs.length === 0 || pairs.length === 2) return this.say(this.texts.wrong_place, "warn");
    const places = this.cellsOf(pairs);
    if (!places) return this.say(this.texts.off_map, "warn");
    this.say("");
    input.value = "";
    if (places.length === 1) this.pin(...places[0]);
    else this.finishArea(places);
  },
  takeTown({ name, lon, lat }) {
    if (lon === undefined) return this.say(this.texts.unknown_town.replace("{name}", name), "warn");
    const [col, row] = this.map.projection.cell(lon, lat);
    if (!this.map.holds(Math.floor(col), Math.floor(row))) return this.say(this.texts.off_map, "warn");
    this.goToTown([name, col, row]);
  },
};
