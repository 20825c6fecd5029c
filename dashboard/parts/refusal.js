// A refused use of a token, in plain words: what happened, and what its owner can do about it.

import { h } from "../base/dom.js";
import { ago } from "../base/time.js";
import { alertBox } from "./alert.js";

/** The action of such an event. */
export const REFUSED = "TOKEN_REFUSED";

const SHOWN_DAYS = 30;
const REASONS = {
  expired: ["Used after it had expired", "Rotate it or create another, and give that to the program."],
  disabled: ["Used while it was disabled", "Enable it, or stop the program that still sends it."],
  revoked: ["Used after it was revoked", "Find the program that still sends it, and give it another token."],
  suspended: ["Used while the workspace was suspended", "Tokens are accepted again once the suspension is lifted."],
  rotated: [
    "Used after it was replaced and its grace was over",
    "Give the program the new token. If no program of yours sent the old one, somebody else has it.",
  ],
  live: [
    "A live token was sent to a test app",
    "Give that app a test token. If the app is not one of yours, rotate this token.",
  ],
  test: ["A test token was sent to a live app", "Give that app a live token."],
};

/** What happened, as a short sentence without its full stop; null for an event of another kind. */
export function refusalText(event) {
  return event.action === REFUSED ? known(event)[0] : null;
}

/**
 * The notice above a token's page, for the newest refused use of it; null when there is none of late,
 * or when its cause is gone.
 */
export function refusalNotice(event, token) {
  if (!event || new Date(event.createdAt) < Date.now() - SHOWN_DAYS * 86_400_000 || isOver(event, token)) return null;
  const [what, advice] = known(event);
  const from = [event.ip ? ` from ${event.ip}` : null, event.userAgent ? ` by ${event.userAgent}` : null];
  const line = [`${what}, `, ago(event.createdAt), from, ". The request was refused. "];
  return alertBox("warning", [line, h("span", { class: "breakable" }, advice)]);
}

function known({ after }) {
  const { reason, environment } = after ?? {};
  return REASONS[reason === "environment" ? environment : reason] ?? [`Refused: ${reason ?? "no reason is known"}`, ""];
}

/** A token that was enabled or prolonged since needs no advice about it. */
function isOver({ after }, { status }) {
  return status === "ACTIVE" && ["disabled", "expired"].includes(after?.reason);
}
