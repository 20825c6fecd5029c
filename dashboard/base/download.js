// A file made in the browser, handed to its user.

import { h } from "./dom.js";

/** Save text, or many pieces of it, as a file. */
export function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text].flat(), { type }));
  const link = h("a", { href: url, download: name, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** Rows as CSV (RFC 4180). A cell that a spreadsheet would run as a formula is quoted off. */
export function csv(rows) {
  return rows.map((row) => row.map(cell).join(",")).join("\r\n");
}

function cell(value) {
  const text = String(value ?? "");
  const safe = typeof value !== "number" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
