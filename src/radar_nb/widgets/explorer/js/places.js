// Places and areas that are compared, and the read-out under the pointer.
import { valueOf } from "./cache.js";
import { escaped, plain } from "./format.js";
import { button } from "./layout.js";
import { PIN_COLOURS } from "./map.js";

const MOST = 100, LARGEST = 100e6; // places, and bytes of a file of areas

const polygonArea = (polygon) =>
  Math.abs(polygon.reduce((sum, [x0, y0], k) => {
    const [x1, y1] = polygon[(k + 1) % polygon.length];
    return sum + x0 * y1 - x1 * y0;
  }, 0)) / 2;

const least = (values) => values.reduce((a, b) => Math.min(a, b), Infinity);
// Rings as one: the way from ring to ring is gone twice, so that it encloses nothing.
const joined = (rings) => [...rings.flatMap((ring) => [...ring, ring[0]]), ...rings.slice(0, -1).map((ring) => ring[0]).reverse()];

export const places = {
  addMark(place) {
    this.addMarks([place]);
  },
  addMarks(places) {
    const added = [];
    for (const place of places) {
      if (this.marks.length >= MOST) {
        this.say(this.texts.too_many, "warn");
        break;
      }
      const taken = new Set(this.marks.map(({ label }) => label)), free = Array.from({ length: MOST }, (_, k) => k).find((k) => !taken.has(String(k + 1)));
      this.count = (this.count ?? 0) + 1;
      const mark = { ...place, colour: PIN_COLOURS[free % PIN_COLOURS.length], label: String(free + 1), id: `series-${this.count}` };
      this.marks.push(mark);
      added.push(mark);
    }
    this.askSeries(added);
    this.refreshMarks();
    this.keepView();
  },
  // Areas of a file: the kernel reads it.
  async askAreas(input) {
    const [file] = input.files;
    if (!file) return;
    if (file.size > LARGEST) return this.say(this.texts.large_file.replace("{name}", file.name), "warn");
    this.say(this.texts.reading.replace("{name}", file.name), "busy");
    const bytes = await file.arrayBuffer();
    input.value = ""; // the same file can be chosen again
    this.reach(() => this.model.send({ type: "areas", name: file.name, view: this.view }, undefined, [bytes]), () => this.say(this.texts.silent, "warn"));
  },
  takeAreas({ areas, file }) {
    const { holds } = this.map, [rows, cols] = this.info.shape;
    const here = areas.filter(({ rings }) => rings.flat().some(([col, row]) => holds.call(this.map, col, row)));
    if (!here.length) return this.say(this.texts.off_map, "warn");
    this.say("");
    this.addMarks(here.map(({ name, rings }) => ({ polygon: joined(rings), rings, name, file })));
    const corners = here.flatMap(({ rings }) => rings.flat()), of = (k) => corners.map((corner) => corner[k]);
    const [west, east, south, north] = [least(of(0)), -least(of(0).map((v) => -v)), least(of(1)), -least(of(1).map((v) => -v))];
    this.map.lookAt((west + east) / 2, (south + north) / 2, Math.min(cols / (east - west), rows / (north - south)) / 2);
  },
  // Ask for the series of marks that are not known in the span: one request, so that the fields are read once.
  askSeries(marks) {
    const { span } = this, known = ({ done, asked: [first, last] = [1, 0] }) => done && first <= span[0] && last >= span[1];
    const unknown = marks.filter((mark) => !known(mark));
    if (!unknown.length) return;
    unknown.forEach((mark) => Object.assign(mark, { values: new Float64Array(this.info.count).fill(NaN), done: false, asked: span }));
    const places = unknown.map(({ id, cell, polygon }) => (polygon ? { id, polygon } : { id, cell }));
    this.ask({ type: "series", span, near: this.playhead, places });
  },
  takeSeries({ first, done = false, places }) {
    for (const { id, values, cells } of places) {
      const mark = this.marks.find((one) => one.id === id);
      if (!mark) continue;
      values?.forEach((value, k) => (mark.values[first + k] = value ?? NaN));
      Object.assign(mark, { cells, done });
      if (done && !cells) this.say(this.texts.no_cells, "warn");
    }
    this.root.dataset.series = this.marks.filter(({ done }) => done).length;
    this.marksSoon();
  },
  removeMark(mark) {
    this.ask({ type: "stop", id: mark.id });
    clearTimeout(this.silence); // there will be no answer
    this.marks = this.marks.filter((other) => other !== mark);
    this.refreshMarks();
    this.stage.focus({ preventScroll: true }); // the button that had the focus is gone
  },
  refreshMarks() {
    this.map.marks = this.marks;
    this.map.drawOver();
    this.$(".rnb-empty").hidden = this.marks.length > 0;
    this.$(".rnb-chart").hidden = !this.marks.length || this.info.count < 2 || this.named; // class numbers are not a quantity
    this.$(".rnb-marks").innerHTML = this.marks.map((mark) => this.markRow(mark)).join("");
    this.$(".rnb-marks").querySelectorAll("button").forEach((button, k) => (button.onclick = () => this.removeMark(this.marks[k])));
    this.listMarks();
    this.drawChart();
  },
  middle({ cell, polygon }) {
    const mean = (k) => polygon.reduce((sum, corner) => sum + corner[k], 0) / polygon.length;
    return polygon ? [mean(0), mean(1)] : [cell[1] + 0.5, cell[0] + 0.5];
  },
  // What the marks are called in tables and code: their names, else longitude and latitude; no two alike.
  placeNames() {
    const taken = new Set();
    return this.marks.map((mark) => {
      const [lon, lat] = this.map.projection.lonlat(...this.middle(mark)).map((degree) => degree.toFixed(4));
      const where = `${lon} ${this.texts.east} ${lat} N`, name = plain(mark.name ?? "") || (mark.polygon ? `${this.texts.area} ${where}` : where);
      let found = name;
      for (let k = 2; taken.has(found); k++) found = `${name} (${k})`;
      taken.add(found);
      return found;
    });
  },
  markRow(mark) {
    const { projection } = this.map, [col, row] = this.middle(mark);
    const place = mark.polygon
      ? `${mark.name || this.texts.area}, ${Math.round(polygonArea(mark.polygon) * projection.area(col, row)).toLocaleString(this.texts.locale)} km²`
      : mark.name ?? projection.lonlat(col, row).map((degree) => this.degrees(degree, 3)).join(this.texts.decimal === "," ? "; " : ", ");
    const hint = mark.polygon ? `${place}: ${this.texts.area_mean}` : place;
    const cells = `<td data-k></td><td data-k${this.named ? " hidden" : ""}></td>${this.info.sums ? "<td data-k></td>" : ""}`;
    return `<tr><td><i style="background:${mark.colour}">${mark.label}</i></td><td title="${escaped(hint)}">${escaped(place)}</td>${cells}<td>${button("remove", "close", `${this.texts.remove} ${mark.label}`)}</td></tr>`;
  },
  // value now, maximum and sum of the span
  listMarks() {
    const rows = this.$(".rnb-marks").rows;
    this.marks.forEach((mark, k) => {
      const cells = rows[k].querySelectorAll("td[data-k]"), { factor } = this.unit;
      rows[k].classList.toggle("rnb-loading", !mark.done);
      let sum = 0, seen = 0, most = NaN;
      for (let i = this.span[0]; i <= this.span[1]; i++) {
        const value = mark.values[i];
        if (Number.isNaN(value)) continue;
        [sum, seen, most] = [sum + value, seen + 1, most > value ? most : value];
      }
      cells[0].textContent = this.valueText(mark.values[this.playhead] * factor);
      cells[1].textContent = this.valueText(most * factor);
      const gaps = this.span[1] - this.span[0] + 1 - seen + this.holes(this.span); // the sum is at least this
      if (!cells[2]) return;
      cells[2].textContent = seen ? `${gaps && mark.done ? "≥ " : ""}${this.number(sum, this.digits(1))}` : "–";
      cells[2].title = gaps && mark.done ? this.texts.holes.replace("{count}", gaps) : "";
    });
  },
  nowInMarks() {
    const rows = this.$(".rnb-marks").rows;
    this.marks.forEach((mark, k) => {
      rows[k].querySelector("td[data-k]").textContent = this.valueText(mark.values[this.playhead] * this.unit.factor);
    });
  },
  marksSoon() {
    this.pendingMarks ??= setTimeout(() => {
      this.pendingMarks = null;
      this.listMarks();
      this.drawChart();
    }, 60);
  },
  degrees(value, digits) {
    return value.toFixed(digits).replace(".", this.texts.decimal);
  },
  drawChart() {
    if (!this.$(".rnb-chart").hidden) this.chart.draw();
  },
  readOut() {
    const line = this.$(".rnb-readout");
    if (!this.pointer || !this.shown || (!this.total && this.shown.index !== this.playhead && !this.playing)) return (line.textContent = "");
    const [col, row] = this.map.place(...this.pointer).map(Math.floor);
    if (!this.map.holds(col, row)) return (line.textContent = "");
    const cell = row * this.map.cols + col, value = valueOf(this.shown.field, cell);
    const [lon, lat] = this.map.projection.lonlat(col + 0.5, row + 0.5);
    const missing = !this.map.covered || this.map.covered[cell] ? this.texts.no_data : this.texts.no_coverage;
    const { factor, name } = this.scale;
    const text = Number.isNaN(value) ? missing : `<b>${escaped(this.named ? this.valueText(value) : this.number(value * factor, this.digits(factor)))}</b> ${escaped(name)}`;
    line.innerHTML = `${text}<span>${this.degrees(lon, 4)}° ${escaped(this.texts.east)}  ${this.degrees(lat, 4)}° N</span>`;
    Object.assign(line.dataset, { value, lon, lat, row, col });
    if (this.info.levels && !Number.isNaN(value)) this.rarity(line, row, col, value);
  },
  // The return period of the amount under a pointer that rests: the kernel knows it.
  rarity(line, row, col, amount) {
    const { total } = this, fields = total?.how === "sum" ? total.span[1] - total.span[0] + 1 : 1;
    const key = [row, col, fields, amount].join();
    if (this.period?.key === key) return (line.innerHTML += `<span class="rnb-period">${escaped(this.period.text)}</span>`);
    clearTimeout(this.pendingPeriod);
    if (!this.playing) this.pendingPeriod = setTimeout(() => this.ask({ type: "period", key, cell: [row, col], amount, fields }), 120);
  },
  takePeriod({ key, years, minutes, bound }) {
    const length = minutes % 60 ? `${minutes} min` : `${minutes / 60} h`;
    const { texts } = this, text = { below: texts.period_below, over: texts.period_over, none: texts.period_none }[bound] ?? texts.period;
    this.period = { key, text: text.replace("{years}", this.number(years ?? NaN, years < 10 ? 1 : 0)).replace("{length}", length) };
    this.readOut();
  },
};
