// Members of a workspace and their roles, and those who were invited.

import { parts, t } from "../base/texts.js";
import { ask, change } from "../base/api.js";
import { toUrlPath } from "../base/base-path.js";
import { h } from "../base/dom.js";
import { whyNot } from "../base/expand.js";
import { EMAIL_LENGTH_MAX } from "../base/limits.js";
import { sendsMail } from "../base/sign-in-ways.js";
import { go, render } from "../base/router.js";
import { calledBy, who } from "../base/session.js";
import { date } from "../base/time.js";
import { forgetWorkspaces, loadWorkspace, may, roleTitle } from "../base/workspace.js";
import { pageArguments } from "../base/token-query.js";
import { actorLinks } from "../parts/actor.js";
import { address } from "../parts/address.js";
import { confirmed } from "../parts/confirm.js";
import { openDialog } from "../parts/dialog.js";
import { radioField, textField } from "../parts/field.js";
import { form } from "../parts/form.js";
import { INVITATIONS, invitationsSection } from "../parts/invitations.js";
import { menuButton } from "../parts/menu.js";
import { say } from "../parts/notice.js";
import { pager } from "../parts/pager.js";
import { showSecret } from "../parts/secret-dialog.js";
import { table } from "../parts/table.js";
import { missingPage } from "./missing.js";

const LIST = `query ($id: ID!, $first: Int, $after: String, $last: Int, $before: String) {
  workspace(id: $id) { members(first: $first, after: $after, last: $last, before: $before) {
    nodes { userId name email emailProven role createdAt }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }
    ${INVITATIONS} } }`;
const ADD = `mutation ($input: AddMemberInput!) { answer: addMember(input: $input) {
  __typename ... on AddMemberSuccess { invitationCode invitation { email } } ...Why } }`;
const CHANGE_ROLE = `mutation ($input: ChangeMemberRoleInput!) { answer: changeMemberRole(input: $input) {
  __typename ... on ChangeMemberRoleSuccess { member { userId role } } ...Why } }`;

/** The page. */
export async function membersPage({ id }, query) {
  const workspace = await loadWorkspace(id);
  if (!workspace || !may(workspace, "members:read")) return missingPage();
  const { members, invitations } = (await ask(LIST, { id, ...pageArguments(query, 50) })).workspace;
  const writes = may(workspace, "members:write");
  const columns = [
    {
      title: t("people.email"),
      cell: (one) => [address(one), one.userId === who().id ? h("span", { class: "quiet" }, " (you)") : null],
    },
    { title: t("people.name"), cell: (one) => one.name },
    { title: t("people.role"), cell: (one) => roleTitle(workspace, one.role) },
    { title: t("people.since"), cell: (one) => date(one.createdAt) },
    { title: t("people.activity"), cell: (one) => actorLinks(workspace, { id: one.userId, name: one.email }) },
    { title: t("people.actions"), cell: (one) => actions(workspace, one), hidden: !writes, class: "narrow-cell" },
  ];
  const turn = (to) => go(`/workspace/${id}/members?${new URLSearchParams(to)}`);
  const add = writes
    ? h("button", { type: "button", class: "main", onclick: () => addMember(workspace) }, t("people.inviteMember"))
    : null;
  const text = t("people.membersAbout");
  const body = [
    h("p", {}, text),
    table({ caption: t("people.members"), columns, rows: members.nodes }),
    pager(members.pageInfo, turn),
    invitationsSection(workspace, invitations, writes),
  ];
  return { title: t("people.members"), workspace, current: "members", actions: [add], body };
}

function actions(workspace, member) {
  const above = whyNot(workspace, workspace.roles.find((one) => one.name === member.role)?.scopes ?? []);
  if (above) return h("span", { class: "quiet" }, t("people.aboveYours"));
  const items = [
    { label: t("people.changeRole"), act: () => changeRole(workspace, member) },
    { label: t("people.remove"), act: () => removeMember(workspace, member), danger: true },
  ];
  return menuButton({ label: "⋯", name: t("shared.actionsFor", { name: called(member) }), items });
}

async function addMember(workspace) {
  const content = (close) =>
    form({
      fields: [
        textField({
          name: "email",
          label: t("people.email"),
          type: "email",
          required: true,
          maxlength: EMAIL_LENGTH_MAX,
        }),
        roleField(workspace, null),
      ],
      submit: t("people.invite"),
      cancel: () => close(undefined),
      send: async ({ email, role }) => close(await change(ADD, { workspaceId: workspace.id, email, role: role ?? "" })),
    });
  const answer = await openDialog({ title: t("people.inviteTitle", { name: workspace.name }), content }).closed;
  if (!answer) return;
  await showInvitation(answer);
  await render();
}

function showInvitation({ invitation, invitationCode }) {
  const page = location.origin + toUrlPath("/invitation");
  const next = h(
    "p",
    {},
    t("people.invitedSend", { email: invitation.email }),
    " ",
    parts("people.invitedWhere", { page: h("code", { class: "breakable" }, page) }),
    sendsMail ? [" ", t("people.invitedMailed")] : null,
  );
  return showSecret({
    title: t("people.invitedTitle", { email: invitation.email }),
    secret: invitationCode,
    what: t("people.theInvitationCode"),
    next,
  });
}

async function changeRole(workspace, member) {
  const content = (close) => [
    h("p", {}, t("people.changeRoleText")),
    form({
      fields: [roleField(workspace, member.role)],
      submit: t("people.changeRole"),
      cancel: () => close(undefined),
      send: async ({ role }) =>
        close(await change(CHANGE_ROLE, { workspaceId: workspace.id, userId: member.userId, role })),
    }),
  ];
  if (await openDialog({ title: t("people.roleOf", { member: called(member) }), content }).closed) await changed();
}

async function removeMember(workspace, member) {
  const document = `mutation ($input: RemoveMemberInput!) { answer: removeMember(input: $input) {
    __typename ... on RemoveMemberSuccess { removedMemberId } ...Why } }`;
  const done = await confirmed({
    title: t("people.removeTitle", { member: called(member) }),
    text: t("people.removeText"),
    button: t("people.removeMember"),
    act: async () => {
      await change(document, { workspaceId: workspace.id, userId: member.userId });
      say(t("people.wasRemoved", { member: called(member) }));
    },
  });
  if (done) await changed();
}

/** What a member is called in titles and messages. */
function called({ email, userId }) {
  return calledBy({ email, id: userId });
}

/** One's own role may have changed too. */
async function changed() {
  forgetWorkspaces();
  await render();
}

function roleField(workspace, value) {
  const options = workspace.roles.map((role) => {
    const reason = whyNot(workspace, role.scopes);
    const hint = reason ? t("people.mayNotGive", { description: role.description }) : role.description;
    return { value: role.name, label: role.title, hint, disabled: reason !== null };
  });
  // A form sent in haste makes no owner: the role with the fewest scopes is chosen at first.
  const least = [...workspace.roles].sort((a, b) => a.scopes.length - b.scopes.length)[0];
  return radioField({ name: "role", label: t("people.role"), options, value: value ?? least?.name });
}
