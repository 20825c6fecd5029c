// When a token ends: a choice of lengths that the workspace's policy allows, or a date.

import { t } from "../base/texts.js";
import { fill, h } from "../base/dom.js";
import { DAY, exactText } from "../base/time.js";
import { selectField, textField } from "./field.js";

const LENGTHS = [7, 30, 60, 90, 180, 365];
const RECOMMENDED_DAYS = 90;

/**
 * The fields. Gives { element, asked() }: what a mutation's input takes, { expiresIn } in seconds for a length, which
 * the server counts by its own clock, { expiresAt } for a date or, as null, for never, and {} for no change.
 * present: a token's present expiry, to edit; undefined for a new token.
 */
export function expiryField(policy, present) {
  const longest = policy.maxLifetimeSeconds ?? Infinity;
  const mayBeNever = !policy.expiryRequired && policy.maxLifetimeSeconds === null;
  const lengths = LENGTHS.filter((days) => days * DAY <= longest);
  const options = [
    ...(present === undefined ? [] : [["keep", t("tokens.unchanged")]]),
    ...lengths.map((days) => [String(days * DAY), t("tokens.daysFromNow", { days })]),
    ...(lengths.length ? [] : [[String(longest), t("tokens.longestLifetime")]]),
    ["date", t("tokens.onADate")],
    ...(mayBeNever ? [["never", t("tokens.never")]] : []),
  ];
  const value = present === undefined ? startValue(policy, lengths, longest) : "keep";
  if (!options.some(([one]) => one === value)) options.unshift([value, t("tokens.policyDefault")]);
  const words = h("p", { class: "hint", role: "status" });
  const field = selectField({ name: "expiry", label: t("tokens.expiryDate"), options, value, required: !mayBeNever });
  const max = longest === Infinity ? undefined : localDay(longest);
  const date = textField({ name: "expiryDate", label: t("tokens.lastDay"), type: "date", min: localDay(0), max });
  const control = field.querySelector("select");
  const day = date.querySelector("input");

  const asked = () => {
    if (control.value === "keep") return {};
    if (control.value === "never") return { expiresAt: null };
    if (control.value !== "date") return { expiresIn: Number(control.value) };
    if (!day.value) return {};
    const end = new Date(`${day.value}T23:59:59`);
    // The policy's last day may end before midnight here.
    return end - Date.now() > longest * 1000 ? { expiresIn: longest } : { expiresAt: end.toISOString() };
  };
  const update = () => {
    date.hidden = control.value !== "date";
    day.required = control.value === "date";
    fill(words, endText(control.value === "keep" ? { expiresAt: present } : asked()));
  };
  control.addEventListener("change", update);
  day.addEventListener("input", update);
  update();
  return { element: h("div", { "data-field": "expiresAt", class: "expiry" }, field, date, words), asked };
}

function endText({ expiresIn, expiresAt }) {
  const end = expiresIn ? new Date(Date.now() + expiresIn * 1000).toISOString() : expiresAt;
  if (end === null) return t("tokens.neverExpires");
  return end ? t("tokens.expiresAt", { time: exactText(end) }) : t("tokens.chooseTheLastDay");
}

function startValue(policy, lengths, longest) {
  if (policy.defaultLifetimeSeconds) return String(policy.defaultLifetimeSeconds);
  const days = lengths.includes(RECOMMENDED_DAYS) ? RECOMMENDED_DAYS : lengths.at(-1);
  return days === undefined ? String(longest) : String(days * DAY);
}

function localDay(seconds) {
  const at = new Date(Date.now() + seconds * 1000);
  return `${at.getFullYear()}-${String(at.getMonth() + 1).padStart(2, "0")}-${String(at.getDate()).padStart(2, "0")}`;
}
