// Series beside the map: rain, its running sum, or moving sums of several places, with zoom and read-out.
import { escaped } from "./format.js";
import { MINUTE, niceStep, stepDigits, ticks } from "./ticks.js";

const EDGES = { left: 44, right: 46, top: 18, bottom: 20 };

// The sum from the first field on; missing fields add nothing.
export function runningSum(values, [first, last]) {
  const sums = new Float64Array(values.length).fill(NaN);
  let sum = 0, seen = false;
  for (let i = first; i <= last; i++) {
    if (!Number.isNaN(values[i])) [sum, seen] = [sum + values[i], true];
    if (seen) sums[i] = sum;
  }
  return sums;
}

// The sum of the fields of some hours that end at each field; missing if one of them is missing.
export function movingSum(values, times, minutes, hours) {
  const length = Math.round((60 * hours) / minutes), sums = new Float64Array(values.length).fill(NaN);
  let sum = 0, gaps = 0;
  for (let i = 0; i < values.length; i++) {
    if (Number.isNaN(values[i])) gaps += 1;
    else sum += values[i];
    const out = i - length;
    if (out >= 0) {
      if (Number.isNaN(values[out])) gaps -= 1;
      else sum -= values[out];
    }
    if (i >= length - 1 && !gaps && times[i] - times[i - length + 1] < (length - 0.5) * minutes * MINUTE) sums[i] = Math.max(0, sum);
  }
  return sums;
}

export class Chart {
  constructor(box, player) {
    Object.assign(this, { box, player, canvas: box.querySelector("canvas"), head: box.querySelector(".rnb-rule"), now: box.querySelector(".rnb-chartnow") });
    this.window = null; // the first and last field that are zoomed to
    this.pointed = null;
  }
  get span() {
    const { span } = this.player;
    if (!this.window) return span;
    const [first, last] = [Math.max(span[0], this.window[0]), Math.min(span[1], this.window[1])];
    return last > first ? [first, last] : span;
  }
  // What is drawn: {values, factor, sums} of a mark, on the left axis or, beside rain, on the right.
  traces(mark) {
    const { info, kind, span, unit } = this.player, rain = { values: mark.values, factor: unit.factor };
    if (!info.sums || kind === "rain") return [rain];
    const sums = { values: runningSum(mark.values, span), factor: 1, sums: true };
    if (kind === "both") return [rain, sums];
    return kind === "sum" ? [sums] : [{ values: movingSum(mark.values, info.times, info.minutes, Number(kind)), factor: 1, sums: true }];
  }
  draw() {
    const { canvas, player, span } = this, box = canvas.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
    if (!box.width) return; // hidden: the picture stays
    [canvas.width, canvas.height] = [Math.round(box.width * ratio), Math.round(box.height * ratio)];
    const context = canvas.getContext("2d"), style = getComputedStyle(canvas), quiet = style.getPropertyValue("--rnb-quiet");
    const both = player.kind === "both" && player.info.sums, right = both ? EDGES.right : 12;
    const width = box.width - EDGES.left - right, height = box.height - EDGES.top - EDGES.bottom;
    if (width <= 0 || height <= 0) return;
    const count = span[1] - span[0] + 1, x = (index) => EDGES.left + ((index - span[0]) / count) * width;
    this.axis = { count, first: span[0], width };
    this.drawn = player.marks.map((mark) => ({ mark, traces: this.traces(mark) }));
    context.scale(ratio, ratio);
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    const all = this.drawn.flatMap(({ traces }) => traces), edge = EDGES.left + width;
    const main = this.axisOf(all.filter(({ sums }) => !both || !sums), height), second = both && this.axisOf(all.filter(({ sums }) => sums), height);
    this.drawAxis(context, main, { at: EDGES.left - 5, align: "right", quiet, rule: style.getPropertyValue("--rnb-rule"), edge });
    if (second) this.drawAxis(context, second, { at: edge + 5, align: "left", quiet });
    const mm = player.texts.running_mm, names = { rain: player.unit.name, both: player.unit.name, sum: mm };
    context.textAlign = "left";
    context.fillText(player.info.sums ? names[player.kind] ?? player.texts.moving_mm.replace("{hours}", player.kind) : player.unit.name, 0, 6);
    context.textAlign = "right";
    if (second) context.fillText(mm, box.width, 6);
    this.timeAxis(context, span, { x, bottom: EDGES.top + height, right: edge, quiet });
    for (const { mark, traces } of this.drawn) {
      for (const { values, factor, sums } of traces) {
        const { y } = sums && second ? second : main;
        context.beginPath();
        this.trace(context, values, span, x, (value) => y(value * factor));
        context.strokeStyle = mark.colour;
        context.lineWidth = sums ? 2 : 1.5;
        context.lineJoin = "round";
        context.setLineDash(sums && second ? [5, 3] : []);
        context.stroke();
        context.setLineDash([]);
        if (sums || this.drawn.length > 1) continue;
        this.fill(context, values, span, x, (value) => y(value * factor), mark.colour);
      }
    }
    if (this.dragged) {
      context.fillStyle = style.getPropertyValue("--rnb-veil");
      const [from, to] = this.dragged.map((index) => x(index));
      context.fillRect(EDGES.left, EDGES.top, from - EDGES.left, height);
      context.fillRect(to, EDGES.top, edge - to, height);
    }
    this.place(player.playhead);
    this.readOut();
  }
  // Values from the lowest to the highest on so many pixels: ticks, their decimals, and where a value lies.
  axisOf(traces, height) {
    let low = 0, high = 0;
    for (const { values, factor } of traces) {
      for (let i = this.span[0]; i <= this.span[1]; i++) {
        const value = values[i] * factor;
        if (value > high) high = value;
        if (value < low) low = value;
      }
    }
    if (high === low) high = low + 1;
    const step = niceStep(high - low, 4), top = Math.ceil(high / step - 1e-9) * step, floor = Math.floor(low / step) * step;
    return { step, top, floor, y: (value) => EDGES.top + (1 - (value - floor) / (top - floor)) * height };
  }
  drawAxis(context, { step, top, floor, y }, { at, align, quiet, rule, edge }) {
    context.textAlign = align;
    for (let value = floor; value <= top + step / 2; value += step) {
      if (rule) {
        context.fillStyle = rule;
        context.fillRect(EDGES.left, Math.round(y(value)), edge - EDGES.left, 1);
      }
      context.fillStyle = quiet;
      context.fillText(this.player.number(value, stepDigits(step)), at, y(value));
    }
  }
  trace(context, values, span, x, y) {
    const { times, minutes } = this.player.info;
    let down = false;
    for (let i = span[0]; i <= span[1]; i++) {
      if (Number.isNaN(values[i])) down = false;
      else {
        if (down && times && minutes && times[i] - times[i - 1] > 1.5 * minutes * MINUTE) down = false; // a gap
        context[down ? "lineTo" : "moveTo"](x(i), y(values[i]));
        context.lineTo(x(i + 1), y(values[i])); // the interval ends at the time of the field
        down = true;
      }
    }
  }
  fill(context, values, span, x, y, colour) {
    context.globalAlpha = 0.3;
    context.fillStyle = colour;
    for (let i = span[0]; i <= span[1]; i++) {
      if (values[i]) context.fillRect(x(i), Math.min(y(values[i]), y(0)), x(i + 1) - x(i), Math.abs(y(0) - y(values[i])));
    }
    context.globalAlpha = 1;
  }
  timeAxis(context, span, { x, bottom, right, quiet }) {
    const { clock } = this.player;
    for (const [index, text] of ticks(clock, ...span, Math.max(2, Math.floor((right - EDGES.left) / 72)))) {
      const left = x(index + (clock ? 1 : 0.5)), short = clock ? text.replace(/^\d{4}-(?=\d\d-)/, "") : text;
      const half = context.measureText(short).width / 2;
      context.fillStyle = quiet;
      context.fillRect(Math.round(left), bottom, 1, 4);
      context.textAlign = "left";
      context.fillText(short, Math.min(right + 8 - 2 * half, Math.max(EDGES.left, left - half)), bottom + 12);
    }
  }
  place(playhead) {
    if (!this.axis) return;
    const { count, first, width } = this.axis, at = playhead - first + 0.5;
    this.head.hidden = at < 0 || at > count;
    this.head.style.left = `${EDGES.left + (at / count) * width}px`;
  }
  index(clientX) {
    const box = this.canvas.getBoundingClientRect(), { width, count, first } = this.axis;
    return first + Math.min(count - 1, Math.max(0, Math.floor(((clientX - box.left - EDGES.left) / width) * count)));
  }
  // Values of all places at the pointed time, or how to zoom.
  readOut() {
    const { player, pointed, drawn } = this;
    if (pointed === null || !drawn) return (this.now.textContent = player.texts.chart_hint);
    const value = (k, { values, factor, sums }) => {
      const number = player.number(values[pointed] * factor, player.digits(factor));
      return k ? `, Σ ${number} mm` : `${number} ${escaped(sums ? "mm" : player.unit.name.split(" in ")[0])}`;
    };
    const words = drawn.slice(0, 8).map(({ mark, traces }) => `<span><i style="background:${mark.colour}">${escaped(mark.label)}</i> ${traces.map((trace, k) => value(k, trace)).join("")}</span>`);
    this.now.innerHTML = `<b>${escaped(player.timeText(pointed).split(",")[0])}</b> ${words.join(" ")}`;
  }
  wire(signal) {
    let start = null;
    const listen = (type, act) => this.canvas.addEventListener(type, act, { signal });
    listen("pointerdown", (event) => {
      if (event.button || !this.axis) return;
      this.canvas.setPointerCapture(event.pointerId);
      start = { x: event.clientX, index: this.index(event.clientX) };
    });
    listen("pointermove", (event) => {
      if (!this.axis) return;
      this.pointed = this.index(event.clientX);
      if (!start || Math.abs(event.clientX - start.x) < 5) return this.readOut();
      this.dragged = [Math.min(start.index, this.pointed), Math.max(start.index, this.pointed) + 1];
      this.draw();
    });
    listen("pointerup", (event) => {
      if (!start) return;
      const { dragged } = this;
      [start, this.dragged] = [null, null];
      if (dragged) this.zoom(dragged[1] - dragged[0] > 2 ? [dragged[0], dragged[1] - 1] : this.window);
      else this.player.seek(this.index(event.clientX));
    });
    listen("pointercancel", () => ([start, this.dragged] = [null, null]));
    listen("pointerleave", () => {
      this.pointed = null;
      this.readOut();
    });
    listen("dblclick", () => this.zoom(null));
  }
  zoom(window) {
    this.window = window;
    this.player.$(".rnb-unzoom").hidden = !window;
    this.draw();
  }
}
