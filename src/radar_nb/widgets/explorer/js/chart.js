// Series beside the map: steps that end at their time, several places in one chart, and the playhead.
import { MINUTE, niceStep, ticks } from "./ticks.js";

const EDGES = { left: 40, right: 8, top: 8, bottom: 20 };

export class Chart {
  constructor(canvas, head, info, decimal) {
    Object.assign(this, { canvas, head, info, decimal });
  }
  // marks: [{values: Float64Array, colour}], span: [first, last], factor and name of the unit
  draw(marks, span, unit) {
    const { canvas } = this, box = canvas.getBoundingClientRect(), ratio = window.devicePixelRatio || 1;
    [canvas.width, canvas.height] = [Math.round(box.width * ratio), Math.round(box.height * ratio)];
    const context = canvas.getContext("2d"), style = getComputedStyle(canvas);
    const quiet = style.getPropertyValue("--rnb-quiet"), rule = style.getPropertyValue("--rnb-rule");
    const width = box.width - EDGES.left - EDGES.right, height = box.height - EDGES.top - EDGES.bottom;
    if (width <= 0 || height <= 0) return;
    const [low, high] = this.range(marks, span, unit.factor);
    const step = niceStep(high - low, 4), top = Math.ceil(high / step - 1e-9) * step, floor = Math.floor(low / step) * step;
    const count = span[1] - span[0] + 1;
    this.axis = { count, first: span[0], width };
    const x = (index) => EDGES.left + ((index - span[0]) / count) * width;
    const y = (value) => EDGES.top + (1 - (value - floor) / (top - floor)) * height;
    context.scale(ratio, ratio);
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (let value = floor; value <= top + step / 2; value += step) {
      context.fillStyle = rule;
      context.fillRect(EDGES.left, Math.round(y(value)), width, 1);
      context.fillStyle = quiet;
      context.fillText(String(+value.toPrecision(6)).replace(".", this.decimal), EDGES.left - 5, y(value));
    }
    this.timeAxis(context, span, { x, bottom: EDGES.top + height, right: EDGES.left + width, quiet });
    marks.forEach(({ values, colour }) => {
      context.beginPath();
      this.trace(context, values, span, x, (value) => y(value * unit.factor));
      context.strokeStyle = colour;
      context.lineWidth = 1.5;
      context.lineJoin = "round";
      context.stroke();
    });
    this.place(this.playhead);
  }
  range(marks, span, factor) {
    let low = 0, high = 0;
    for (const { values } of marks) {
      for (let i = span[0]; i <= span[1]; i++) {
        const value = values[i] * factor;
        if (value > high) high = value;
        if (value < low) low = value;
      }
    }
    return [low, high === low ? low + 1 : high];
  }
  trace(context, values, span, x, y) {
    const { times, minutes } = this.info;
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
  timeAxis(context, span, { x, bottom, right, quiet }) {
    const { times } = this.info;
    for (const [index, text] of ticks(times, ...span, Math.max(2, Math.floor((right - EDGES.left) / 64)))) {
      const left = x(index + (times ? 1 : 0.5)), short = times ? text.replace(/^\d{4}-(?=\d\d-)/, "") : text;
      const half = context.measureText(short).width / 2;
      context.fillStyle = quiet;
      context.fillRect(Math.round(left), bottom, 1, 4);
      context.textAlign = "left";
      context.fillText(short, Math.min(right + EDGES.right - 2 * half, Math.max(EDGES.left, left - half)), bottom + 12);
    }
  }
  place(playhead) {
    this.playhead = playhead;
    if (!this.axis) return;
    const { count, first, width } = this.axis, at = playhead - first + 0.5;
    this.head.hidden = at < 0 || at > count;
    this.head.style.left = `${EDGES.left + (at / count) * width}px`;
  }
  index(clientX) {
    const box = this.canvas.getBoundingClientRect(), { width, count, first } = this.axis;
    return first + Math.min(count - 1, Math.max(0, Math.floor(((clientX - box.left - EDGES.left) / width) * count)));
  }
}
