// The tokens that a list folds away, such as revoked ones: how many they are, and the button that shows them.

import { h } from "../base/dom.js";
import { plural, t } from "../base/texts.js";

const kinds = () => ({
  "EXPIRED REVOKED": {
    show: (count) => plural("tokens.showEnded", count),
    showAny: () => t("tokens.showEndedAny"),
    hide: () => t("tokens.hideEnded"),
    others: () => t("tokens.notEnded"),
  },
  EXPIRED: {
    show: (count) => plural("tokens.showExpired", count),
    showAny: () => t("tokens.showExpiredAny"),
    hide: () => t("tokens.hideExpired"),
    others: () => t("tokens.notExpired"),
  },
  REVOKED: {
    show: (count) => plural("tokens.showRevoked", count),
    showAny: () => t("tokens.showRevokedAny"),
    hide: () => t("tokens.hideRevoked"),
    others: () => t("tokens.notRevoked"),
  },
});

/** The button; null if there is nothing to show. toggle(open) is called with what the reader wants. */
export function foldedButton({ statuses, open, count }, toggle) {
  if (!isSomethingFolded({ statuses, count })) return null;
  const { show, showAny, hide } = kindOf(statuses);
  const text = open ? hide() : count === null ? showAny() : show(count);
  return h("button", { type: "button", class: "plain link folded", onclick: () => toggle(!open) }, text);
}

/** What the tokens that are shown all the same are called, as a choice of statuses. */
export function unfoldedText(statuses) {
  return kindOf(statuses).others();
}

/** Whether there is something; count is null if there are too many tokens to count them. */
export function isSomethingFolded({ statuses, count }) {
  return statuses.length > 0 && count !== 0;
}

function kindOf(statuses) {
  return kinds()[[...statuses].sort().join(" ")];
}
