// The two things kept in this browser: which columns a table shows, and the theme. Nothing else is ever stored.

import { toUrlPath } from "./base-path.js";
import { isDashboard } from "./surroundings.js";

/** Instead of the browser's storage, which is not ours in a page of a host's. */
const forNow = new Map();

/** What was chosen, or null. */
export function chosen(name) {
  if (!isDashboard()) return forNow.get(name) ?? null;
  try {
    return JSON.parse(localStorage.getItem(key(name)));
  } catch {
    return null;
  }
}

/** Keep a choice; null forgets it. A browser that refuses storage just forgets. */
export function choose(name, value) {
  if (!isDashboard()) return void forNow.set(name, value);
  try {
    if (value === null) localStorage.removeItem(key(name));
    else localStorage.setItem(key(name), JSON.stringify(value));
  } catch {
    // Private windows may refuse; the choice then lasts as long as the page.
  }
}

/** Dashboards below other paths of the host share its storage, and keep choices of their own. */
function key(name) {
  return `spacekey${toUrlPath("")}.${name}`;
}
