// Ticks of an axis: of times at whole minutes, hours, days or months of the zone in which they are.
import { timeText } from "./format.js";

export const MINUTE = 60e3;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
const STEPS = [5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 5 * DAY, 10 * DAY];
const MONTHS = [1, 2, 3, 6, 12, 24, 60];

export const niceStep = (range, count) => {
  const raw = range / count, power = 10 ** Math.floor(Math.log10(raw));
  return power * [1, 2, 5, 10].find((k) => k * power >= raw * 0.999);
};

// Decimals of an axis with this step.
export const stepDigits = (step) => Math.max(0, Math.min(6, Math.ceil(-Math.log10(step) - 1e-9)));

// Return the next tick at or after a time; a step below a minute counts months.
function nextMark(time, step) {
  if (step >= MINUTE) return Math.ceil(time / step) * step;
  const date = new Date(time), start = Date.UTC(date.getUTCFullYear(), date.getUTCMonth());
  const month = 12 * date.getUTCFullYear() + date.getUTCMonth() + (start < time ? 1 : 0);
  const mark = Math.ceil(month / step) * step;
  return Date.UTC(Math.floor(mark / 12), mark % 12);
}

// Return [index, text] of at most so many ticks on the fields from first to last; numbers for fields without times.
export function ticks(times, first, last, most) {
  if (last <= first) return [];
  if (!times) {
    const step = Math.max(1, Math.ceil(niceStep(last - first, most)));
    const start = Math.ceil((first + 1) / step) * step; // numbers from 1, fields from 0
    return Array.from({ length: Math.max(0, Math.floor((last + 1 - start) / step) + 1) }, (_, k) => [start + k * step - 1, `${start + k * step}`]);
  }
  const length = times[last] - times[first];
  const step = STEPS.find((step) => length / step <= most) ?? MONTHS.find((step) => length / (step * 30 * DAY) <= most) ?? 120;
  const found = [];
  let index = first;
  for (let mark = nextMark(times[first], step); mark <= times[last]; mark = nextMark(mark + 1, step)) {
    while (times[index] < mark) index += 1;
    if (found.length && found.at(-1)[0] === index) continue; // a gap: two ticks on one field
    const text = timeText(mark);
    found.push([index, step < MINUTE ? text.slice(0, 7) : text.endsWith("00:00") ? text.slice(0, 10) : text.slice(11)]);
  }
  return found;
}
