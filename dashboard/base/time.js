// Moments in the reader's own zone and words, the exact time on hover.

import { t } from "./texts.js";
import { h } from "./dom.js";
import { LOCALE } from "./locale.js";

const MINUTE = 60;
const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;
const STEPS = [
  [MINUTE, 1, "second"],
  [HOUR, MINUTE, "minute"],
  [DAY, HOUR, "hour"],
  [100 * DAY, DAY, "day"],
  [365 * DAY, 30 * DAY, "month"],
  [Infinity, 365 * DAY, "year"],
];
const words = new Intl.RelativeTimeFormat(LOCALE, { numeric: "auto" });
const dates = new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium" });
const exact = new Intl.DateTimeFormat(LOCALE, { dateStyle: "full", timeStyle: "long" });
const days = new Intl.DateTimeFormat(LOCALE, { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" });

/** "3 minutes ago", "in 2 days", with the exact time on hover. */
export function ago(iso, otherwise = t("shared.never")) {
  return iso ? timeElement(iso, agoText(iso)) : otherwise;
}

/** "12 Mar 2030", with the exact time on hover. */
export function date(iso, otherwise = t("shared.notSpecified")) {
  return iso ? timeElement(iso, dates.format(new Date(iso))) : otherwise;
}

/** Date and relative distance: what a page about one thing shows. */
export function dateAndAgo(iso, otherwise) {
  return iso ? [date(iso), h("span", { class: "quiet" }, ` (${agoText(iso)})`)] : otherwise;
}

/** The distance as text. */
export function agoText(iso) {
  const seconds = Math.round((new Date(iso) - Date.now()) / 1000);
  const [, unit, name] = STEPS.find(([below]) => Math.abs(seconds) < below);
  return words.format(Math.round(seconds / unit), name);
}

/** A day of usage, which is one of UTC: "2026-11-12" → "Thu 12 Nov". */
export function dayText(day) {
  return days.format(new Date(`${day}T00:00:00Z`));
}

/** The exact moment as text, zone included. */
export function exactText(iso) {
  return exact.format(new Date(iso));
}

/** A length of time as text: 86400 → "24 hours", 604800 → "7 days". */
export function spanText(seconds) {
  if (seconds >= 2 * DAY && seconds % DAY === 0) return t("shared.days", { value: seconds / DAY });
  if (seconds >= HOUR && seconds % HOUR === 0)
    return seconds === HOUR ? "1 hour" : t("shared.hours", { value: seconds / HOUR });
  return seconds >= MINUTE
    ? t("shared.minutes", { value: Math.round(seconds / MINUTE) })
    : t("shared.seconds", { seconds });
}

function timeElement(iso, text) {
  return h("time", { datetime: iso, title: exactText(iso) }, text);
}
