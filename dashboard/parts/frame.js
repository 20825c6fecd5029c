// The frame of every page: the bar with the place and the person, the sections of a workspace, the page itself.

import { fill, h } from "../base/dom.js";
import { calledBy, signOut, who } from "../base/session.js";
import { may } from "../base/workspace.js";
import { menuButton } from "./menu.js";
import { noticeRegion, say } from "./notice.js";
import { go } from "../base/router.js";

const SECTIONS = [
  ["Tokens", "access-tokens", "tokens:read"],
  ["Spaces", "spaces", "spaces:read"],
  ["Members", "members", "members:read"],
  ["Roles", "roles", "workspace:read"],
  ["Usage", "usage", "usage:read"],
  ["Audit log", "audit-log", "audit:read"],
  ["Settings", "settings", "workspace:read"],
];

const bar = h("header", { class: "bar" });
const sections = h("nav", { class: "sections", "aria-label": "Workspace" });
const main = h("main", { id: "main", tabindex: "-1" });

/** Build the frame, once. */
export function buildFrame() {
  const skip = h(
    "a",
    { class: "skip", href: "#main", onclick: (event) => (event.preventDefault(), main.focus()) },
    "Skip to content",
  );
  document.body.replaceChildren(skip, bar, h("div", { class: "columns" }, sections, main), noticeRegion());
}

/** Say that a page is on its way, without wiping the old one. */
export function showBusy() {
  main.setAttribute("aria-busy", "true");
}

/**
 * Put a page into the frame. view: { title, body, workspace, current, space, lead }; lead stands above the title.
 */
export function showView(view) {
  const { title, body, workspace } = view;
  document.title = `${title}${workspace ? ` · ${workspace.name}` : ""} · Spacekey`;
  main.removeAttribute("aria-busy");
  fill(bar, place(view), person());
  fill(sections, workspace ? links(view) : null);
  sections.hidden = !workspace;
  sections.querySelector("[aria-current]")?.scrollIntoView({ inline: "nearest", block: "nearest" });
  const heading = h("h1", { tabindex: "-1" }, view.heading ?? title);
  fill(
    main,
    view.lead,
    h("div", { class: "page-head" }, heading, h("div", { class: "actions" }, view.actions ?? [])),
    body,
  );
}

/** Move the focus to the page's title: after another page was opened, so that screen readers begin there. */
export function focusTitle() {
  main.querySelector("h1")?.focus({ preventScroll: true });
  scrollTo(0, 0);
}

function place({ workspace, space }) {
  const home = h("a", { href: "/", class: "brand" }, h("span", { "aria-hidden": "true" }, "⚷ "), "Spacekey");
  if (!workspace) return h("div", { class: "place" }, home);
  const here = h("a", { href: `/workspace/${workspace.id}/access-tokens`, class: "here" }, workspace.name);
  const within = space
    ? [
        h("span", { "aria-hidden": "true" }, "/"),
        h("a", { href: `/space/${space.id}/tokens`, class: "here" }, space.name),
      ]
    : null;
  return h(
    "div",
    { class: "place" },
    home,
    h("span", { "aria-hidden": "true" }, "/"),
    here,
    within,
    h("a", { href: "/", class: "switch" }, "Switch"),
  );
}

function person() {
  if (!who()) return null;
  const called = calledBy(who());
  const items = [
    { label: "Your account", act: () => go("/account") },
    // Development only: the server says so in the page.
    ...(document.querySelector("meta[name=graphiql]") ? [{ label: "GraphiQL", href: "/graphiql" }] : []),
    { label: "Sign out", act: () => signOut().catch((error) => say(error.message)) },
  ];
  return menuButton({
    label: h("span", {}, called, h("span", { "aria-hidden": "true" }, " ▾")),
    name: `Account of ${called}`,
    items,
    class: "plain person",
  });
}

function links({ workspace, current }) {
  const shown = SECTIONS.filter(([, , scope]) => may(workspace, scope));
  const items = shown.map(([text, path]) => {
    const href = `/workspace/${workspace.id}/${path}`;
    return h("li", {}, h("a", { href, "aria-current": path === current ? "page" : null }, text));
  });
  return h("ul", {}, items);
}
