// An audit event as a sentence: who did what to what, with links. And what each action is called where one is chosen.

import { h } from "../base/dom.js";
import { parts, t } from "../base/texts.js";
import { roleTitle } from "../base/workspace.js";
import { unprovenMark } from "./address.js";
import { refusalText } from "./refusal.js";

/** action → its name, and the sentence of an event. */
const ACTIONS = {
  TOKEN_CREATE: ["audit.tokenCreate", "audit.tokenCreateSentence"],
  TOKEN_UPDATE: ["audit.tokenUpdate", "audit.tokenUpdateSentence"],
  TOKEN_DISABLE: ["audit.tokenDisable", "audit.tokenDisableSentence"],
  TOKEN_ENABLE: ["audit.tokenEnable", "audit.tokenEnableSentence"],
  TOKEN_ROTATE: ["audit.tokenRotate", "audit.tokenRotateSentence"],
  TOKEN_REVOKE: ["audit.tokenRevoke", "audit.tokenRevokeSentence"],
  TOKEN_DELETE: ["audit.tokenDelete", "audit.tokenDeleteSentence"],
  TOKEN_IMPORT: ["audit.tokenImport", "audit.tokenImportSentence"],
  TOKEN_REFUSED: ["audit.tokenRefused", "audit.tokenRefusedSentence"],
  SPACE_CREATE: ["audit.spaceCreate", "audit.spaceCreateSentence"],
  SPACE_UPDATE: ["audit.spaceUpdate", "audit.spaceUpdateSentence"],
  SPACE_DELETE: ["audit.spaceDelete", "audit.spaceDeleteSentence"],
  MEMBER_INVITE: ["audit.memberInvite", "audit.memberInviteSentence"],
  MEMBER_WITHDRAW_INVITATION: ["audit.memberWithdraw", "audit.memberWithdrawSentence"],
  MEMBER_END_INVITATIONS: ["audit.memberEndInvitations", "audit.memberEndInvitationsSentence"],
  MEMBER_JOIN: ["audit.memberJoin", "audit.memberJoinSentence"],
  MEMBER_ADD: ["audit.memberAdd", "audit.memberAddSentence"],
  MEMBER_CHANGE_ROLE: ["audit.memberChangeRole", "audit.memberChangeRoleSentence"],
  MEMBER_REMOVE: ["audit.memberRemove", "audit.memberRemoveSentence"],
  ROLE_SET: ["audit.roleSet", "audit.roleSetSentence"],
  ROLE_REMOVE: ["audit.roleRemove", "audit.roleRemoveSentence"],
  PORTAL_SESSION_OPEN: ["audit.portalOpen", "audit.portalOpenSentence"],
  PORTAL_SESSION_END: ["audit.portalEnd", "audit.portalEndSentence"],
  WORKSPACE_CREATE: ["audit.workspaceCreate", "audit.workspaceCreateSentence"],
  WORKSPACE_UPDATE: ["audit.workspaceUpdate", "audit.workspaceUpdateSentence"],
};
const OTHERS = ["audit.other", "audit.otherSentence"];

/** The actions that a workspace's log has, each with its name. */
export function auditActions() {
  return Object.entries(ACTIONS).map(([action, [name]]) => [actionName(action), t(name)]);
}

/** "MEMBER_CHANGE_ROLE" → "member.change_role", as the log itself writes it. */
export function actionName(action) {
  const [area] = ["PORTAL_SESSION"].filter((one) => action.startsWith(`${one}_`));
  return area
    ? `${area}.${action.slice(area.length + 1)}`.toLowerCase()
    : action.toLowerCase().replace("_", ".");
}

/** The other way round. */
export function actionCalled(name) {
  return name.toUpperCase().replace(".", "_");
}

/** The sentence, as strings and elements. */
export function auditSentence(workspace, one) {
  const [, sentence] = ACTIONS[one.action] ?? OTHERS;
  const role = (facts) => (facts?.role ? roleTitle(workspace, facts.role) : t("audit.nothing"));
  return parts(sentence, {
    actor: actorLink(workspace, one.actor),
    target: targetLink(workspace, one),
    before: role(one.before),
    after: role(one.after),
    role: roleTitle(workspace, Object.keys(one.after ?? one.before ?? {})[0] ?? ""),
    reason: refusalText(one),
    action: actionName(one.action),
  });
}

/** Who did it: a token leads to its page, a person to everything that they did. */
function actorLink(workspace, { kind, actorId, name, unproven }) {
  if (kind === "OPERATOR") return t("audit.theOperator");
  if (kind === "SYSTEM") return t("audit.spacekeyItself");
  const shown = name || (kind === "EXTERNAL" ? actorId : t("audit.someoneErased"));
  const everything = `/workspace/${workspace.id}/audit-log?${new URLSearchParams({ by: actorId })}`;
  const href = kind === "TOKEN" ? `/token/${actorId}` : everything;
  const link = h("a", { href, title: actorId, class: "breakable" }, shown);
  return unproven ? h("span", {}, link, unprovenMark()) : link;
}

/** What it was about, by its name: as it is called now, or as the event wrote it. */
function targetLink(workspace, { targetId: id, targetName, target, before, after }) {
  const name = target?.name ?? targetName ?? after?.name ?? before?.name ?? shortened(id);
  const places = { Token: `/token/${id}`, Space: `/space/${id}/tokens`, Member: `/workspace/${workspace.id}/members` };
  const href = places[target?.__typename];
  return href
    ? h("a", { href, title: id, class: "breakable" }, name)
    : h("strong", { title: id, class: "breakable" }, name);
}

function shortened(id) {
  return id.length > 16 ? `${id.slice(0, 15)}…` : id;
}
