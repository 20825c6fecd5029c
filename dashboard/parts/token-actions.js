// What can be done to a token: which actions its state and the reader's scopes allow, and their dialogs.

import { change } from "../base/api.js";
import { REASON_LENGTH_MAX } from "../base/limits.js";
import { may } from "../base/workspace.js";
import { agoText } from "../base/time.js";
import { confirmed } from "./confirm.js";
import { copyText } from "./copy.js";
import { textField } from "./field.js";
import { say } from "./notice.js";
import { editToken } from "./edit-token.js";
import { copyWords, copyable } from "./shown-part.js";
import { rotateToken } from "./rotate-token.js";

/** The actions for one token, as menu items. done() is called after something changed. */
export function tokenActions(workspace, token, done) {
  const { status, disabledAt } = token;
  const { label, what } = copyWords(workspace, token);
  const then = (doing) => async () => (await doing(workspace, token)) && done();
  const alive = status !== "REVOKED";
  return [
    status === "ACTIVE" && { label, act: () => copyText(copyable(workspace, token), what) },
    alive && may(workspace, "tokens:update") && { label: "Edit", act: then(editToken) },
    status === "ACTIVE" && mayRotate(workspace) && { label: "Rotate", act: then(rotateToken) },
    alive && !disabledAt && may(workspace, "tokens:disable") && { label: "Disable", act: then(disableToken) },
    alive && disabledAt && may(workspace, "tokens:disable") && { label: "Enable", act: then(enableToken) },
    alive && may(workspace, "tokens:revoke") && { label: "Revoke", act: then(revokeToken), danger: true },
    may(workspace, "tokens:delete") && { label: "Delete", act: then(deleteToken), danger: true },
  ].filter(Boolean);
}

/** Whether the reader may rotate tokens there: one is made, and the old one ends by it. */
function mayRotate(workspace) {
  return may(workspace, "tokens:create") && may(workspace, "tokens:revoke");
}

/** Who would notice: when and from where it was used last. */
export function lastUse(token) {
  if (!token.lastUsedAt) return "It was never used.";
  return `It was last used ${agoText(token.lastUsedAt)}${token.lastUsedIp ? ` from ${token.lastUsedIp}` : ""}.`;
}

/** Revoke several at once: all or none. */
export async function revokeTokens(tokens) {
  const names = tokens.length > 5 ? [...tokens.slice(0, 5), { name: `${tokens.length - 5} more` }] : tokens;
  const used = tokens.filter((one) => one.lastUsedAt).sort((a, b) => (a.lastUsedAt < b.lastUsedAt ? 1 : -1))[0];
  return confirmed({
    title: `Revoke ${tokens.length === 1 ? "1 token" : `${tokens.length} tokens`}?`,
    text: [
      `${names.map((one) => one.name).join(", ")}: programs that use them lose access at once, for good.`,
      used ? `The latest use was ${agoText(used.lastUsedAt)}, of ${used.name}.` : "None of them was ever used.",
    ],
    fields: [reasonField()],
    button: tokens.length === 1 ? "Revoke it" : "Revoke them all",
    act: async ({ reason }) => {
      const ids = tokens.map((one) => one.id);
      await change(mutation("RevokeTokens", "revokeTokens", "effectiveAt"), { ids, reason: reason || null });
      say(tokens.length === 1 ? "1 token was revoked." : `${tokens.length} tokens were revoked.`);
    },
  });
}

async function revokeToken(workspace, token) {
  return confirmed({
    title: `Revoke ${token.name}?`,
    text: [
      "Programs that use it lose access at once. This cannot be undone; the token stays in the list as revoked.",
      lastUse(token),
    ],
    fields: [reasonField()],
    button: "Revoke token",
    act: async ({ reason }) => {
      await change(mutation("RevokeToken", "revokeToken", "effectiveAt"), { id: token.id, reason: reason || null });
      say(`${token.name} was revoked. No program is accepted with it any more.`);
    },
  });
}

async function deleteToken(workspace, token) {
  return confirmed({
    title: `Delete ${token.name}?`,
    text: ["It ends at once and leaves the list. The audit log keeps what happened to it.", lastUse(token)],
    typed: token.status === "REVOKED" ? undefined : token.name,
    button: "Delete token",
    act: async () => {
      await change(mutation("DeleteToken", "deleteToken", "deletedTokenId"), { id: token.id });
      say(`${token.name} was deleted.`);
    },
  });
}

async function disableToken(workspace, token) {
  return confirmed({
    title: `Disable ${token.name}?`,
    text: ["Programs that use it are refused until it is enabled again.", lastUse(token)],
    button: "Disable token",
    act: async () => {
      await change(mutation("DisableToken", "disableToken", "effectiveAt"), { id: token.id });
      say(`${token.name} is disabled.`);
    },
  });
}

async function enableToken(workspace, token) {
  return confirmed({
    title: `Enable ${token.name}?`,
    text:
      token.status === "EXPIRED"
        ? "It has expired as well: requests with it are refused all the same."
        : "Programs that still hold it are accepted again.",
    button: "Enable token",
    danger: false,
    act: async () => {
      await change(mutation("EnableToken", "enableToken", "effectiveAt"), { id: token.id });
      say(`${token.name} is enabled.`);
    },
  });
}

function reasonField() {
  return textField({
    name: "reason",
    label: "Reason",
    hint: "Kept with the token and in the audit log.",
    required: false,
    maxlength: REASON_LENGTH_MAX,
  });
}

function mutation(input, name, fields) {
  return `mutation ($input: ${input}Input!) { answer: ${name}(input: $input) {
    __typename ... on ${input}Success { ${fields} } ...Why } }`;
}
