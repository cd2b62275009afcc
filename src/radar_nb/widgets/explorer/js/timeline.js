// The timeline below the map: share of wet cells of each field, loaded fields, the span, and the time.
import { timeText } from "./format.js";
import { MINUTE, ticks } from "./ticks.js";

const LABELS = 15; // CSS pixels below the bars

export const timeline = {
  timelineSoon() {
    this.pendingTimeline ??= setTimeout(() => {
      this.pendingTimeline = null;
      this.drawTimeline();
    }, 120);
  },
  placeHead() {
    this.$(".rnb-head").style.left = `${(100 * (this.playhead + 0.5)) / this.info.count}%`;
    this.chart.place(this.playhead);
  },
  drawTimeline() {
    const canvas = this.$(".rnb-timeline canvas"), ratio = window.devicePixelRatio || 1;
    const box = canvas.getBoundingClientRect(), { count, times } = this.info;
    if (!box.width) return;
    [canvas.width, canvas.height] = [Math.round(box.width * ratio), Math.round(box.height * ratio)];
    const context = canvas.getContext("2d"), style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(`--rnb-${name}`);
    const { width } = box, height = box.height - LABELS, x = (index) => (index / count) * width;
    context.scale(ratio, ratio);
    context.fillStyle = colour("track");
    context.fillRect(0, 0, width, height);
    this.drawWet(context, { width, height, wet: colour("wet"), held: colour("held") });
    context.fillStyle = colour("veil");
    context.fillRect(0, 0, x(this.span[0]), height);
    context.fillRect(x(this.span[1] + 1), 0, width, height);
    if (this.info.boundary !== undefined) { // from here on fields are forecasts
      context.fillStyle = colour("ink");
      context.fillRect(Math.round(x(this.info.boundary + 1)) - 1, 0, 2, height);
    }
    context.font = "10.5px system-ui, sans-serif";
    context.textBaseline = "bottom";
    for (const [index, text] of ticks(times, 0, count - 1, Math.floor(width / 90))) {
      const left = x(index + (times ? 1 : 0.5)), words = context.measureText(text).width;
      context.fillStyle = colour("held");
      context.fillRect(Math.min(width - 1, Math.round(left)), height, 1, 4);
      context.fillStyle = colour("quiet");
      context.fillText(text, Math.min(width - words, Math.max(0, left - words / 2)), box.height);
    }
  },
  // one bar per field; if there are many, one per pixel, for its wettest field
  drawWet(context, { width, height, wet, held }) {
    const { count } = this.info, bars = Math.min(count, Math.floor(width));
    let most = 0.02;
    for (const share of this.cache.wet) if (share > most) most = share;
    for (let bar = 0; bar < bars; bar++) {
      const first = Math.floor((bar * count) / bars), stop = Math.floor(((bar + 1) * count) / bars);
      let share = 0, here = true;
      for (let i = first; i < stop; i++) {
        if (this.cache.wet[i] > share) share = this.cache.wet[i];
        here &&= this.cache.has(i);
      }
      const left = (bar / bars) * width, tall = (share / most) * (height - 4);
      context.fillStyle = wet;
      if (tall) context.fillRect(left, height - 2 - tall, width / bars, tall);
      context.fillStyle = held;
      if (here) context.fillRect(left, height - 2, width / bars, 2);
    }
  },
  // ---- the span
  setSpan(first, last) {
    const { count } = this.info, whole = first <= 0 && last >= count - 1;
    this.span = [Math.max(0, Math.min(first, last)), Math.min(count - 1, Math.max(first, last))];
    this.$(".rnb-span").textContent = whole ? this.texts.whole : this.spanText(...this.span);
    this.$(".rnb-whole").hidden = whole;
    this.publish("span", this.span);
    this.leaveTotal();
    this.marks.forEach((mark) => this.askSeries(mark));
    this.drawTimeline();
    this.drawChart();
  },
  spanText(first, last) {
    if (!this.info.times) return `${first + 1} – ${last + 1}`;
    const [from, to] = [first, last].map((index) => timeText(this.info.times[index]));
    return `${from} – ${from.slice(0, 10) === to.slice(0, 10) ? to.slice(11) : to}`;
  },
  // number of missing fields in the span
  holes() {
    const { times, minutes } = this.info, [first, last] = this.span;
    return times && minutes ? Math.max(0, Math.round((times[last] - times[first]) / (minutes * MINUTE)) - (last - first)) : 0;
  },
};
