// What is around the parts: the dashboard's own page, or the shadow root of an element in a page of a host's.
// Parts ask here for whatever a shadow root changes, and never the document.

let root = document;
let own = true;

/** Stand in a shadow root from now on: there dialogs and menus are put, and the focus is looked for. */
export function standIn(shadowRoot) {
  root = shadowRoot;
  own = false;
}

/** Whether this is the dashboard, which has pages, addresses, and choices that the browser keeps. */
export function isDashboard() {
  return own;
}

/** The role of a landmark. A host's page has landmarks of its own, and an element in it is made of groups. */
export function landmark(role) {
  return own ? role : "group";
}

/** The element that has the focus. */
export function focused() {
  return root.activeElement;
}

/** Draw what an element holds afresh: the focus goes to what stands in the place of the control that had it. */
export function keepingFocus(element, draw) {
  const held = focused();
  const name = element.contains(held) ? calledFor(held) : null;
  draw();
  if (name === null || element.contains(focused())) return;
  [...element.querySelectorAll("a, button, input")].find((one) => calledFor(one) === name)?.focus();
}

function calledFor(control) {
  return control.getAttribute("aria-label") ?? control.getAttribute("href") ?? control.textContent;
}

/** Whether nothing has the focus, such as after the element that had it was removed. */
export function isFocusLost() {
  return document.activeElement === null || document.activeElement === document.body;
}

/** All elements that a selector finds. */
export function everywhere(selector) {
  return [...root.querySelectorAll(selector)];
}

/** Do something whenever the page is seen again, after another tab was, for as long as the element is in it. */
export function whenSeenAgain(element, act) {
  const look = () => {
    if (!element.isConnected) document.removeEventListener("visibilitychange", look);
    else if (document.visibilityState === "visible") act();
  };
  document.addEventListener("visibilitychange", look);
}

/** Put a dialog or a menu above everything. */
export function putOnTop(element) {
  (own ? document.body : root).append(element);
}
