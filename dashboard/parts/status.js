// A token's state as a badge: a sign and a word, colour only on top.

import { t } from "../base/texts.js";
import { h } from "../base/dom.js";
import { agoText } from "../base/time.js";

const STATES = {
  ACTIVE: ["active", "●", "tokens.active"],
  DISABLED: ["disabled", "‖", "tokens.disabled"],
  EXPIRED: ["expired", "◷", "tokens.expired"],
  REVOKED: ["revoked", "✕", "tokens.revoked"],
};

/** The badge. */
export function statusBadge(status) {
  const [name, sign, word] = STATES[status];
  return h("span", { class: `badge ${name}` }, h("span", { "aria-hidden": "true" }, sign), ` ${t(word)}`);
}

/** The class of a table row in this state. */
export function rowClass(status) {
  return `row-${STATES[status][0]}`;
}

/** What else is to know about a state: a rotation's grace or its end, an expiry that comes soon, what comes on top. */
export function statusNote(token) {
  if (token.status === "EXPIRED") {
    const replaced = wasReplaced(token) ? t("tokens.replacedEnded", { ago: agoText(token.graceEndsAt) }) : null;
    return [replaced, token.disabledAt ? t("tokens.alsoDisabled") : null].filter(Boolean).join(". ");
  }
  if (token.status === "ACTIVE" && token.graceEndsAt)
    return t("tokens.replacedEnds", { ago: agoText(token.graceEndsAt) });
  const soon = token.expiresAt && new Date(token.expiresAt) - Date.now() < 7 * 86_400_000;
  return token.status === "ACTIVE" && soon ? t("tokens.expiresSoon", { ago: agoText(token.expiresAt) }) : null;
}

/** Whether it was a rotation that ended this token, and not its own expiry. */
export function wasReplaced({ status, graceEndsAt, expiresAt }) {
  const first = !expiresAt || new Date(graceEndsAt) <= new Date(expiresAt);
  return status === "EXPIRED" && graceEndsAt !== null && first;
}

/** "live" → a badge that says where a token is for. */
export function environmentBadge(environment) {
  return h("span", { class: `badge ${environment}` }, environment);
}
