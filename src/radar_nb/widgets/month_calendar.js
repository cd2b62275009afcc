// The month picker's calendar: years across, months down, one table, one tab stop; above it the range of months or
// of days that it selects, as fields and as a slider with two handles.
// A cell is identified by the number of its month, counted from January of the first year; a day by its number since
// 1 January 1970.

const STATES = {
  "-": "unpublished", ".": "server", b: "begun", d: "downloaded", x: "extracted", c: "cube", "!": "broken", "?": "absent",
};
const SEASONS = [["DJF", 0, 2, 0], ["MAM", 2, 3, 1], ["JJA", 5, 3, 2], ["SON", 8, 3, 3], ["DJF", 11, 1, 0]];
const PUSH_AFTER = 30; // milliseconds: a drag over twenty cells is one message or two
const A_DAY = 86_400_000; // milliseconds

const dayNumber = (text) => Date.parse(`${text}T00:00Z`) / A_DAY;
const dayText = (number) => new Date(number * A_DAY).toISOString().slice(0, 10);

function element(tag, properties = {}, attributes = {}) {
  const node = Object.assign(document.createElement(tag), properties);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

class Range { // from and to, in whole months or in days; in step with the calendar's selection
  constructor(calendar) {
    this.calendar = calendar;
    const { words } = calendar;
    this.names = [words.from, words.to];
    const modes = element("span", { className: "modes" }, { role: "radiogroup", "aria-label": words.range });
    this.modes = [["whole", words.whole], ["single", words.single]].map(([mode, text]) => {
      const label = element("label");
      const input = element("input", { type: "radio", name: `radar-nb-mode-${calendar.id}`, value: mode });
      input.addEventListener("change", () => this.setMode(mode));
      label.append(input, text);
      modes.append(label);
      return input;
    });
    this.fields = this.names.map((name, end) => this.field(name, end));
    this.handles = this.names.map((name, end) => {
      const handle = element("input", { type: "range", step: 1 }, { "aria-label": name });
      handle.addEventListener("input", () => this.move(end, Number(handle.value)));
      return handle;
    });
    this.fill = element("div", { className: "fill" });
    this.slider = element("div", { className: "slider" });
    this.slider.append(element("div", { className: "track" }), this.fill, ...this.handles);
    this.slider.addEventListener("pointerdown", (event) => this.onTrack(event));
    this.ticks = element("div", { className: "ticks" }, { "aria-hidden": "true" });
    const row = element("div", { className: "fields" });
    row.append(...this.fields.map((field) => field.root), modes);
    this.root = element("div", { className: "range" });
    this.root.append(row, this.slider, this.ticks);
  }

  field(name, end) {
    const { words } = this.calendar;
    const root = element("span", { className: "field" });
    const month = element("select", {}, { "aria-label": `${name}: ${words.month}` });
    const year = element("select", {}, { "aria-label": `${name}: ${words.year_of}` });
    const day = element("input", { type: "date", required: true }, { "aria-label": `${name}: ${words.day}` });
    for (const select of [month, year]) {
      select.addEventListener("change", () => this.onMonth(end));
    }
    day.addEventListener("change", () => this.onDay(end));
    root.append(element("span", { textContent: name }), month, year, day);
    return { root, month, year, day };
  }

  onMonth(end) {
    const { month, year } = this.fields[end];
    const other = this.calendar.ends()?.[end] ?? this.calendar.published()[1];
    const chosen = (select, usual) => (select.value === "" ? usual : Number(select.value));
    this.move(end, chosen(year, Math.floor(other / 12)) * 12 + chosen(month, other % 12));
  }

  onDay(end) {
    const { day } = this.fields[end];
    if (day.value) this.move(end, dayNumber(day.value));
    else this.show(); // cleared
  }

  onTrack(event) { // a press beside the handles moves the nearer one there
    if (this.handles.includes(event.target) || event.button !== 0) return;
    const box = this.slider.getBoundingClientRect();
    const share = (event.clientX - box.left - 8) / Math.max(box.width - 16, 1);
    const [from, to] = this.bounds();
    const value = Math.round(from + share * (to - from));
    const away = this.handles.map((handle) => Math.abs(Number(handle.value) - value));
    const end = away[0] < away[1] || (away[0] === away[1] && value < Number(this.handles[0].value)) ? 0 : 1;
    this.move(end, value);
    this.handles[end].focus({ preventScroll: true });
  }

  setMode(mode) {
    const { calendar } = this;
    if (mode === "whole") {
      calendar.choose(calendar.selected, null);
      return;
    }
    const ends = calendar.ends() ?? [calendar.published()[1], calendar.published()[1]];
    calendar.frame = ends;
    calendar.chooseDays(calendar.daysOf(ends));
  }

  bounds() { // of the slider: all months published, or the days of the months that the calendar selects
    const { calendar } = this;
    return calendar.days ? calendar.daysOf(calendar.frame) : calendar.published();
  }

  values() {
    return this.calendar.days ?? this.calendar.ends();
  }

  move(end, value) { // the other end follows where the order would reverse
    const { calendar } = this;
    const limits = calendar.days ? calendar.daysOf(calendar.published()) : calendar.published();
    const ends = [...(this.values() ?? [value, value])];
    ends[end] = Math.min(Math.max(value, limits[0]), limits[1]);
    if (ends[0] > ends[1]) ends[1 - end] = ends[end];
    if (calendar.days) calendar.chooseDays(ends);
    else calendar.choose(Array.from({ length: ends[1] - ends[0] + 1 }, (_, step) => ends[0] + step), null);
  }

  text(value) {
    return this.calendar.days ? this.calendar.dayName(value) : this.calendar.name(value);
  }

  show() {
    const { calendar } = this;
    const { words } = calendar;
    const [from, to] = this.bounds();
    const ends = this.values();
    const single = Boolean(calendar.days);
    this.root.classList.toggle("single", single);
    this.modes[single ? 1 : 0].checked = true;
    const place = (value) => `calc(8px + (100% - 16px) * ${(value - from) / Math.max(to - from, 1)})`;
    const [first, last] = calendar.published();
    this.fields.forEach(({ month, year, day }, end) => {
      const names = words.months.split(" ").map((name, number) => [name, number]);
      const years = [];
      for (let number = Math.floor(first / 12); number <= Math.floor(last / 12); number++) {
        years.push([calendar.first + number, number]);
      }
      this.options(month, names, ends && !single ? ends[end] % 12 : "");
      this.options(year, years, ends && !single ? Math.floor(ends[end] / 12) : "");
      const days = calendar.daysOf([first, last]);
      Object.assign(day, { min: dayText(days[0]), max: dayText(days[1]), value: single ? dayText(ends[end]) : "" });
      const handle = this.handles[end];
      Object.assign(handle, { min: from, max: to, disabled: !ends });
      handle.value = ends ? ends[end] : [from, to][end];
      handle.setAttribute("aria-valuetext", ends ? this.text(ends[end]) : "");
    });
    // at one place the handle that can still move lies on top
    this.handles[0].style.zIndex = ends && ends[0] > (from + to) / 2 ? 3 : 1;
    this.fill.hidden = !ends;
    if (ends) Object.assign(this.fill.style, { left: place(ends[0]), right: `calc(100% - ${place(ends[1])})` });
    this.ticks.replaceChildren(...this.marks(from, to).map(([value, text]) => {
      const mark = element("span", { textContent: text });
      mark.style.left = place(value);
      return mark;
    }));
  }

  options(select, pairs, value) {
    const known = [["", ""], ...pairs];
    if (select.options.length !== known.length || select.options[1].text !== String(known[1][0])) {
      select.replaceChildren(...known.map(([text, number]) => element("option", { textContent: text, value: number })));
      select.options[0].hidden = true;
    }
    select.value = value;
  }

  marks(from, to) { // few enough labels to stand side by side
    const marks = [];
    if (this.calendar.days) {
      const step = Math.max(1, Math.ceil((to - from) / 6));
      for (let value = from; value <= to - step / 2 || value === from; value += step) {
        marks.push([value, this.calendar.dayName(value, true)]);
      }
      if (to > from) marks.push([to, this.calendar.dayName(to, true)]);
      return marks;
    }
    const first = this.calendar.first;
    const step = to - from > 120 ? 5 : 1;
    for (let value = Math.ceil(from / 12) * 12; value <= to; value += 12) {
      if ((first + value / 12) % step === 0 || value === from) marks.push([value, first + value / 12]);
    }
    return marks;
  }
}

class Calendar {
  constructor(model, el) {
    this.model = model;
    this.words = model.get("words");
    this.selected = new Set();
    this.days = null; // the first and the last day, if the range is of days
    this.frame = null; // the first and the last month whose days the slider shows
    this.anchor = null; // the cell where a span begins, and how the span changes the selection
    this.drag = null; // the cell that the pointer was over last
    this.focus = null;
    this.timer = null;
    this.id = Math.random().toString(36).slice(2); // each calendar of a page may have its own copy of this script
    el.classList.add("radar-nb-calendar");
    el.tabIndex = -1;
    // JupyterLab ignores keys on elements with this attribute; a click on a text would focus the notebook cell
    el.addEventListener("focusin", (event) => { event.target.dataset.lmSuppressShortcuts = "true"; });
    el.addEventListener("click", () => el.contains(document.activeElement) || el.focus({ preventScroll: true }));
    const frame = element("div", { className: "frame" });
    this.said = element("div", { className: "said" }, { role: "status", "aria-live": "polite" });
    this.legend = element("div", { className: "legend" });
    const keys = element("div", { className: "said", id: `radar-nb-keys-${this.id}`, textContent: this.words.keys });
    this.table = element("table", {}, {
      role: "grid", "aria-label": this.words.label, "aria-multiselectable": "true", "aria-describedby": keys.id,
    });
    frame.append(this.table);
    this.range = new Range(this);
    const hint = element("div", { className: "hint", textContent: this.words.hint, title: this.words.keys });
    el.append(this.range.root, frame, this.legend, hint, keys, this.said);
    this.table.addEventListener("pointerdown", (event) => this.onDown(event));
    this.table.addEventListener("click", (event) => this.onClick(event));
    this.table.addEventListener("keydown", (event) => this.onKey(event));
    const move = (event) => this.onMove(event);
    const up = () => { this.drag = null; };
    window.addEventListener("pointermove", move);
    window.addEventListener("pointerup", up);
    window.addEventListener("pointercancel", up);
    const redraw = () => { this.build(); this.take(); };
    const repaint = () => this.paint();
    const take = () => this.take();
    const speak = () => { this.said.textContent = model.get("said"); };
    const listened = [["change:first_year", redraw], ["change:states", repaint], ["change:value", take], ["change:days", take], ["change:said", speak]];
    for (const [what, call] of listened) model.on(what, call);
    redraw();
    speak();
    requestAnimationFrame(() => { // on a narrow page: the selected months, not the first years
      frame.scrollLeft = this.focus.offsetLeft + this.focus.offsetWidth - frame.clientWidth / 2;
    });
    el.dataset.ready = "1";
    this.close = () => {
      for (const [what, call] of listened) model.off(what, call);
      window.removeEventListener("pointermove", move);
      window.removeEventListener("pointerup", up);
      window.removeEventListener("pointercancel", up);
      clearTimeout(this.timer);
    };
  }

  // --- content --------------------------------------------------------------------------------------------

  build() {
    const { words, table } = this;
    this.first = this.model.get("first_year");
    this.count = this.model.get("states").length;
    this.years = this.count / 12;
    this.months = words.months.split(" ");
    this.cells = [];
    this.grid = new Map(); // "row,column" of everything that can have the focus
    const place = (cell, row, column) => {
      cell.tabIndex = -1;
      Object.assign(cell.dataset, { row, column });
      this.grid.set(`${row},${column}`, cell);
      return cell;
    };
    const heading = (scope, text, label, title) => element("th", { scope, textContent: text, title }, { "aria-label": label });
    const head = element("tr");
    const clear = heading("col", words.clear, words.empty, words.empty);
    clear.colSpan = 2;
    clear.className = "clear";
    head.append(place(clear, -1, -1));
    for (let year = 0; year < this.years; year++) {
      const text = words.year.replace("{name}", this.first + year);
      head.append(place(heading("col", this.first + year, text, text), -1, year));
    }
    const body = element("tbody");
    const short = words.short.split(" ");
    const seasons = words.seasons.split(" ");
    for (let month = 0; month < 12; month++) {
      const row = element("tr");
      for (const [text, start, length, name] of SEASONS) {
        if (start !== month) continue;
        const title = words.every.replaceAll("{name}", seasons[name]);
        const season = heading("rowgroup", text, title, title);
        season.rowSpan = length;
        season.className = "season";
        row.append(place(season, start, -2));
        for (let next = start; next < start + length; next++) this.grid.set(`${next},-2`, season);
      }
      const title = words.every.replaceAll("{name}", this.months[month]);
      row.append(place(heading("row", short[month], title, title), month, -1));
      for (let year = 0; year < this.years; year++) {
        const cell = place(element("td", {}, { role: "gridcell" }), month, year);
        this.cells[year * 12 + month] = cell;
        row.append(cell);
      }
      body.append(row);
    }
    const top = element("thead");
    top.append(head);
    table.replaceChildren(top, body);
    this.focus = this.anchor = null;
  }

  name(index) {
    return `${this.months[index % 12]} ${this.first + Math.floor(index / 12)}`;
  }

  key(index) {
    return `${this.first + Math.floor(index / 12)}-${String((index % 12) + 1).padStart(2, "0")}`;
  }

  published() { // the first and the last month
    const letters = this.model.get("states");
    const [first, last] = [letters.search(/[^-]/), letters.search(/[^-]-*$/)];
    return first < 0 ? [0, 0] : [first, last];
  }

  ends() { // the first and the last selected month; null if there is none
    return this.selected.size ? [Math.min(...this.selected), Math.max(...this.selected)] : null;
  }

  daysOf([first, last]) { // the first day of a month and the last of another
    return [Date.UTC(this.first, first) / A_DAY, Date.UTC(this.first, last + 1) / A_DAY - 1];
  }

  monthOf(day) {
    const date = new Date(day * A_DAY);
    return (date.getUTCFullYear() - this.first) * 12 + date.getUTCMonth();
  }

  dayName(day, short = false) {
    const date = new Date(day * A_DAY);
    const [number, month] = [date.getUTCDate(), date.getUTCMonth()];
    const name = short ? this.words.short.split(" ")[month] : this.months[month];
    const text = this.words.day_name.replace("{day}", number).replace("{month}", name);
    return short ? text : `${text} ${date.getUTCFullYear()}`;
  }

  state(index) {
    return STATES[this.model.get("states")[index]] ?? "unpublished";
  }

  paint() {
    const { words } = this;
    if (this.model.get("states").length !== this.count) this.build();
    const seen = new Set();
    this.cells.forEach((cell, index) => {
      const state = this.state(index);
      const on = this.selected.has(index);
      seen.add(state);
      cell.className = on ? `${state} on` : state;
      cell.setAttribute("aria-selected", on);
      cell.setAttribute("aria-disabled", state === "unpublished");
      const label = `${this.name(index)}, ${words[state]}`;
      cell.title = label;
      cell.setAttribute("aria-label", on ? `${label}, ${words.selected}` : label);
    });
    const usual = ["server", "downloaded", "extracted", "unpublished"];
    const shown = Object.values(STATES).filter((state) => usual.includes(state) || seen.has(state));
    const named = [...shown.map((state) => [state, words[state]]), ["server on", words.selected]];
    this.legend.replaceChildren(...named.map(([className, text]) => {
      const entry = element("span");
      entry.append(element("i", { className }), text);
      return entry;
    }));
    if (this.focus === null) this.rest();
    this.range.show();
  }

  rest() { // the tab stop: the last selected month, otherwise the last published one
    const months = [...this.cells.keys()];
    const index = Math.max(...this.selected, -1);
    const last = index >= 0 ? index : months.findLast((month) => this.state(month) !== "unpublished") ?? 0;
    this.stop(this.cells[last]);
  }

  stop(cell) {
    if (this.focus) this.focus.tabIndex = -1;
    this.focus = cell;
    cell.tabIndex = 0;
  }

  take() { // adopt the kernel's selection
    if (this.pushing) return;
    const months = this.model.get("value").map((text) => {
      const [year, month] = text.split("-").map(Number);
      return (year - this.first) * 12 + month - 1;
    });
    const days = this.model.get("days").map(dayNumber);
    const same = months.length === this.selected.size && months.every((index) => this.selected.has(index));
    if (!same) this.anchor = null;
    this.days = days.length ? days : null;
    if (!same || !this.frame) this.frame = months.length ? [months[0], months.at(-1)] : null;
    this.selected = new Set(months);
    this.focus = this.table.contains(document.activeElement) ? this.focus : null;
    this.paint();
  }

  // --- selection ------------------------------------------------------------------------------------------

  choose(months, days) { // days: null for whole months; by default all days of the months, if days are chosen
    this.selected = new Set([...months].filter((index) => this.state(index) !== "unpublished"));
    const ends = this.ends();
    this.frame = ends;
    const whole = ends && ends[1] - ends[0] + 1 === this.selected.size;
    this.days = days === undefined && this.days && whole ? this.daysOf(ends) : null;
    this.push();
  }

  chooseDays(days) {
    const ends = days.map((day) => this.monthOf(day));
    this.selected = new Set(Array.from({ length: ends[1] - ends[0] + 1 }, (_, step) => ends[0] + step));
    this.days = days;
    const [first, last] = this.frame ?? ends;
    this.frame = [Math.min(first, ends[0]), Math.max(last, ends[1])]; // the slider keeps its scale while it moves
    this.push();
  }

  push() {
    this.paint();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.pushing = true; // the model reports each change at once: the days after the months are its second
      this.model.set("value", [...this.selected].sort((one, other) => one - other).map((index) => this.key(index)));
      this.model.set("days", (this.days ?? []).map(dayText));
      this.pushing = false;
      this.model.save_changes();
    }, PUSH_AFTER);
  }

  covered(cell) { // first and last month of a cell, a year, a month of all years or a season of all
    const [row, column] = [Number(cell.dataset.row), Number(cell.dataset.column)];
    if (row >= 0 && column >= 0) return [column * 12 + row];
    if (row === -1 && column >= 0) return [...Array(12).keys()].map((month) => column * 12 + month);
    if (row === -1) return [];
    const season = SEASONS.find(([, start]) => start === row && column === -2);
    const wanted = season ? SEASONS.filter(([text]) => text === season[0]) : [["", row, 1]];
    const fits = (index) => wanted.some(([, start, length]) => index % 12 >= start && index % 12 < start + length);
    return [...this.cells.keys()].filter(fits);
  }

  isSpan(cell) { // a month or a year, which can start or end a drag
    return Number(cell.dataset.column) >= 0;
  }

  between(one, other) {
    const ends = [...this.covered(one), ...this.covered(other)];
    const [from, to] = [Math.min(...ends), Math.max(...ends)];
    return [...Array(to - from + 1).keys()].map((step) => from + step);
  }

  begin(cell, mode) { // "only" this cell, "add" it, or "toggle" it
    const months = this.covered(cell);
    const base = mode === "only" ? [] : [...this.selected];
    const published = months.filter((index) => this.state(index) !== "unpublished");
    const off = mode === "toggle" && published.every((index) => this.selected.has(index));
    const apply = (span) => (off ? base.filter((index) => !span.includes(index)) : [...base, ...span]);
    this.anchor = { cell, apply };
    this.choose(apply(months));
  }

  reach(cell) { // select from the anchor to here; a shorter reach undoes a longer one
    this.choose(this.anchor.apply(this.between(this.anchor.cell, cell)));
  }

  pick(cell, { add = false, extend = false }) {
    if (extend && this.anchor && this.isSpan(cell)) {
      this.reach(cell);
    } else if (extend && !this.isSpan(cell)) { // a month or season of all years: keep only that of the selection
      this.choose(this.covered(cell).filter((index) => this.selected.has(index)));
    } else {
      this.begin(cell, add ? "toggle" : "only");
    }
    if (!this.isSpan(cell)) this.anchor = null;
  }

  // --- pointer and keys -----------------------------------------------------------------------------------

  onDown(event) {
    const cell = event.target.closest("td, th");
    this.touched = event.pointerType === "touch"; // a finger may scroll: a tap selects at the click
    if (!cell || event.button !== 0 || this.touched) return;
    event.preventDefault();
    this.stop(cell);
    cell.focus({ preventScroll: true });
    if (!this.isSpan(cell) || cell.className.startsWith("unpublished")) return;
    this.pick(cell, { add: event.ctrlKey || event.metaKey, extend: event.shiftKey });
    this.drag = cell;
  }

  onMove(event) {
    if (!this.drag) return;
    const cell = document.elementFromPoint(event.clientX, event.clientY)?.closest("td, th");
    if (!cell || cell === this.drag || !this.table.contains(cell) || !this.isSpan(cell) || !this.anchor) return;
    this.drag = cell;
    this.reach(cell);
  }

  onClick(event) { // also a screen reader's click, without a pointer event before it
    const cell = event.target.closest("td, th");
    if (!cell || (this.isSpan(cell) && event.detail > 0 && !this.touched)) return;
    this.stop(cell);
    this.pick(cell, { add: this.touched || event.ctrlKey || event.metaKey, extend: event.shiftKey });
  }

  onKey(event) {
    const cell = this.focus;
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    if (step) this.go(cell, step, event.shiftKey);
    else if (event.key === "Home" || event.key === "End") this.jump(cell, event.key === "End", event.ctrlKey);
    else if (event.key === " ") this.pick(cell, { add: true, extend: event.shiftKey });
    else if (event.key === "Enter") this.pick(cell, { extend: event.shiftKey });
    else if (event.key === "Escape") { this.anchor = null; this.choose([]); }
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  go(cell, [down, right], extend) {
    const column = Number(cell.dataset.column) + right;
    let row = Number(cell.dataset.row) + down;
    const long = cell.rowSpan > 1 && down > 0; // leave a season at its end
    if (long) row = Number(cell.dataset.row) + cell.rowSpan;
    const next = this.grid.get(`${row},${row === -1 ? Math.max(column, -1) : column}`);
    if (!next) return;
    if (extend && this.isSpan(cell) && this.isSpan(next)) {
      if (!this.anchor) this.begin(cell, "add");
      this.reach(next);
    } else {
      this.anchor = null;
    }
    this.stop(next);
    next.focus();
  }

  jump(cell, end, all) { // to January or December of the year; with Ctrl to the first or last month published
    const months = [...this.cells.keys()].filter((index) => this.state(index) !== "unpublished");
    const year = Math.max(Number(cell.dataset.column), 0);
    const next = all ? this.cells[end ? months.at(-1) : months[0]] : this.cells[year * 12 + (end ? 11 : 0)];
    this.anchor = null;
    this.stop(next);
    next.focus();
  }
}

function render({ model, el }) {
  const calendar = new Calendar(model, el);
  return () => calendar.close();
}

export default { render };
