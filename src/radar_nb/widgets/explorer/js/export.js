// Exports of the explorer: a field, a table, a film, a standalone page, and Python code for the same view.
import { valueOf } from "./cache.js";
import { runningSum } from "./chart.js";
import { bytesText, plain, pythonOf, quoted, timeText } from "./format.js";
import { GROUNDS } from "./layout.js";
import { css } from "./map.js";

function save(name, blob) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// The first corners of a place, and how many there are: an outline of a file may have thousands.
const listed = (corners) => [...corners.slice(0, 20), ...(corners.length > 20 ? [`… (${corners.length})`] : [])].join("; ");

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
    const { width, height } = map.over, side = (this.marks.length ? 210 : 110) * unit, head = 48 * unit;
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
    context.fillStyle = css(map.tones.outside);
    context.fillRect(margin, head, width, height);
    context.imageSmoothingEnabled = size < 1;
    context.globalAlpha = map.opacity;
    context.drawImage(map.canvas, margin + west, head + bottom - map.rows * size, map.cols * size, map.rows * size);
    context.restore();
    context.drawImage(map.over, margin, head);
    context.fillStyle = "#1a1a1a";
    context.font = `600 ${14 * unit}px system-ui, sans-serif`;
    context.fillText(this.$("h2").textContent, margin, 20 * unit);
    context.font = `${13 * unit}px system-ui, sans-serif`;
    context.fillText(this.$(".rnb-time").textContent, margin, 38 * unit);
    context.font = `${11 * unit}px system-ui, sans-serif`;
    const labels = this.$$(".rnb-ground span");
    const rows = [...this.limits.map((limit, k) => [css(this.colours[k]), this.limitText(limit)]).reverse(), ...GROUNDS.map(([tone], k) => [css(map.tones[tone]), labels[k].textContent])];
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
    this.pngKey(context, left, head + 36 * unit + rows.length * line, unit);
    context.fillText(`${this.info.credit}; ${this.texts.map}: ${this.info.sources}`, margin, canvas.height - 8 * unit);
    const name = this.total ? this.fileName(`${this.total.how}.png`, this.total.span) : this.fileName("png");
    canvas.toBlob((blob) => blob && save(name, blob));
  },
  // The marks of the picture: number, name, and the value on the map.
  pngKey(context, left, top, unit) {
    const rows = [...this.$(".rnb-marks").rows].slice(0, Math.max(0, Math.floor((context.canvas.height - top) / (17 * unit)) - 2));
    rows.forEach((row, k) => {
      const y = top + 17 * unit * k, mark = this.marks[k], value = this.valueAt(mark);
      context.fillStyle = mark.colour;
      context.beginPath();
      context.arc(left + 7 * unit, y, 7 * unit, 0, 7);
      context.fill();
      context.fillStyle = "#fff";
      context.textAlign = "center";
      context.fillText(mark.label, left + 7 * unit, y + 4 * unit);
      context.fillStyle = "#1a1a1a";
      context.textAlign = "left";
      context.fillText(`${row.cells[1].textContent}${value ? `: ${value}` : ""}`, left + 20 * unit, y + 4 * unit, 185 * unit);
    });
  },
  // The value of a mark on the map, with its unit; of an area only that of a field.
  valueAt({ cell, values }) {
    if (this.total && !cell) return "";
    const raw = this.total ? valueOf(this.total.field, cell[0] * this.map.cols + cell[1]) : values[this.playhead];
    return `${this.named ? this.valueText(raw) : this.number(raw * this.scale.factor, this.digits(this.scale.factor))} ${this.scale.name}`.trim();
  },
  csv() {
    if (!this.marks.length) return this.say(this.texts.click_map, "warn");
    const { times, title, credit, sums } = this.info, [first, last] = this.span, { zone } = this;
    const places = this.marks.map((mark) => `# ${mark.label}: ${mark.name ? `${mark.name}, ` : ""}${mark.polygon ? this.texts.mean_of : this.texts.cell_at} ${listed(this.corners(mark, 4))} (lon lat)`).map(plain);
    const gaps = this.holes(this.span) || this.marks.some(({ values }) => values.subarray(first, last + 1).some(Number.isNaN));
    const local = times && zone.name !== "UTC", names = this.placeNames(), { name: unit } = this.unit;
    const columns = [...names.map((name) => (unit ? `${name} [${unit}]` : name)), ...(sums ? names.map((name) => this.texts.csv_sum.replace("{name}", () => name)) : [])];
    const header = [times ? "time_utc" : "number", ...(local ? ["time_local"] : []), ...columns.map(quoted)];
    const lines = [`# ${title}; ${this.unit.name}; ${credit}${local ? `; time_local: ${zone.name}` : ""}`, ...places, ...(sums && gaps ? [`# ${this.texts.lower_bounds}`] : []), header.join(",")];
    const running = sums ? this.marks.map(({ values }) => runningSum(values, this.span)) : [], text = (value) => (Number.isNaN(value) ? "" : +value.toPrecision(7));
    const iso = (ms) => new Date(ms).toISOString().slice(0, 19);
    for (let i = first; i <= last; i++) {
      const values = this.marks.map(({ values }) => text(values[i] * this.unit.factor));
      lines.push([times ? iso(times[i]) : i, ...(local ? [iso(this.clock[i])] : []), ...values, ...running.map((sum) => text(sum[i]))].join(","));
    }
    save(this.fileName("csv", this.span), new Blob([lines.join("\n") + "\n"], { type: "text/csv" }));
  },
  corners({ cell, polygon, rings }, digits) {
    const places = polygon ?? [[cell[1] + 0.5, cell[0] + 0.5]];
    return places.map((place) => this.map.projection.lonlat(...place).map((degree) => degree.toFixed(digits)).join(" "));
  },
  // Return the Python code for the view: the field or the total, and the series.
  code() {
    const { along, source, name, times, flipped, minutes } = this.info;
    const timed = times && along === "time", iso = (index) => new Date(times[index]).toISOString().slice(0, 19);
    const one = (index) => (timed ? `.sel(time="${iso(index)}")` : along ? `.isel(${along}=${index})` : "");
    const span = ([first, last]) => (timed ? `.sel(time=slice("${iso(first)}", "${iso(last)}"))` : along ? `.isel(${along}=slice(${first}, ${last + 1}))` : "");
    const lines = source ? [`ds = rn.${source}`] : ["# ds: the Dataset that the explorer was given"];
    lines.push(`da = ds[${JSON.stringify(name)}]${flipped ? '.sortby(["y", "x"])' : ""}`);
    if (this.marks.length) lines.push(`part = da${span(this.span)}`);
    const { total } = this, fields = total && total.span[1] - total.span[0] + 1;
    const how = total && { sum: `sum("${along}", min_count=1, keep_attrs=True)${minutes ? `.assign_attrs(interval_minutes=${minutes * fields})` : ""}`, max: `max("${along}", keep_attrs=True)` }[total.how];
    lines.push(`field = ${total ? `da${span(total.span)}.${how}` : `da${one(this.playhead)}`}`, `rn.plot(field${this.look()})`);
    const names = new Map(this.placeNames().map((name, k) => [this.marks[k], JSON.stringify(name)]));
    const lonlat = (mark, digits) => this.corners(mark, digits).map((corner) => `(${corner.replace(" ", ", ")})`);
    const points = this.marks.filter(({ cell }) => cell), areas = this.marks.filter(({ polygon, file }) => polygon && !file), files = [...new Set(this.marks.map(({ file }) => file).filter(Boolean))];
    if (points.length) lines.push("", `points = {${points.map((mark) => `${names.get(mark)}: ${lonlat(mark, 5)[0]}`).join(", ")}}  # longitude, latitude`, "series = rn.at_points(part, points)");
    if (areas.length) {
      const polygons = areas.map((mark) => `    ${names.get(mark)}: Polygon([${lonlat(mark, 5).join(", ")}]),`);
      lines.push("", "areas = GeoSeries({", ...polygons, '}, crs="EPSG:4326")', "means = rn.over_areas(part, areas)  # counts cells by their share; the explorer those whose centre is inside");
    }
    files.forEach((file) => lines.push("", `means_of_file = rn.over_areas(part, ${pythonOf(file)})  # the path of the file`));
    const { index, ...view } = this.state();
    view.places = view.places.filter(({ file }) => !file);
    lines.push("", "explorer = rn.Explorer(da)", `explorer.view_state = ${pythonOf(view)}`);
    if (along) lines.push(`explorer.span, explorer.index = ${pythonOf(this.span).replace(/\[(.*)\]/, "($1)")}, ${this.playhead}`);
    lines.push("explorer");
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
    const classes = chosen || factor !== 1 ? `, classes=${pythonOf(this.limits.map((limit) => +(limit / factor).toPrecision(6)))}` : "";
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
    const places = this.marks.map(({ cell, polygon, rings, name, file }) => (polygon ? { polygon, ...(rings && { rings, name, file }) } : { cell, name }));
    return { index: playhead - span[0], unit: info.units.indexOf(this.unit), chosen: this.unit.chosen ?? null, palette, places, view: map.view, layers: map.layers, zone: this.zone.name, kind: this.kind, loop: this.loop, opacity: map.opacity, dark: this.$(".rnb-dark").checked };
  },
  restore({ index, unit, chosen, palette, places = [], view, layers, zone, kind, loop, opacity = 1, dark = false }) {
    if (index !== undefined && index !== this.playhead) this.seek(index);
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
    for (const [selector, value] of [["tz", zone], ["kind", kind], ["loop", loop], ["opacity", 100 * opacity]]) {
      const input = this.$(`.rnb-${selector}`);
      if (input && value !== undefined) input.value = value;
    }
    if (this.$(".rnb-tz")?.value) this.setZone(this.$(".rnb-tz").value);
    Object.assign(this, { kind: this.$(".rnb-kind")?.value ?? this.kind, loop: this.$(".rnb-loop").value || "repeat" });
    this.map.setOpacity(opacity);
    this.setDark(dark);
    this.addMarks(places);
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
