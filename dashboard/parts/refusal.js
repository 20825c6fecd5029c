// A refused use of a token, in plain words: what happened, and what its owner can do about it.

import { parts, t } from "../base/texts.js";
import { h } from "../base/dom.js";
import { ago } from "../base/time.js";
import { alertBox } from "./alert.js";

/** The action of such an event. */
export const REFUSED = "TOKEN_REFUSED";

const SHOWN_DAYS = 30;
const REASONS = {
  expired: ["audit.usedAfterItHadExpired", "audit.adviceExpired"],
  disabled: ["audit.usedWhileItWasDisabled", "audit.adviceDisabled"],
  revoked: ["audit.usedAfterItWasRevoked", "audit.adviceRevoked"],
  suspended: ["audit.usedWhileTheWorkspaceWas", "audit.adviceSuspended"],
  rotated: ["audit.refusedRotated", "audit.adviceRotated"],
  live: ["audit.aLiveTokenWasSent", "audit.adviceLive"],
  test: ["audit.aTestTokenWasSent", "audit.adviceTest"],
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
  const { ip, userAgent } = event;
  const facts = { what, time: ago(event.createdAt), ip, userAgent };
  const line = !ip
    ? parts("audit.refusedNotice", facts)
    : userAgent
      ? parts("audit.refusedNoticeFromBy", facts)
      : parts("audit.refusedNoticeFrom", facts);
  return alertBox("warning", [line, " ", h("span", { class: "breakable" }, advice)]);
}

function known({ after }) {
  const { reason, environment } = after ?? {};
  const found = REASONS[reason === "environment" ? environment : reason];
  return found?.map((text) => t(text)) ?? [t("audit.refused", { reason: reason ?? t("audit.noReason") }), ""];
}

/** A token that was enabled or prolonged since needs no advice about it. */
function isOver({ after }, { status }) {
  return status === "ACTIVE" && ["disabled", "expired"].includes(after?.reason);
}
