// When a token ends: a choice of lengths that the workspace's policy allows, or a date.

import { fill, h } from "../base/dom.js";
import { DAY, exactText } from "../base/time.js";
import { selectField, textField } from "./field.js";

const LENGTHS = [7, 30, 60, 90, 180, 365];
const RECOMMENDED_DAYS = 90;

/**
 * The fields. Gives { element, expiresAt() }: an RFC 3339 moment or null for never.
 * present: a token's present expiry, to edit; undefined for a new token.
 */
export function expiryField(policy, present) {
  const longest = policy.lifetimeSecondsMax ?? Infinity;
  const mayBeNever = !policy.expiryRequired && policy.lifetimeSecondsMax === null;
  const lengths = LENGTHS.filter((days) => days * DAY <= longest);
  const options = [
    ...(present === undefined ? [] : [["keep", "As it is"]]),
    ...lengths.map((days) => [String(days * DAY), `${days} days from now`]),
    ...(lengths.length ? [] : [[String(longest), "The longest the policy allows"]]),
    ["date", "On a date…"],
    ...(mayBeNever ? [["never", "Never"]] : []),
  ];
  const value = present === undefined ? startValue(policy, lengths, longest) : "keep";
  if (!options.some(([one]) => one === value)) options.unshift([value, "The policy's default"]);
  const words = h("p", { class: "hint", role: "status" });
  const field = selectField({ name: "expiry", label: "Expiry date", options, value, required: !mayBeNever });
  const date = textField({ name: "expiryDate", label: "Last day", type: "date", min: localDay(0) });
  const control = field.querySelector("select");
  const day = date.querySelector("input");

  const expiresAt = () => {
    if (control.value === "keep") return present;
    if (control.value === "never") return null;
    if (control.value !== "date") return new Date(Date.now() + Number(control.value) * 1000).toISOString();
    return day.value ? new Date(`${day.value}T23:59:59`).toISOString() : undefined;
  };
  const update = () => {
    date.hidden = control.value !== "date";
    day.required = control.value === "date";
    const end = expiresAt();
    fill(
      words,
      end
        ? `Ends ${exactText(end)}.`
        : end === null
          ? "It never ends by itself. Prefer a date."
          : "Choose the last day.",
    );
  };
  control.addEventListener("change", update);
  day.addEventListener("input", update);
  update();
  return { element: h("div", { "data-field": "expiresAt", class: "expiry" }, field, date, words), expiresAt };
}

function startValue(policy, lengths, longest) {
  if (policy.lifetimeSecondsDefault) return String(policy.lifetimeSecondsDefault);
  const days = lengths.includes(RECOMMENDED_DAYS) ? RECOMMENDED_DAYS : lengths.at(-1);
  return days === undefined ? String(longest) : String(days * DAY);
}

function localDay(days) {
  const at = new Date(Date.now() + days * DAY * 1000);
  return `${at.getFullYear()}-${String(at.getMonth() + 1).padStart(2, "0")}-${String(at.getDate()).padStart(2, "0")}`;
}
