// During a rotation's grace: the old token and the new one, side by side.

import { t } from "../base/texts.js";
import { h } from "../base/dom.js";
import { ago, dateAndAgo } from "../base/time.js";
import { shown } from "./shown-part.js";
import { statusBadge } from "./status.js";

/** The pair, when this token is one of two in a rotation that is not over; else null. */
export function rotationPair(workspace, token) {
  const old = token.rotatedTo ? token : token.rotatedFrom;
  const successor = token.rotatedTo ?? (token.rotatedFrom ? token : null);
  if (!old || !successor || old.status !== "ACTIVE") return null;
  const used = successor.lastUsedAt !== null;
  const advice = used ? t("tokens.rotatingUsed") : t("tokens.rotatingUnused");
  return h(
    "section",
    { class: "pair-section" },
    h("h2", {}, t("tokens.rotating")),
    h("p", {}, advice),
    h(
      "div",
      { class: "pair" },
      side(t("tokens.old"), old, token, shown(workspace, old)),
      side(t("tokens.new"), successor, token, shown(workspace, successor)),
    ),
  );
}

function side(title, one, present, text) {
  const isHere = one.id === present.id;
  const name = isHere ? t("tokens.onThisPage", { text }) : h("a", { href: `/token/${one.id}` }, text);
  const end = one.graceEndsAt ?? one.expiresAt;
  return h(
    "div",
    { class: "card" },
    h("h3", {}, title, " ", statusBadge(one.status)),
    h("p", {}, h("code", {}, name)),
    h(
      "dl",
      { class: "facts" },
      pair(t("tokens.lastUsed"), ago(one.lastUsedAt)),
      pair(t("tokens.ends"), dateAndAgo(end, t("tokens.notSpecified"))),
    ),
  );
}

function pair(name, value) {
  return h("div", {}, h("dt", {}, name), h("dd", {}, value));
}
