// One labelled control of a form: hint and error are tied to it, so that screen readers say them with it.

import { fill, freshId, h } from "../base/dom.js";

/** A text field. Options: name, label, hint, type, value, required, rows (for a text area), and more attributes. */
export function textField({ name, label, hint, rows, value = "", ...attributes }) {
  const tag = rows ? "textarea" : "input";
  return wrap(
    name,
    label,
    hint,
    h(tag, { name, rows, value, autocomplete: "off", ...attributes }),
    attributes.required,
  );
}

/** A select. Options are [value, text] pairs. */
export function selectField({ name, label, hint, options, value, ...attributes }) {
  const items = options.map(([one, text]) => h("option", { value: one }, text));
  const control = h("select", { name, ...attributes, ...(value === undefined ? {} : { value }) }, items);
  return wrap(name, label, hint, control, attributes.required);
}

/** A checkbox with its label beside it. */
export function checkField({ name, label, hint, checked = false, ...attributes }) {
  const id = freshId("check");
  const note = hint ? h("span", { class: "hint", id: `${id}-hint` }, hint) : null;
  const control = h("input", {
    type: "checkbox",
    id,
    name,
    checked,
    "aria-describedby": note && note.id,
    ...attributes,
  });
  return h("div", { class: "check", "data-field": name }, control, h("label", { for: id }, label), note);
}

/** A group of radio buttons. Options are { value, label, hint, disabled }. */
export function radioField({ name, label, options, value, onchange, hint }) {
  const rows = options.map((option) => {
    const id = freshId("radio");
    const note = option.hint ? h("span", { class: "hint", id: `${id}-hint` }, option.hint) : null;
    const facts = { "aria-describedby": note && note.id, disabled: option.disabled, checked: option.value === value };
    const control = h("input", { type: "radio", id, name, value: option.value, onchange, ...facts });
    return h("div", { class: "check" }, control, h("label", { for: id }, option.label), note);
  });
  const about = hint ? h("p", { class: "hint" }, hint) : null;
  return h("fieldset", { "data-field": name, class: "choices" }, h("legend", {}, label), about, rows, errorLine());
}

/** Show (or with null take away) what is wrong with the field of this name. True when there is such a field. */
export function setFieldError(form, name, text) {
  const box = form.querySelector(`[data-field="${CSS.escape(name)}"]`);
  if (!box) return false;
  let line = box.querySelector(":scope > .field-error");
  if (!line) box.append((line = errorLine()));
  fill(line, text);
  line.hidden = !text;
  const control = box.querySelector("input:not([type=hidden]), select, textarea");
  if (control && text) control.setAttribute("aria-invalid", "true");
  else control?.removeAttribute("aria-invalid");
  if (control && text) describe(control, line);
  return true;
}

function wrap(name, label, hint, control, required) {
  const id = freshId("field");
  control.id = id;
  const note = hint ? h("p", { class: "hint", id: `${id}-hint` }, hint) : null;
  if (note) control.setAttribute("aria-describedby", note.id);
  const optional = required === undefined || required ? null : h("span", { class: "quiet" }, " (optional)");
  const title = h("label", { for: id }, label, optional);
  return h("div", { class: "field", "data-field": name }, title, control, note, errorLine());
}

function errorLine() {
  return h("p", { class: "field-error", id: freshId("error"), hidden: true });
}

function describe(control, line) {
  const described = new Set((control.getAttribute("aria-describedby") ?? "").split(" ").filter(Boolean));
  control.setAttribute("aria-describedby", [...described.add(line.id)].join(" "));
}
