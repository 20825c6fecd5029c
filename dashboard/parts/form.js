// A form that is sent by script: busy while it runs, errors where they belong, and nothing typed is ever lost.

import { t } from "../base/texts.js";
import { fill, h } from "../base/dom.js";
import { watchForm } from "../base/unsaved.js";
import { errorBox } from "./alert.js";
import { setFieldError } from "./field.js";

/**
 * A form. send(values) does the work; what it throws is shown. cancel: a function for a Cancel button.
 * uncertain: what to add when it is not known whether the server did it.
 */
export function form({
  fields,
  submit,
  send,
  cancel,
  beside = null,
  danger = false,
  uncertain = t("shared.uncertain"),
}) {
  const problem = h("div", { class: "problem" });
  const button = h("button", { type: "submit", class: danger ? "danger" : "main" }, submit);
  const back = cancel ? h("button", { type: "button", onclick: cancel }, t("shared.cancel")) : null;
  const element = h(
    "form",
    { method: "post", novalidate: true },
    fields,
    problem,
    h("div", { class: "actions" }, beside, back, button),
  );
  const sent = watchForm(element);
  let busy = false;

  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy || !check(element)) return;
    busy = true;
    fill(problem);
    button.setAttribute("aria-disabled", "true");
    element.setAttribute("aria-busy", "true");
    try {
      await send(values(element), element);
      if (!element.querySelector("[aria-invalid=true]")) sent();
    } catch (error) {
      showError(element, problem, error, uncertain);
    } finally {
      busy = false;
      button.removeAttribute("aria-disabled");
      element.removeAttribute("aria-busy");
    }
  });
  return element;
}

/** What the form holds, by name; checkboxes as true and false. */
export function values(element) {
  const found = {};
  for (const control of element.elements) {
    if (!control.name || control.type === "submit") continue;
    if (control.type === "checkbox") found[control.name] = control.checked;
    else if (control.type !== "radio" || control.checked) found[control.name] = control.value;
  }
  return found;
}

/** What is wrong with each field: its name and the text to show there. */
function byField(error) {
  const faults = new Map();
  for (const { path, message } of error.facts?.errors ?? []) {
    // What stands in an input inside the input is a field of the same form; what stands in a list belongs to it.
    const name = path.length > 1 && Number.isNaN(Number(path[1])) ? path[1] : path[0];
    faults.set(name, faults.has(name) ? `${faults.get(name)} ${message}` : message);
  }
  return faults;
}

function showError(element, problem, error, uncertain) {
  const faults = byField(error);
  const shown = [...faults].filter(([name, text]) => setFieldError(element, name, text));
  if (shown.length) focusField(element, shown[0][0]);
  if (shown.length && shown.length === faults.size) return;
  if (faults.size) error.message = error.facts.whole;
  if (error.kind === "unreachable") error.message += ` ${uncertain}`;
  if (error.kind === "unavailable") error.message += t("shared.kept");
  fill(problem, errorBox(error));
  problem.scrollIntoView({ block: "nearest" });
}

/** The browser's own checks, shown our way: at the field, and with the focus on the first one. */
function check(element) {
  let first = null;
  for (const control of element.elements) {
    if (!control.name) continue;
    const text = control.validity?.valid === false ? words(control) : null;
    const box = control.closest("[data-field]");
    if (box && box.dataset.field === control.name) setFieldError(element, control.name, text);
    if (text && !first) first = control;
  }
  first?.focus();
  return first === null;
}

/** What is wrong with a control, in our own words: the browser's repeat what was entered, which may be a secret. */
function words({ validity, type, min, max, maxLength, minLength }) {
  const number = type === "number";
  if (validity.badInput && number) return t("shared.enterANumber");
  if (validity.valueMissing) return t("shared.fillThisIn");
  if (validity.typeMismatch && type === "email") return t("shared.enterAnEmailAddressLike");
  if (validity.rangeUnderflow) return number ? t("shared.orMore", { min }) : t("shared.chooseOrLater", { min });
  if (validity.rangeOverflow) return number ? t("shared.orLess", { max }) : t("shared.chooseOrEarlier", { max });
  if (validity.tooLong) return t("shared.useAtMostCharacters", { maxLength });
  if (validity.tooShort) return t("shared.useAtLeastCharacters", { minLength });
  return type === "date" ? t("shared.chooseADate") : t("shared.enterAValidValue");
}

function focusField(element, name) {
  element.querySelector(`[data-field="${CSS.escape(name)}"] :is(input, select, textarea)`)?.focus();
}
