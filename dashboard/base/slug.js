// From a name to what may stand in an address.

import { SLUG_LENGTH_MAX } from "./limits.js";

/** "My Café 2" → "my-cafe-2". */
export function slugOf(name) {
  const plain = name
    .normalize("NFKD")
    .replace(/[\u0300-\u036f]/g, "")
    .toLowerCase();
  return plain
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, SLUG_LENGTH_MAX);
}
