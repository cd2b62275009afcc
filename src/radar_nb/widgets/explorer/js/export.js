// Exports of the explorer: a field, a table, a film, a standalone page, and Python code for the same view.
import { bytesText, pythonList, timeText } from "./format.js";
import { GROUNDS } from "./layout.js";
import { css, GROUND } from "./map.js";

function save(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

export const exporting = {
  export(what) {
    const acts = { png: () => this.png(), csv: () => this.csv(), code: () => this.code(), animation: () => this.askFile("animation"), page: () => this.askPage() };
    acts[what]();
  },
  fileName(ending, indices = [this.playhead]) {
    const { times, name } = this.info;
    const stamps = times ? indices.map((index) => `_${timeText(times[index]).replace(/\D/g, "")}`) : [];
    return `${name || "radar"}${stamps.join("")}.${ending}`;
  },
  png() {
    const { map } = this, unit = Math.max(1, map.ratio), margin = 12 * unit, line = 15 * unit;
    const { width, height } = map.over, side = 110 * unit, head = 48 * unit;
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [width + side + 2 * margin, height + head + 26 * unit];
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    const { size, left: west, bottom } = map.frame;
    context.save();
    context.beginPath();
    context.rect(margin, head, width, height);
    context.clip();
    context.fillStyle = css(GROUND.outside);
    context.fillRect(margin, head, width, height);
    context.imageSmoothingEnabled = size < 1;
    context.drawImage(map.canvas, margin + west, head + bottom - map.rows * size, map.cols * size, map.rows * size);
    context.restore();
    context.drawImage(map.over, margin, head);
    context.fillStyle = "#1a1a1a";
    context.font = `600 ${14 * unit}px system-ui, sans-serif`;
    context.fillText(this.$("h2").textContent, margin, 20 * unit);
    context.font = `${13 * unit}px system-ui, sans-serif`;
    context.fillText(this.$(".rnb-time").textContent, margin, 38 * unit);
    context.font = `${11 * unit}px system-ui, sans-serif`;
    const labels = this.root.querySelectorAll(".rnb-ground span");
    const rows = [...this.limits.map((limit, k) => [css(this.colours[k]), this.valueText(limit)]).reverse(), ...GROUNDS.map(([tone], k) => [css(GROUND[tone]), labels[k].textContent])];
    const left = width + 2 * margin;
    context.fillText(this.scale.name, left, head + 10 * unit);
    rows.forEach(([colour, text], k) => {
      const y = head + 18 * unit + k * line;
      context.fillStyle = colour;
      context.fillRect(left, y, 18 * unit, line - 1);
      context.strokeStyle = "rgba(0,0,0,.25)";
      context.strokeRect(left, y, 18 * unit, line - 1);
      context.fillStyle = "#1a1a1a";
      context.fillText(text, left + 24 * unit, y + line - 4 * unit);
    });
    context.fillText(`${this.info.credit}; ${this.texts.map}: ${this.info.sources}`, margin, canvas.height - 8 * unit);
    const name = this.total ? this.fileName(`${this.total.how}.png`, this.total.span) : this.fileName("png");
    canvas.toBlob((blob) => blob && save(name, blob));
  },
  csv() {
    if (!this.marks.length) return this.say(this.texts.click_map, "warn");
    const { times, title, credit } = this.info, [first, last] = this.span;
    const places = this.marks.map((mark) => `# ${mark.label}: ${mark.polygon ? this.texts.mean_of : this.texts.cell_at} ${this.corners(mark, 4).join("; ")} (lon lat)`);
    const lines = [`# ${title}; ${this.unit.name}; ${credit}`, ...places, ["time_utc", ...this.marks.map(({ label }) => label)].join(",")];
    for (let i = first; i <= last; i++) {
      const values = this.marks.map(({ values }) => (Number.isNaN(values[i]) ? "" : +(values[i] * this.unit.factor).toPrecision(7)));
      lines.push([times ? new Date(times[i]).toISOString().slice(0, 19) : i, ...values].join(","));
    }
    save(this.fileName("csv", this.span), new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
  },
  corners({ cell, polygon }, digits) {
    const places = polygon ?? [[cell[1] + 0.5, cell[0] + 0.5]];
    return places.map((place) => this.map.projection.lonlat(...place).map((degree) => degree.toFixed(digits)).join(" "));
  },
  // Return the Python code for the view: the field or the total, and the series.
  code() {
    const { along, source, name, times, flipped, minutes } = this.info, [first, last] = this.span;
    const timed = times && along === "time", iso = (index) => new Date(times[index]).toISOString().slice(0, 19);
    const one = (index) => (timed ? `.sel(time="${iso(index)}")` : along ? `.isel(${along}=${index})` : "");
    const span = timed ? `.sel(time=slice("${iso(first)}", "${iso(last)}"))` : along ? `.isel(${along}=slice(${first}, ${last + 1}))` : "";
    const lines = source ? [`ds = rn.${source}`] : ["# ds: the Dataset that the explorer was given"];
    lines.push(`da = ds[${JSON.stringify(name)}]${flipped ? '.sortby(["y", "x"])' : ""}`);
    if (this.total || this.marks.length) lines.push(`part = da${span}`);
    const how = this.total && { sum: `sum("${along}", min_count=1, keep_attrs=True)${minutes ? `.assign_attrs(interval_minutes=${minutes * (last - first + 1)})` : ""}`, max: `max("${along}", keep_attrs=True)` }[this.total.how];
    lines.push(`field = ${this.total ? `part.${how}` : `da${one(this.playhead)}`}`, `rn.plot(field${this.look()})`);
    const lonlat = (mark, digits) => this.corners(mark, digits).map((corner) => `(${corner.replace(" ", ", ")})`);
    const points = this.marks.filter(({ cell }) => cell), areas = this.marks.filter(({ polygon }) => polygon);
    if (points.length) lines.push("", `points = {${points.map((mark) => `"${mark.label}": ${lonlat(mark, 5)[0]}`).join(", ")}}  # longitude, latitude`, "series = rn.at_points(part, points)");
    if (areas.length) {
      const polygons = areas.map((mark) => `    "${mark.label}": Polygon([${lonlat(mark, 5).join(", ")}]),`);
      lines.push("", "areas = GeoSeries({", ...polygons, '}, crs="EPSG:4326")', "means = rn.over_areas(part, areas)  # counts cells by their share; the explorer those whose centre is inside");
    }
    const imports = [...(areas.length ? ["from geopandas import GeoSeries"] : []), "import radar_nb as rn", ...(areas.length ? ["from shapely import Polygon"] : []), ""];
    const area = this.$(".rnb-codebox textarea");
    area.value = [...imports, ...lines].join("\n");
    this.$(".rnb-codebox").showModal();
    area.setSelectionRange(0, 0);
    area.scrollTop = 0;
  },
  // the arguments of rn.plot for the chosen colours
  look() {
    const { chosen, factor } = this.scale;
    const classes = chosen || factor !== 1 ? `, classes=${pythonList(this.limits.map((limit) => +(limit / factor).toPrecision(6)))}` : "";
    return `${classes}${this.palette === Object.keys(this.info.palettes)[0] ? "" : `, cmap="${this.palette}"`}`;
  },
  async copy() {
    const area = this.$(".rnb-codebox textarea");
    area.select();
    try {
      await navigator.clipboard.writeText(area.value);
      this.say(this.texts.copied);
      this.$(".rnb-codebox").close();
    } catch {
      this.$(".rnb-copy").textContent = this.texts.select_copy; // the page may not write to the clipboard: the text is selected
    }
  },
  // Let the kernel know the view, so that it is that of an exported page and of the next display.
  keepView() {
    clearTimeout(this.keeping);
    this.keeping = setTimeout(() => {
      if (this.closed || !this.info) return;
      const state = this.state(), text = JSON.stringify({ ...state, index: 0 });
      if (text !== this.keptView) this.publish("view_state", state);
      this.keptView = text;
    }, 300);
  },
  // The initial view of an exported page, without the kernel's state.
  state() {
    const { map, palette, playhead, span, info } = this;
    const places = this.marks.map(({ cell, polygon, name }) => (polygon ? { polygon } : { cell, name }));
    return { index: playhead - span[0], unit: info.units.indexOf(this.unit), chosen: this.unit.chosen ?? null, palette, places, view: map.view, layers: map.layers };
  },
  restore({ index, unit, chosen, palette, places = [], view, layers }) {
    if (index !== undefined) this.seek(index);
    if (unit === undefined) return;
    this.unit = this.info.units[unit] ?? this.unit;
    this.unit.chosen = chosen ?? undefined;
    this.palette = palette in this.info.palettes ? palette : this.palette;
    this.$(".rnb-unit").value = this.info.units.indexOf(this.unit);
    this.$(".rnb-palette").value = this.palette;
    Object.assign(this.map.view, view);
    if (this.map.ratio) this.map.settle(); // the map has its size already, and would stay where it was
    Object.assign(this.map.layers, layers);
    this.root.querySelectorAll("[data-layer]").forEach((node) => (node.checked = this.map.layers[node.dataset.layer]));
    places.forEach((place) => this.addMark(place));
    this.classes();
  },
  // Show the size in a dialog first.
  askPage() {
    if (this.info.alone) return this.say(this.texts.needs_kernel, "warn");
    const count = this.span[1] - this.span[0] + 1, size = count * this.cache.mean * 1.34 + 7e5; // base64: four characters for three bytes; lines, towns and scripts
    const words = this.texts.page_size.replace("{size}", bytesText(size, this.texts.decimal)).replace("{count}", count);
    const dialog = this.$(".rnb-pagebox");
    dialog.querySelector("p").textContent = words;
    dialog.returnValue = ""; // Escape would keep the previous answer
    dialog.showModal();
  },
  askFile(kind) {
    if (this.info.alone) return this.say(this.texts.needs_kernel, "warn");
    this.say(this.texts[kind], "busy", kind);
    const limits = this.unit.chosen && this.unit.chosen.map((limit) => limit / this.unit.factor);
    const fps = Math.min(30, Number(this.$(".rnb-speed").value));
    this.ask({ type: kind, span: this.span, fps, palette: this.palette, ...(limits && { limits }), state: this.state() });
    clearTimeout(this.silence); // the first piece may take a while
  },
  takeFile({ id, name, mime }) {
    const blob = new Blob(this.files[id] ?? [], { type: mime });
    delete this.files[id];
    save(name, blob);
    this.say(`${name}, ${bytesText(blob.size, this.texts.decimal)}`);
  },
};
