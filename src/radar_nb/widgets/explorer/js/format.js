// Numbers, times, sizes and markup as text.
const DIGITS = 3;
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g; // texts of files are not trusted

// The number of decimals that a step needs, so that all its multiples are exact.
export const digitsOf = (step) => [0, 1, 2].find((digits) => Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) < 1e-6) ?? DIGITS;
// Letters without accents, for comparing names.
export const folded = (text) => text.toLowerCase().normalize("NFD").replace(/[\u0300-\u036f]/g, "").replaceAll("ß", "ss");

export const number = (value, decimal = ".", digits = null) =>
  digits !== null && !Number.isNaN(value) ? value.toFixed(digits).replace(/^-(0[.0]*)$/, "$1").replace(".", decimal) :
  Number.isNaN(value) ? "–" : String(+value.toFixed(value >= 100 ? 1 : DIGITS)).replace(".", decimal);

// Parse the numbers of a text: "9.18, 48.78", "9,18 48,78" and "9,18; 48,78" are equal.
export function numbersOf(text) {
  let parts = text.split(/[;\s]+/).map((part) => part.replace(/,$/, "")).filter(Boolean);
  if (parts.some((part) => part.split(",").length > 2 || /\..*,|,.*\./.test(part)) || parts.length === 1) parts = text.split(/[,;\s]+/).filter(Boolean);
  return parts.map((part) => Number(part.replace(",", ".")));
}

export const escaped = (text) => String(text).replace(CONTROLS, "").replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
// A text in one line, and not a formula to a spreadsheet (OWASP, "CSV Injection").
export const plain = (text) => String(text).replace(CONTROLS, "").replace(/\s+/g, " ").trim().replace(/^[=+@-]/, "'$&");
// A cell of a CSV table.
export const quoted = (text) => (/[",]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
export const timeText = (ms) => new Date(ms).toISOString().slice(0, 16).replace("T", " ");
export const bytesText = (bytes, decimal = ".") => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`.replace(".", decimal));
// A value as Python writes it.
export function pythonOf(value) {
  if (Array.isArray(value)) return `[${value.map(pythonOf).join(", ")}]`;
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "object") return `{${Object.entries(value).filter(([, one]) => one !== undefined).map(([name, one]) => `${pythonOf(name)}: ${pythonOf(one)}`).join(", ")}}`;
  return JSON.stringify(value);
}
