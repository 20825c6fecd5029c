// What can be done to a token: which actions its state and the reader's scopes allow, and their dialogs.

import { t } from "../base/texts.js";
import { change } from "../base/api.js";
import { REASON_LENGTH_MAX } from "../base/limits.js";
import { may } from "../base/workspace.js";
import { agoText } from "../base/time.js";
import { confirmed } from "./confirm.js";
import { copyText } from "./copy.js";
import { textField } from "./field.js";
import { say } from "./notice.js";
import { editToken } from "./edit-token.js";
import { rotateToken } from "./rotate-token.js";

/** The actions for one token: { key, label, icon, act, danger }. done() is called after something changed. */
export function tokenActions(workspace, token, done) {
  const { status, disabledAt } = token;
  const then = (doing) => async () => (await doing(workspace, token)) && done();
  const alive = status !== "REVOKED";
  const copy = () => copyText(token.displayId, t("tokens.displayId"));
  // A product whose rows end tokens by revoking alone shows that as its way of throwing away.
  const revokeIcon = workspace.product.presentation.actions.includes("delete") ? "ban" : "trash";
  const disable = { key: "toggle", icon: "pause", label: t("tokens.disable"), act: then(disableToken) };
  const enable = { key: "toggle", icon: "play", label: t("tokens.enable"), act: then(enableToken) };
  const revoke = { key: "revoke", icon: revokeIcon, label: t("tokens.revoke"), act: then(revokeToken), danger: true };
  const remove = { key: "delete", icon: "trash", label: t("tokens.delete"), act: then(deleteToken), danger: true };
  return [
    status === "ACTIVE" && { key: "copy", icon: "copy", label: t("tokens.copy"), act: copy },
    alive &&
      may(workspace, "tokens:update") && { key: "edit", icon: "edit", label: t("tokens.edit"), act: then(editToken) },
    status === "ACTIVE" &&
      mayRotate(workspace) && { key: "rotate", icon: "rotate", label: t("tokens.rotate"), act: then(rotateToken) },
    alive && may(workspace, "tokens:disable") && (disabledAt ? enable : disable),
    alive && may(workspace, "tokens:revoke") && revoke,
    may(workspace, "tokens:delete") && remove,
  ].filter(Boolean);
}

/** Whether the reader may rotate tokens there: one is made, and the old one ends by it. */
function mayRotate(workspace) {
  return may(workspace, "tokens:create") && may(workspace, "tokens:revoke");
}

/** Who would notice: when and from where it was used last. */
export function lastUse(token) {
  if (!token.lastUsedAt) return t("tokens.neverUsedOne");
  const facts = { ago: agoText(token.lastUsedAt), ip: token.lastUsedIp };
  return token.lastUsedIp ? t("tokens.lastUseFrom", facts) : t("tokens.lastUse", facts);
}

async function revokeToken(workspace, token) {
  return confirmed({
    title: t("tokens.revokeTitle", { name: token.name }),
    text: [t("tokens.revokeText"), lastUse(token)],
    fields: [reasonField()],
    button: t("tokens.revokeSubmit"),
    act: async ({ reason }) => {
      await change(mutation("RevokeToken", "revokeToken", "effectiveAt"), { id: token.id, reason: reason || null });
      say(t("tokens.revokedNotice", { name: token.name }));
    },
  });
}

async function deleteToken(workspace, token) {
  return confirmed({
    title: t("tokens.deleteTitle", { name: token.name }),
    text: [t("tokens.deleteText"), lastUse(token)],
    typed: token.status === "REVOKED" ? undefined : token.name,
    button: t("tokens.deleteSubmit"),
    act: async () => {
      await change(mutation("DeleteToken", "deleteToken", "deletedTokenId"), { id: token.id });
      say(t("tokens.wasDeleted", { name: token.name }));
    },
  });
}

async function disableToken(workspace, token) {
  return confirmed({
    title: t("tokens.disableTitle", { name: token.name }),
    text: [t("tokens.disableText"), lastUse(token)],
    button: t("tokens.disableSubmit"),
    act: async () => {
      await change(mutation("DisableToken", "disableToken", "effectiveAt"), { id: token.id });
      say(t("tokens.isDisabled", { name: token.name }));
    },
  });
}

async function enableToken(workspace, token) {
  return confirmed({
    title: t("tokens.enableTitle", { name: token.name }),
    text: token.status === "EXPIRED" ? t("tokens.enableExpired") : t("tokens.enableText"),
    button: t("tokens.enableSubmit"),
    danger: false,
    act: async () => {
      await change(mutation("EnableToken", "enableToken", "effectiveAt"), { id: token.id });
      say(t("tokens.isEnabled", { name: token.name }));
    },
  });
}

function reasonField() {
  return textField({
    name: "reason",
    label: t("tokens.reason"),
    hint: t("tokens.reasonHint"),
    required: false,
    maxlength: REASON_LENGTH_MAX,
  });
}

function mutation(input, name, fields) {
  return `mutation ($input: ${input}Input!) { answer: ${name}(input: $input) {
    __typename ... on ${input}Success { ${fields} } ...Why } }`;
}
