// Pages of the second script: it is fetched when the first of them is opened, or as soon as the reader does something.

import { ApiError } from "../base/api.js";
import { fetchLater, importLater, isGone } from "../base/later-script.js";
import { t } from "../base/texts.js";

const SIGNS = ["pointermove", "pointerdown", "keydown"];
let imported = null;

/** A page by its name in later.js. */
export function laterPage(name) {
  return async (...facts) => (await pages())[name](...facts);
}

/** Fetch the script at the first sign of the reader's hand, so that it is there before it is needed. */
export function fetchLaterInTime() {
  const fetchIt = () => {
    for (const sign of SIGNS) removeEventListener(sign, fetchIt);
    // What fails here is told once a page is opened.
    fetchLater().catch(() => {});
  };
  for (const sign of SIGNS) addEventListener(sign, fetchIt, { passive: true });
}

async function pages() {
  try {
    imported ??= await importLater();
    return imported.PAGES;
  } catch {
    if (!wasReloaded() && (await isGone())) {
      location.reload();
      return new Promise(() => {});
    }
    throw new ApiError("unreachable", t("shared.unreachable", { hint: navigator.onLine ? "" : t("shared.offline") }));
  }
}

/** Whether reloading was tried already: once more would change nothing. */
function wasReloaded() {
  return performance.getEntriesByType("navigation")[0]?.type === "reload";
}
