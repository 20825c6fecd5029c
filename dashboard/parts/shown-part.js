// What may be shown of a token after its creation, and by which words: products whose tokens hold roles show the first
// 10 characters and call a token's name its label, all others show the prefix of 12.

import { t } from "../base/texts.js";
import { h } from "../base/dom.js";

/** Whether tokens of this workspace hold roles. */
export function holdRoles(workspace) {
  return workspace.product.tokenRoles.length > 0;
}

/** What a token's name is called. */
export function nameWord(workspace) {
  return holdRoles(workspace) ? t("tokens.label") : t("tokens.name");
}

/** What the shown part is called. */
export function shownWord(workspace) {
  return holdRoles(workspace) ? t("tokens.shownToken") : t("tokens.keyPrefix");
}

/** The token as it is shown: its beginning, and a sign that there is more. */
export function shown(workspace, token) {
  return holdRoles(workspace) ? token.maskedToken : token.prefix;
}

/** The same as an element. */
export function shownCode(workspace, token) {
  return h("code", {}, shown(workspace, token));
}

/** What of it may be copied: the characters that are shown, without the sign. */
export function copyable(workspace, token) {
  return shown(workspace, token).replace(/[•…]+$/, "");
}
