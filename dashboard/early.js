// Runs before the page is painted: puts the chosen theme on it, which base/theme.js changes later, and asks for what it
// will show while the script with the pages is on its way.

import { presentPath } from "./base/base-path.js";
import { askFirst } from "./base/first-visit.js";
import { fetchLater, isLater } from "./base/later-script.js";

try {
  const base = document.querySelector("meta[name=base-path]").content;
  const theme = JSON.parse(localStorage.getItem(`spacekey${base}.theme`));
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // A browser that keeps nothing has no choice to show.
}
// What fails here is tried again by the page, which tells it.
if (isLater(presentPath())) fetchLater().catch(() => {});
askFirst().catch(() => {});
