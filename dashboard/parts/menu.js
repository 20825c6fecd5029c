// A menu behind a button: arrow keys, Home, End, Escape, and the focus back on the button.

import { freshId, h } from "../base/dom.js";

/** A button that opens a menu. items are { label, act, danger }, or { label, href } for a page of another kind. */
export function menuButton({ label, name, items, ...attributes }) {
  const id = freshId("menu");
  const button = h(
    "button",
    { type: "button", "aria-haspopup": "menu", "aria-expanded": "false", "aria-label": name, ...attributes },
    label,
  );
  button.addEventListener("click", () => open(button, id, items));
  button.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowDown") return;
    event.preventDefault();
    open(button, id, items);
  });
  return button;
}

function open(button, id, items) {
  const entries = items.map(({ label, act, danger, href }) => {
    if (href) return h("a", { href, target: "_blank", rel: "noopener", role: "menuitem", tabindex: "-1", onclick: () => close() }, label);
    const onclick = () => {
      close();
      act();
    };
    return h("button", { type: "button", role: "menuitem", tabindex: "-1", class: danger ? "danger-text" : null, onclick }, label);
  });
  const name = button.getAttribute("aria-label") ?? button.textContent;
  const menu = h("div", { role: "menu", id, class: "menu", popover: "auto", "aria-label": name }, entries);
  const close = () => menu.isConnected && menu.hidePopover();
  menu.addEventListener("toggle", (event) => {
    if (event.newState !== "closed") return;
    button.setAttribute("aria-expanded", "false");
    if (menu.contains(document.activeElement) || document.activeElement === document.body) button.focus();
    menu.remove();
  });
  menu.addEventListener("keydown", (event) => move(event, entries, close, button));
  button.after(menu);
  button.setAttribute("aria-expanded", "true");
  menu.showPopover();
  place(menu, button);
  entries[0].focus();
}

function move(event, entries, close, button) {
  const at = entries.indexOf(document.activeElement);
  const last = entries.length - 1;
  const next = { ArrowDown: at === last ? 0 : at + 1, ArrowUp: at <= 0 ? last : at - 1, Home: 0, End: last }[event.key];
  if (next !== undefined) {
    event.preventDefault();
    entries[next].focus();
  } else if (event.key === "Escape" || event.key === "Tab") {
    if (event.key === "Escape") event.preventDefault();
    event.stopPropagation();
    button.focus();
    close();
  }
}

/** Below the button, or above it when there is no room; never beyond the window's edge. */
function place(menu, button) {
  const at = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const below = at.bottom + height + 8 < innerHeight;
  menu.style.top = `${below ? at.bottom + 4 : Math.max(8, at.top - height - 4)}px`;
  menu.style.left = `${Math.max(8, Math.min(at.right - width, innerWidth - width - 8))}px`;
}
