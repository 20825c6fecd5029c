// Invitations that were not accepted yet, and taking them back.

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

/** The section of the members' page; null when no invitation waits. */
export function invitationsSection(workspace, { nodes, pageInfo }, writes) {
  if (!nodes.length) return null;
  const columns = [
    { title: "E-mail", cell: (one) => address(one) },
    { title: "Name", cell: (one) => one.name },
    { title: "Role", cell: (one) => roleTitle(workspace, one.role) },
    { title: "Invited", cell: (one) => [ago(one.createdAt), " by ", actorName(one.invitedBy)] },
    { title: "Good until", cell: (one) => ago(one.expiresAt) },
    { title: "Actions", cell: (one) => action(workspace, one), hidden: !writes, class: "narrow-cell" },
  ];
  const more = pageInfo.hasNextPage ? h("p", { class: "hint" }, "These are the newest 100.") : null;
  return h(
    "section",
    {},
    h("h2", {}, "Invitations not accepted yet"),
    table({ caption: "Invitations", columns, rows: nodes }),
    more,
  );
}

function action(workspace, one) {
  const above = whyNot(workspace, workspace.roles.find((role) => role.name === one.role)?.scopes ?? []);
  if (above) return h("span", { class: "quiet" }, "Above your role");
  return h(
    "button",
    {
      type: "button",
      class: "small",
      "aria-label": `Withdraw the invitation of ${one.email}`,
      onclick: () => withdraw(one),
    },
    "Withdraw",
  );
}

async function withdraw(invitation) {
  const done = await confirmed({
    title: `Withdraw the invitation of ${invitation.email}?`,
    text: "The code they were given is good for nothing from then on. You can invite them again.",
    button: "Withdraw invitation",
    act: async () => {
      await change(WITHDRAW, { id: invitation.id });
      say(`The invitation of ${invitation.email} was withdrawn.`);
    },
  });
  if (done) await render();
}
