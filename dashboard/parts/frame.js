// The frame of every page: the bar with the place and the person, the sections of a workspace, the page itself.

import { fill, h } from "../base/dom.js";
import { calledBy, signOut, who } from "../base/session.js";
import { t } from "../base/texts.js";
import { may } from "../base/workspace.js";
import { brandMark, brandTitle, wearColours } from "./brand.js";
import { icon } from "./icons.js";
import { menuButton } from "./menu.js";
import { noticeRegion, say } from "./notice.js";
import { go } from "../base/router.js";
import { navigationPath, spaceTokensPath, tokensPath } from "../base/token-paths.js";

const SECTIONS = [
  ["shared.spaces", "spaces", "spaces:read", "spaces"],
  ["shared.members", "members", "members:read", "people"],
  ["shared.roles", "roles", "workspace:read", "shield"],
  ["shared.usage", "usage", "usage:read", "chart"],
  ["shared.auditLog", "audit-log", "audit:read", "list"],
  ["shared.settings", "settings", "workspace:read", "sliders"],
];
const SKELETON_ROWS = 5;
const SKELETON_AFTER_MS = 80;

const bar = h("header", { class: "bar" });
const sections = h("nav", { class: "sections" });
const main = h("main", { id: "main", tabindex: "-1" });
let skeletonTimer;

/** Build the frame, once. */
export function buildFrame() {
  const skip = h(
    "a",
    { class: "skip", href: "#main", onclick: (event) => (event.preventDefault(), main.focus()) },
    t("shared.skipToContent"),
  );
  sections.hidden = true;
  fill(bar, h("div", { class: "place" }, home()));
  document.body.replaceChildren(skip, bar, h("div", { class: "columns" }, sections, main), noticeRegion());
  fill(main, skeleton());
}

/** Say that a page is on its way. Another page's place is taken by a skeleton; the same page stays until it is here. */
export function showBusy(another) {
  main.setAttribute("aria-busy", "true");
  clearTimeout(skeletonTimer);
  if (another) skeletonTimer = setTimeout(() => fill(main, skeleton()), SKELETON_AFTER_MS);
}

/**
 * Put a page into the frame. view: { title, body, workspace, current, space, lead, kept, centred }; lead stands above
 * the title, kept leaves the bar and the sections as they are.
 */
export function showView(view) {
  const { title, body, workspace, kept = false, centred = false } = view;
  clearTimeout(skeletonTimer);
  document.title = t("shared.documentTitle", { title, value: workspace ? ` · ${workspace.name}` : "" });
  document.body.classList.toggle("centred", centred);
  main.removeAttribute("aria-busy");
  if (!kept) {
    wearColours();
    fill(bar, place(view), person());
    fill(sections, workspace ? navigation(view) : null);
    sections.setAttribute("aria-label", t("shared.workspace"));
    sections.hidden = !workspace;
  } else {
    markPresent();
  }
  sections.querySelector("[aria-current]")?.scrollIntoView({ inline: "nearest", block: "nearest" });
  const heading = h("h1", { tabindex: "-1" }, view.heading ?? title);
  fill(
    main,
    view.lead,
    h(
      "div",
      { class: "page-head" },
      centred ? brandMark() : null,
      heading,
      h("div", { class: "actions" }, view.actions ?? []),
    ),
    body,
  );
}

/** Mark the section that was asked for, where the sections of another page are still shown. */
function markPresent() {
  const entries = [...sections.querySelectorAll("a")];
  const present = entries.find((one) => one.pathname === location.pathname);
  if (!present) return;
  for (const one of entries) one.removeAttribute("aria-current");
  present.setAttribute("aria-current", "page");
}

/** Move the focus to the page's title: after another page was opened, so that screen readers begin there. */
export function focusTitle() {
  main.querySelector("h1")?.focus({ preventScroll: true });
  scrollTo(0, 0);
}

function skeleton() {
  const rows = Array.from({ length: SKELETON_ROWS }, () => h("div", { class: "bone row" }));
  return h("div", { class: "skeleton", "aria-hidden": "true" }, h("div", { class: "bone title" }), rows);
}

function home() {
  return h("a", { href: "/", class: "brand" }, brandMark(), h("span", {}, brandTitle()));
}

function place({ workspace, space }) {
  if (!workspace) return h("div", { class: "place" }, home());
  const slash = () => h("span", { class: "slash", "aria-hidden": "true" }, "/");
  const here = h("a", { href: tokensPath(workspace), class: "here" }, workspace.name);
  const within = space ? [slash(), h("a", { href: spaceTokensPath(space), class: "here" }, space.name)] : null;
  const another = h("a", { href: "/", class: "switch" }, t("shared.switchWorkspace"));
  return h("div", { class: "place" }, home(), slash(), here, within, another);
}

function person() {
  if (!who()) return null;
  const called = calledBy(who());
  const items = [
    { label: t("shared.yourAccount"), act: () => go("/account") },
    // Development only: the server says so in the page.
    ...(document.querySelector("meta[name=graphiql]") ? [{ label: "GraphiQL", href: "/graphiql" }] : []),
    { label: t("shared.signOut"), act: () => signOut().catch((error) => say(error.message)) },
  ];
  const label = [icon("person"), h("span", {}, called), icon("chevron")];
  return menuButton({ label, name: t("shared.accountOf", { called }), items, class: "plain person" });
}

/** The sections: those of the space at hand, the product's own for its tokens, and the rest of the workspace. */
function navigation({ workspace, space, current }) {
  const { presentation } = workspace.product;
  const { section, label } = presentation.navigation;
  const word = label || t("shared.tokens");
  const tokens = may(workspace, "tokens:read") ? [[word, navigationPath(workspace), "key"]] : [];
  const rest = SECTIONS.filter(([, , scope]) => may(workspace, scope)).map(([name, path, , sign]) => [
    t(name),
    path,
    sign,
  ]);
  const links = (entries) =>
    entries.map(([text, path, sign]) => entry(text, `/workspace/${workspace.id}/${path}`, sign, path === current));
  const ofSpace = space && may(workspace, "tokens:read") ? [entry(word, spaceTokensPath(space), "key", true)] : [];
  const help = presentation.links.map(({ title, url }) =>
    h("li", {}, h("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, icon("help"), title)),
  );
  return [
    group(space?.name, ofSpace),
    section ? group(section, links(tokens)) : null,
    group(section || space ? t("shared.workspace") : "", links(section ? rest : [...tokens, ...rest])),
    group(help.length ? t("shared.help") : "", help),
  ];
}

function entry(text, href, sign, isCurrent) {
  return h("li", {}, h("a", { href, "aria-current": isCurrent ? "page" : null }, icon(sign), text));
}

function group(title, items) {
  if (!items.length) return null;
  return [title ? h("h2", {}, title) : null, h("ul", {}, items)];
}
