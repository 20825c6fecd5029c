// Addresses and the pages that answer them. Links are ordinary links; those within the dashboard are taken over.

import { pagePath, presentPath, toUrlPath } from "./base-path.js";
import { t } from "./texts.js";
import { isUnsaved } from "./unsaved.js";

let table = [];
let show = null;
let here = null;
let alone = false;
let mayLeave = null;

/**
 * Start. routes are [pattern, page] pairs such as ["/token/:id", tokenPage];
 * shown(page, parameters, query) renders.
 */
export function startRouter(routes, shown) {
  table = routes.map(([pattern, page]) => [expression(pattern), page]);
  show = shown;
  addEventListener("popstate", moved);
  document.addEventListener("click", takeLink);
  return render();
}

/** Start without addresses, as in an element: there is one page, and going anywhere shows it afresh. */
export function startAlone(shown) {
  show = shown;
  alone = true;
  return render();
}

/** Go to a path of the dashboard. */
export function go(path, { replace = false } = {}) {
  if (alone) return render();
  history[replace ? "replaceState" : "pushState"](null, "", toUrlPath(path));
  return render();
}

/** Ask before the browser's Back and Forward leave the page: a function that says whether they may; null lets them. */
export function holdPage(question) {
  mayLeave = question;
}

/** Show the present address afresh. */
export function render() {
  if (alone) return show();
  here = location.pathname + location.search;
  const path = presentPath();
  const found = table.map(([pattern, page]) => [pattern.exec(path), page]).find(([match]) => match);
  return show(found?.[1] ?? null, found?.[0].groups ?? {}, new URLSearchParams(location.search));
}

/** Note what a page shows (filters, sorting, place) in the address; step: as a step that Back takes back. */
export function note(query, { step = false } = {}) {
  if (alone) return;
  const text = query.toString();
  here = text ? `${location.pathname}?${text}` : location.pathname;
  history[step ? "pushState" : "replaceState"](null, "", here);
}

/** The address has changed already when this is told: staying means to put it back. */
function moved() {
  if ((mayLeave === null || mayLeave()) && mayLoseTyped()) return render();
  return history.pushState(null, "", here);
}

function expression(pattern) {
  return new RegExp(`^${pattern.replace(/:(\w+)/g, "(?<$1>[\\w-]+)")}/?$`);
}

function takeLink(event) {
  const link = event.target.closest?.("a[href]");
  const plain = !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey && event.button === 0;
  if (!link || !plain || event.defaultPrevented || link.target || link.hasAttribute("download")) return;
  if (link.rel === "external") return;
  const url = new URL(link.href);
  const path = link.getAttribute("href").startsWith("/") ? pagePath(url) : null;
  if (path === null) return;
  event.preventDefault();
  if (mayLoseTyped()) go(path + url.search);
}

function mayLoseTyped() {
  return !isUnsaved() || confirm(t("shared.leaveTyped"));
}
