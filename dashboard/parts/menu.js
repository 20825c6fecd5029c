// A menu behind a button: arrow keys, Home, End, Escape, and the focus back on the button.

import { t } from "../base/texts.js";
import { freshId, h } from "../base/dom.js";
import { everywhere, focused, isFocusLost, landmark, putOnTop } from "../base/surroundings.js";

let shut = null;

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
    if (href)
      return h(
        "a",
        { href, target: "_blank", rel: "noopener", role: "menuitem", tabindex: "-1", onclick: () => close() },
        label,
      );
    const onclick = () => {
      close();
      act();
    };
    return h(
      "button",
      { type: "button", role: "menuitem", tabindex: "-1", class: danger ? "danger-text" : null, onclick },
      label,
    );
  });
  const name = button.getAttribute("aria-label") ?? button.textContent;
  const menu = h("div", { role: "menu", id, class: "menu", popover: "auto", "aria-label": name }, entries);
  const close = () => menu.isConnected && menu.hidePopover();
  menu.addEventListener("toggle", (event) => {
    if (event.newState !== "closed") return;
    button.setAttribute("aria-expanded", "false");
    if (menu.contains(focused()) || isFocusLost()) present(button).focus();
    place.remove();
    if (shut === close) shut = null;
  });
  menu.addEventListener("keydown", (event) => move(event, entries, close, button));
  // Not beside its button: a table that is drawn afresh meanwhile must not take the menu away under the reader's hand.
  const place = h("div", { role: landmark("region"), "aria-label": t("shared.menu") }, menu);
  putOnTop(place);
  shut = close;
  button.setAttribute("aria-expanded", "true");
  menu.showPopover();
  position(menu, button);
  entries[0].focus();
}

/** Close the menu that is open, if any: the page beneath is about to go. */
export function closeMenu() {
  shut?.();
}

/** The button, or the one that stands in its place since its table was drawn afresh. */
function present(button) {
  if (button.isConnected) return button;
  const name = button.getAttribute("aria-label");
  return everywhere("[aria-haspopup=menu]").find((one) => one.getAttribute("aria-label") === name) ?? button;
}

function move(event, entries, close, button) {
  const at = entries.indexOf(focused());
  const last = entries.length - 1;
  const next = { ArrowDown: at === last ? 0 : at + 1, ArrowUp: at <= 0 ? last : at - 1, Home: 0, End: last }[event.key];
  if (next !== undefined) {
    event.preventDefault();
    entries[next].focus();
  } else if (event.key === "Escape" || event.key === "Tab") {
    if (event.key === "Escape") event.preventDefault();
    event.stopPropagation();
    present(button).focus();
    close();
  }
}

/** Below the button, or above it when there is no room; never beyond the window's edge. */
function position(menu, button) {
  const at = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const below = at.bottom + height + 8 < innerHeight;
  menu.style.top = `${below ? at.bottom + 4 : Math.max(8, at.top - height - 4)}px`;
  menu.style.left = `${Math.max(8, Math.min(at.right - width, innerWidth - width - 8))}px`;
}
