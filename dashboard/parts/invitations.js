// Invitations that were not accepted yet, and taking them back.

import { parts, t } from "../base/texts.js";
import { change } from "../base/api.js";
import { h } from "../base/dom.js";
import { whyNot } from "../base/expand.js";
import { render } from "../base/router.js";
import { ago } from "../base/time.js";
import { roleTitle } from "../base/workspace.js";
import { actorName } from "./actor.js";
import { address } from "./address.js";
import { confirmed } from "./confirm.js";
import { say } from "./notice.js";
import { table } from "./table.js";

const WITHDRAW = `mutation ($input: WithdrawInvitationInput!) { answer: withdrawInvitation(input: $input) {
  __typename ... on WithdrawInvitationSuccess { withdrawnInvitationId } ...Why } }`;

/** What the members' page asks for. */
export const INVITATIONS = `invitations(first: 100) {
  nodes { id email emailProven name role createdAt expiresAt invitedBy { kind actorId name unproven } }
  pageInfo { hasNextPage } }`;

function invited({ createdAt, invitedBy }) {
  return parts("people.invitedBy", { time: ago(createdAt), actor: actorName(invitedBy) });
}

/** The section of the members' page; null when no invitation waits. */
export function invitationsSection(workspace, { nodes, pageInfo }, writes) {
  if (!nodes.length) return null;
  const columns = [
    { title: t("people.email"), cell: (one) => address(one) },
    { title: t("people.name"), cell: (one) => one.name },
    { title: t("people.role"), cell: (one) => roleTitle(workspace, one.role) },
    { title: t("people.invited"), cell: (one) => invited(one) },
    { title: t("people.expires"), cell: (one) => ago(one.expiresAt) },
    { title: t("people.actions"), cell: (one) => action(workspace, one), hidden: !writes, class: "narrow-cell" },
  ];
  const more = pageInfo.hasNextPage ? h("p", { class: "hint" }, t("people.theseAreTheNewest100")) : null;
  return h(
    "section",
    {},
    h("h2", {}, t("people.pendingInvitations")),
    table({ caption: t("people.invitations"), columns, rows: nodes }),
    more,
  );
}

function action(workspace, one) {
  const above = whyNot(workspace, workspace.roles.find((role) => role.name === one.role)?.scopes ?? []);
  if (above) return h("span", { class: "quiet" }, t("people.aboveYours"));
  return h(
    "button",
    {
      type: "button",
      class: "small",
      "aria-label": t("people.withdrawNamed", { email: one.email }),
      onclick: () => withdraw(one),
    },
    t("people.withdraw"),
  );
}

async function withdraw(invitation) {
  const done = await confirmed({
    title: t("people.withdrawTitle", { email: invitation.email }),
    text: t("people.withdrawText"),
    button: t("people.withdrawInvitation"),
    act: async () => {
      await change(WITHDRAW, { id: invitation.id });
      say(t("people.theInvitationOfWasWithdrawn", { email: invitation.email }));
    },
  });
  if (done) await render();
}
