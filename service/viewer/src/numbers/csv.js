// Tables as CSV (RFC 4180).

/** @param {string | number | null} value */
function field(value) {
  if (value === null) return "";
  const text = String(value);
  // A spreadsheet runs a text that begins like a formula.
  const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Returns rows as CSV, the names of the columns first. @param {string[]} names @param {(string | number | null)[][]} rows */
export function csv(names, rows) {
  return [names, ...rows].map((row) => `${row.map(field).join(",")}\r\n`).join("");
}

/** Offers a file for download. @param {BlobPart} content @param {string} type @param {string} name */
export function download(content, type, name) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** A name for a file, of letters, digits and dashes. @param {...string} parts */
export const fileName = (...parts) => parts.map((part) => part.replace(/[^\w.-]+/g, "-")).filter(Boolean).join("_");
