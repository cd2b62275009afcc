// Numbers, times, sizes and markup as text.
const DIGITS = 3;
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g; // texts of files are not trusted

export const number = (value, decimal = ".") =>
  Number.isNaN(value) ? "–" : String(+value.toFixed(value >= 100 ? 1 : DIGITS)).replace(".", decimal);

// Parse the numbers of a text: "9.18, 48.78", "9,18 48,78" and "9,18; 48,78" are equal.
export function numbersOf(text) {
  let parts = text.split(/[;\s]+/).map((part) => part.replace(/,$/, "")).filter(Boolean);
  if (parts.some((part) => part.split(",").length > 2 || /\..*,|,.*\./.test(part)) || parts.length === 1) parts = text.split(/[,;\s]+/).filter(Boolean);
  return parts.map((part) => Number(part.replace(",", ".")));
}

export const escaped = (text) => String(text).replace(CONTROLS, "").replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
export const timeText = (ms) => new Date(ms).toISOString().slice(0, 16).replace("T", " ");
export const bytesText = (bytes, decimal = ".") => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`.replace(".", decimal));
export const pythonList = (content) => JSON.stringify(content).replaceAll(",", ", ");
