// The timeline below the map: share of wet cells of each field, loaded fields, the span, and the time.
import { escaped, timeText } from "./format.js";
import { MINUTE, ticks } from "./ticks.js";

const LABELS = 15, NAMES = 13; // CSS pixels below and above the bars

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
    const box = canvas.getBoundingClientRect(), { count } = this.info, { clock } = this;
    if (!box.width) return;
    [canvas.width, canvas.height] = [Math.round(box.width * ratio), Math.round(box.height * ratio)];
    const context = canvas.getContext("2d"), style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(`--rnb-${name}`);
    const { width } = box, height = box.height - LABELS - NAMES, x = (index) => (index / count) * width;
    context.scale(ratio, ratio);
    context.translate(0, NAMES);
    context.fillStyle = colour("track");
    context.fillRect(0, 0, width, height);
    this.drawWet(context, { width, height, wet: colour("wet"), held: colour("held") });
    context.fillStyle = colour("veil");
    context.fillRect(0, 0, x(this.span[0]), height);
    context.fillRect(x(this.span[1] + 1), 0, width, height);
    context.font = "10.5px system-ui, sans-serif";
    context.textBaseline = "bottom";
    this.drawNames(context, { width, height, x, colour });
    for (const [index, text] of ticks(clock, 0, count - 1, Math.floor(width / 90))) {
      const left = x(index + (clock ? 1 : 0.5)), words = context.measureText(text).width;
      context.fillStyle = colour("held");
      context.fillRect(Math.min(width - 1, Math.round(left)), height, 1, 4);
      context.fillStyle = colour("quiet");
      context.fillText(text, Math.min(width - words, Math.max(0, left - words / 2)), box.height - NAMES);
    }
  },
  // What the bars show, to which value; and where observation ends and the forecast begins.
  drawNames(context, { width, height, x, colour }) {
    const most = this.number(100 * this.mostWet(), this.mostWet() < 0.1 ? 1 : 0), name = this.texts.wet_share.replace("{most}", most);
    const { boundary = NaN } = this.info, words = context.measureText(name).width + 12, at = x(boundary + 1);
    const observed = this.texts.observed, forecast = this.texts.forecast, ahead = context.measureText(forecast).width;
    const behind = at <= words; // the line would cross the name
    context.fillStyle = colour("quiet");
    context.fillText(name, behind ? at + ahead + 18 : 0, 0);
    if (Number.isNaN(boundary)) return;
    context.fillStyle = colour("ink");
    context.fillRect(Math.round(at) - 1, -NAMES, 2, height + NAMES);
    const left = at - 6 - context.measureText(observed).width, right = at + 6;
    if (left > (behind ? 0 : words)) context.fillText(observed, left, 0);
    if (right + ahead < width) context.fillText(forecast, right, 0);
  },
  mostWet() {
    let most = 0.02;
    for (const share of this.cache.wet) if (share > most) most = share;
    return most;
  },
  // Time and share of wet cells under the pointer.
  wireTimeline(signal) {
    const slider = this.$(".rnb-slider"), word = this.$(".rnb-pointed");
    slider.addEventListener("pointermove", (event) => {
      const box = slider.getBoundingClientRect(), { count, boundary } = this.info;
      const index = Math.min(count - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * count)));
      const wet = this.cache.wet[index], share = Number.isNaN(wet) ? this.texts.waiting : this.texts.wet_of.replace("{share}", this.number(100 * wet, 1));
      const ahead = boundary !== undefined && index > boundary ? `, +${(this.info.times[index] - this.info.times[boundary]) / MINUTE} min` : "";
      word.innerHTML = `<b>${escaped(this.timeText(index).split(",")[0])}</b>${ahead} · ${escaped(share)}`;
      word.hidden = false;
      word.style.left = `${Math.min(box.width - word.offsetWidth / 2, Math.max(word.offsetWidth / 2, event.clientX - box.left))}px`;
    }, { signal });
    slider.addEventListener("pointerleave", () => (word.hidden = true), { signal });
  },
  // one bar per field; if there are many, one per pixel, for its wettest field
  drawWet(context, { width, height, wet, held }) {
    const { count } = this.info, bars = Math.min(count, Math.floor(width));
    const most = this.mostWet();
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
    const { count } = this.info;
    this.span = [Math.max(0, Math.min(first, last)), Math.min(count - 1, Math.max(first, last))];
    this.setSpanText();
    this.publish("span", this.span);
    this.leaveTotal();
    this.chart.zoom(null);
    this.askSeries(this.marks);
    this.listMarks();
    this.drawTimeline();
    this.drawChart();
  },
  setSpanText() {
    const whole = this.span[0] === 0 && this.span[1] === this.info.count - 1;
    this.$(".rnb-span").textContent = whole ? this.texts.whole : this.spanText(...this.span);
    this.$(".rnb-whole").hidden = whole;
  },
  spanText(first, last) {
    if (!this.info.times) return `${first + 1} – ${last + 1}`;
    const [from, to] = [first, last].map((index) => timeText(this.clock[index]));
    return `${from} – ${from.slice(0, 10) === to.slice(0, 10) ? to.slice(11) : to} ${this.zone.word(this.info.times[last])}`;
  },
  // number of missing fields in a span
  holes([first, last]) {
    const { times, minutes } = this.info;
    return times && minutes ? Math.max(0, Math.round((times[last] - times[first]) / (minutes * MINUTE)) - (last - first)) : 0;
  },
};
