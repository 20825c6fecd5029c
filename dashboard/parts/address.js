// An e-mail address, and whether it is known to be that person's.

import { t } from "../base/texts.js";
import { h } from "../base/dom.js";

/** The address with a mark where it is unproven; the id where there is none. one: { email, emailProven, userId, id } */
export function address(one) {
  if (!one.email) return h("span", { class: "quiet" }, one.userId ?? one.id);
  if (one.emailProven) return one.email;
  return [one.email, unprovenMark()];
}

/** What stands behind an address that nothing proves. */
export function unprovenMark() {
  const title = t("people.unprovenTitle");
  return h("span", { class: "quiet", title }, " (unproven)");
}
