// The explorer: its view, its playhead, and the requests to the kernel. Other files extend the Player.
import { FrameCache, inflate, unpack } from "./cache.js";
import { Chart } from "./chart.js";
import { comparing } from "./compare.js";
import { controls } from "./controls.js";
import { exporting } from "./export.js";
import { Gauges } from "./gauges.js";
import { digitsOf, escaped, number, timeText } from "./format.js";
import { GROUNDS, icon, layout, legendRow } from "./layout.js";
import { css, RadarMap, rampColour } from "./map.js";
import { places } from "./places.js";
import { Present } from "./present.js";
import { timeline } from "./timeline.js";
import { totals } from "./totals.js";
import { Zone } from "./zones.js";

const SILENCE = 5000; // ms without an answer after which the kernel counts as gone or busy
const REST = 1000; // ms at the last field, before it begins again or turns back
const AHEAD = 8; // fields that are inflated before they are due

export class Player {
  constructor(model, root, texts) {
    Object.assign(this, { model, root, texts });
    this.view = Math.random().toString(36).slice(2); // the kernel sends to each view of a model
    this.playhead = 0;
    this.shown = null; // what is on the map: {index, field}, of a total {field}
    this.total = null;
    this.settled = null; // the timer that publishes the playhead
    this.lastHours = 0; // of the sum that ends at the playhead; 0: fields are shown
    this.loop = "repeat";
    this.way = 1; // back and forth: 1 or -1
    this.marks = [];
    this.noAnswer = false; // last known state of the kernel
    this.files = {}; // received pieces of files
    this.playing = false;
    this.pointer = null;
    this.shownCount = 0;
    this.ended = new AbortController();
    this.onMessage = (message, buffers) => this.receive(message, buffers ?? []);
    model.on("msg:custom", this.onMessage);
    this.say(texts.opening);
    this.ask({ type: "hello" });
  }
  close() {
    if (this.held) this.endCompare();
    this.ask({ type: "bye" });
    this.ended.abort();
    this.model.off("msg:custom", this.onMessage);
    cancelAnimationFrame(this.animation);
    for (const timer of [this.silence, this.settled, this.pendingTimeline, this.pendingMarks, this.pendingPeriod]) clearTimeout(timer);
    this.playing = false;
    this.cache = null;
  }
  get closed() {
    return this.ended.signal.aborted;
  }
  $(selector) {
    return this.root.querySelector(selector);
  }
  $$(selector) {
    return this.root.querySelectorAll(selector);
  }
  // ---- messages to and from the kernel
  ask(question) {
    clearTimeout(this.silence);
    const silent = () => {
      this.noAnswer = true; // publishing would print an error in the console
      if (!this.closed) this.say(this.info ? this.texts.silent : this.texts.no_kernel, "warn");
    };
    this.silence = setTimeout(silent, SILENCE);
    this.reach(() => this.model.send({ ...question, view: this.view }), silent);
  }
  // Sending to a kernel that is gone throws, at once or later.
  async reach(act, failed = () => {}) {
    try {
      await act();
    } catch {
      failed();
    }
  }
  publish(name, value) {
    if (this.noAnswer) return;
    this.reach(() => {
      this.model.set(name, value);
      return this.model.save_changes();
    });
  }
  receive(message, buffers) {
    clearTimeout(this.silence);
    this.noAnswer = false;
    this.heard = Date.now();
    if (message.view !== undefined && message.view !== this.view) return; // the request of another view
    if (message.type === "info") return message.problem ? this.refuse(message.problem) : this.open(message.info);
    if (!this.info || (message.edition ?? 0) !== (this.info.edition ?? 0)) return; // fields of other data that were shown before
    const views = buffers.map((part) => new Uint8Array(part.buffer ?? part, part.byteOffset ?? 0, part.byteLength));
    const handlers = {
      frames: () => this.takeFrames(message.frames, views), coverage: () => this.takeCoverage(views[0], message.plain),
      series: () => this.takeSeries(message), total: () => this.takeTotal(message, views[0]),
      rain: () => this.takeRain(message.index), town: () => this.takeTown(message), areas: () => this.takeAreas(message), period: () => this.takePeriod(message), problem: () => this.takeProblem(message),
      progress: () => this.say(`${this.texts[message.id]}: ${message.done} / ${message.count}`, "busy", message.id),
      part: () => (this.files[message.id] ??= []).push(views[0]), file: () => this.takeFile(message),
    };
    handlers[message.type]?.();
  }
  // Show one line on the map: a message, the progress of a job, or an error.
  say(text, kind = "", job = null) {
    const line = this.$(".rnb-status") ?? this.root;
    line.innerHTML = text && `<span class="rnb-word ${kind}">${escaped(text)}</span>`;
    if (!job) return;
    line.innerHTML += `<button type="button" class="rnb-stop">${escaped(this.texts.cancel)}</button>`;
    line.querySelector("button").onclick = () => this.stop(job);
  }
  stop(job) {
    this.ask({ type: "stop", id: job });
    clearTimeout(this.silence); // there will be no answer
    delete this.files[job];
    if (job === "total") this.endLast();
    this.say(this.texts.cancelled);
  }
  takeProblem({ id, text }) {
    delete this.files[id];
    if (id === "total") this.endLast();
    this.say(text, "warn");
  }
  refuse(text) {
    this.root.innerHTML = `<p class="rnb-refused" role="alert">${escaped(text)}</p>`;
  }
  // ---- the info arrives
  open(info) {
    if (this.info) return (info.edition ?? 0) === (this.info.edition ?? 0) ? undefined : this.renew(info);
    if (typeof DecompressionStream === "undefined") return this.refuse(this.texts.old_browser);
    this.info = info;
    this.unit = info.units[0];
    this.palette = Object.keys(info.palettes)[0];
    this.span = [0, info.count - 1];
    this.kind = info.sums && info.times ? "both" : "rain";
    this.root.innerHTML = layout(info, this.texts);
    this.stage = this.$(".rnb-stage");
    this.map = new RadarMap(this.stage, info, this.texts);
    this.chart = new Chart(this.$(".rnb-chart"), this);
    this.setZone(info.timezone ?? "UTC");
    this.cache = new FrameCache((question) => this.ask(question), info.count, info.shape[0] * info.shape[1], info.batch);
    this.wire();
    this.classes();
    if (info.gauges) {
      const gauges = new Gauges(info.gauges);
      this.map.drawGauges = (context, unit) => gauges.draw(this.map, context, unit, this.gaugeLook(gauges));
    }
    const index = Math.min(info.count - 1, Math.max(0, this.model.get("index") ?? 0));
    this.setSpan(...(this.model.get("span") ?? this.span));
    this.seek(index, false);
    this.restore(info.state ?? { ...this.model.get("view_state"), index });
    if (info.present || info.heartbeat) this.present = new Present(this);
    if (info.autoplay) this.play(true);
  }
  // Show other data in the place of those shown: the view, its places, its field and whether it plays stay. The
  // picture stays until the first field of the new data is drawn, so that nothing flashes.
  renew(info) {
    const state = { ...this.state(), index: this.playhead }, { playing, map } = this, speed = this.$(".rnb-speed").value;
    this.play(false);
    this.ended.abort();
    clearTimeout(this.settled);
    Object.assign(this, { ended: new AbortController(), info: null, total: null, shown: null, marks: [], cache: null, held: null, lastHours: 0, lastAsked: false });
    this.open({ ...info, state, autoplay: false });
    this.map.continue(map);
    this.$(".rnb-speed").value = speed;
    if (playing) this.play(true);
  }
  // Show times in a zone.
  setZone(name) {
    this.zone = new Zone(name, this.texts.locale);
    this.beside = new Zone(name === "UTC" ? this.info.timezone ?? "Europe/Berlin" : "UTC", this.texts.locale);
    this.clock = this.info.times && this.info.times.map((time) => this.zone.local(time));
    if (!this.cache) return;
    this.setSpanText();
    this.show();
    if (this.total) this.titleOfTotal();
    this.drawTimeline();
    this.drawChart();
  }
  // The unit and class limits of the map: a maximum has those of the fields, a sum is in mm.
  get scale() {
    const { total, unit } = this;
    if (!total) return { ...unit, owner: unit };
    if (total.how === "sum") return { name: "mm", factor: 1, limits: total.limits, chosen: total.chosen, owner: total };
    const own = unit === this.info.units[0];
    return { ...unit, limits: own ? total.limits : unit.limits, owner: unit };
  }
  number(value, digits) {
    return number(value, this.texts.decimal, digits);
  }
  // Decimals of values times a factor: equal in read-out, table and chart.
  digits(factor = this.unit.factor) {
    const { resolution, amounts } = this.info;
    return Math.max(amounts ? 2 : 0, digitsOf(resolution * factor));
  }
  // Whether the fields hold numbers of classes, which have names.
  get named() {
    return Boolean(this.info.units[0].names);
  }
  valueText(value) {
    return this.named && Number.isFinite(value) ? this.info.units[0].names[value] : this.number(value, this.digits());
  }
  limitText(limit) {
    return this.named ? this.valueText(limit) : this.number(limit);
  }
  classes() {
    const { scale } = this, ramp = this.info.palettes[this.palette];
    this.limits = scale.chosen ?? scale.limits;
    const share = (k) => (this.limits.length > 1 ? k / (this.limits.length - 1) : 0);
    this.colours = this.limits.map((_, k) => rampColour(scale.colours ?? ramp, share(k)));
    this.$(".rnb-classes").innerHTML = this.limits.map((limit, k) => legendRow(css(this.colours[k]), this.limitText(limit))).reverse().join("");
    this.$(".rnb-classes").classList.toggle("rnb-named", this.named);
    this.$(".rnb-classes").classList.toggle("rnb-many", this.limits.length > 10);
    this.$(".rnb-unitname").textContent = scale.name;
    this.$$(".rnb-ground i").forEach((node, k) => (node.style.background = css(this.map.tones[GROUNDS[k][0]])));
    this.$("h2").textContent = this.total?.how === "sum" ? this.info.sum_title : this.info.title;
    this.$(".rnb-seriesunit").textContent = this.unit.name;
    this.$(".rnb-limits").value = this.limits.map((limit) => this.number(limit)).join(this.texts.decimal === "," ? "; " : ", ");
    this.repaint();
  }
  // What the gauges show: amounts of the field, or of the span of a sum; a maximum has none to compare with.
  gaugeLook(gauges) {
    const { total, scale, info } = this, { factor } = scale, missing = css(this.map.tones.gap);
    const span = total ? total.span : [this.playhead, this.playhead];
    const values = total?.how === "max" ? gauges.places.map(() => null) : gauges.values(info.times ?? [], span);
    const colourOf = (value) => {
      if (value === null) return missing;
      const k = this.limits.findLastIndex((limit) => value * factor >= limit);
      return css(k < 0 ? this.map.tones.dry : this.colours[k]);
    };
    return { values, colourOf, textOf: (value) => this.number(value * factor, this.digits(factor)) };
  }
  repaint() {
    if (!this.shown) return;
    const { factor } = this.scale, { field } = this.shown;
    this.map.paint(field, this.limits.map((limit) => limit / factor), this.colours);
    if (this.map.drawGauges && this.map.layers.gauges) this.map.drawOver();
    // values below the first class are dry only if no smaller value can be distinguished
    this.$(".rnb-ground li").hidden = this.named;
    const least = this.info.amounts && this.limits[0] / factor <= 1.001 * field.scale && !field.offset;
    const below = least ? this.texts.dry : `< ${this.number(this.limits[0])}`, label = this.$(".rnb-ground span");
    if (label.textContent !== below) label.textContent = below;
    this.readOut();
  }
  redraw() {
    this.map.resize();
    this.drawChart();
    this.drawTimeline();
  }
  // ---- fields
  takeFrames(frames, views) {
    let k = 0;
    for (const frame of frames) {
      this.cache.take(frame, frame.problem ? null : views[k++], this.playhead);
      if (frame.index === this.playhead && this.shown?.index !== frame.index) this.show();
    }
    this.cache.wish(this.playhead, this.span);
    this.timelineSoon();
  }
  async takeCoverage(bytes, plain) {
    const covered = plain ? bytes : new Uint8Array(await inflate(bytes));
    if (this.closed) return;
    this.map.covered = covered;
    if (!this.playing) this.repaint();
  }
  // Go to a field. The kernel hears of it when the user rests.
  seek(index, publish = true) {
    const last = this.lastHours && !this.playing;
    if (!last) this.leaveTotal();
    this.playhead = Math.min(this.info.count - 1, Math.max(0, index));
    clearTimeout(this.settled);
    this.settled = null;
    if (publish && !this.playing) this.settled = setTimeout(() => this.settle(), 150);
    this.show();
    if (last) return this.askLast(this.lastHours);
    this.cache.wish(this.playhead, this.span);
  }
  settle() {
    this.settled = null;
    this.publish("index", this.playhead);
  }
  // Follow the kernel, but not while the user moves: in a host that echoes, it may be an earlier step.
  follow(index) {
    if (this.settled === null && index !== this.playhead) this.seek(index, false);
  }
  async show() {
    const index = this.playhead, slider = this.$(".rnb-slider");
    slider.value = index;
    if (!this.total) this.$(".rnb-time").innerHTML = this.timeHtml(index);
    this.placeHead();
    if (this.marks.length) this.nowInMarks();
    if (!this.playing) {
      slider.setAttribute("aria-valuetext", this.timeText(index));
      this.stage.setAttribute("aria-label", `${this.info.title}, ${this.timeText(index)}`);
    }
    if (this.total) return;
    this.$(".rnb-waiting").hidden = this.cache.known(index);
    if (this.cache.broken.has(index)) return this.showBroken(index);
    const { cache } = this, field = await cache.field(index).catch((error) => this.say(String(error), "warn"));
    if (!field || this.closed || cache !== this.cache || index !== this.playhead || this.total) return;
    this.shown = { index, field };
    this.repaint();
    this.shownCount += 1;
    this.stage.dataset.index = index;
    this.followers();
    this.lead();
    this.stage.dataset.frames = this.shownCount;
    const word = this.$(".rnb-word");
    if (!field.cells) this.say(this.texts.nothing, "void");
    else if (word?.matches(".void") || (!this.playing && word?.matches(".warn"))) this.say("");
  }
  showBroken(index) {
    this.shown = null;
    this.map.blank();
    this.readOut();
    this.stage.dataset.broken = index;
    this.say(this.cache.broken.get(index), "warn");
  }
  timeText(index) {
    const { times, minutes } = this.info;
    if (!times) return this.info.count > 1 ? `${index + 1} / ${this.info.count}` : "";
    return `${timeText(this.clock[index])} ${this.zone.word(times[index])}${minutes ? `, ${minutes} min` : ""}`;
  }
  // The time in the chosen zone, the lead time of a forecast, and the time of day in the other zone.
  timeHtml(index) {
    const { times, boundary = index } = this.info;
    if (!times) return escaped(this.timeText(index));
    const text = timeText(this.clock[index]), ahead = (times[index] - times[boundary]) / 60e3;
    const lead = ahead > 0 ? ` <span class="rnb-lead" title="${escaped(this.texts.lead)}">+${ahead} min</span>` : "";
    const other = timeText(this.beside.local(times[index])), day = other.slice(0, 10) === text.slice(0, 10) ? other.slice(11) : other.slice(5);
    return `<span class="rnb-date">${text.slice(0, 10)}</span> <b>${text.slice(11)}</b> <span class="rnb-zone">${escaped(this.zone.word(times[index]))}</span>${lead} <span class="rnb-beside">${day} ${escaped(this.beside.word(times[index]))}</span>`;
  }
  // ---- playing: the browser's clock determines which field is due
  play(on = !this.playing) {
    if (this.info.count < 2) return;
    this.playing = on;
    const button = this.$(".rnb-play"), label = on ? this.texts.pause : this.texts.play;
    button.innerHTML = icon(on ? "pause" : "play");
    button.setAttribute("aria-label", label);
    button.title = `${label} (${this.texts.key_space})`;
    cancelAnimationFrame(this.animation);
    if (!on) return this.seek(this.playhead);
    this.leaveTotal();
    [this.last, this.due, this.way] = [0, 0, 1];
    this.animation = requestAnimationFrame((now) => this.tick(now));
  }
  tick(now) {
    if (!this.playing) return;
    this.animation = requestAnimationFrame((next) => this.tick(next));
    const atEnd = this.following(this.playhead) !== this.playhead + this.way;
    const step = 1000 / Number(this.$(".rnb-speed").value) + (atEnd ? REST : 0);
    this.due += this.last ? now - this.last : step;
    this.last = now;
    if (this.due < step - 2) return;
    if (this.loop === "once" && this.playhead >= this.span[1]) return this.play(false);
    const next = this.following(this.playhead);
    for (let k = 0, ahead = next; k < AHEAD; k++, ahead = this.following(ahead)) this.cache.field(ahead).catch(() => {});
    const behind = this.shown?.index !== this.playhead && !this.cache.broken.has(this.playhead);
    if (behind || !this.cache.known(next)) {
      this.due = step; // show it as soon as it arrives
      return this.cache.wish(behind ? this.playhead : next, this.span);
    }
    this.due = Math.min(this.due - step, step);
    if (this.loop === "pingpong") this.way = next < this.playhead ? -1 : 1;
    this.seek(next);
  }
  following(index) {
    const [first, last] = this.span;
    if (index < first || index > last) return first;
    if (this.loop !== "pingpong") return index === last ? first : index + 1;
    const way = index >= last ? -1 : index <= first ? 1 : this.way;
    return Math.min(last, Math.max(first, index + way));
  }
  nextRain() {
    const series = this.marks.filter((mark) => mark.done && mark.cells).map((mark) => mark.values);
    if (!series.length) {
      this.say(this.texts.rain, "busy", "rain");
      return this.ask({ type: "rain", start: this.playhead, span: this.span });
    }
    const wet = (index) => series.some((values) => values[index] > 0);
    for (let i = this.playhead + 1; i <= this.span[1]; i++) if (wet(i) && !wet(i - 1)) return this.seek(i);
    this.say(this.texts.no_rain);
  }
  takeRain(index) {
    this.say(index === null ? this.texts.no_rain : "");
    if (index !== null) this.seek(index);
  }
}

Object.assign(Player.prototype, comparing, controls, places, timeline, totals, exporting);
