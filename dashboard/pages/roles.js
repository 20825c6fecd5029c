// The roles of a workspace: what each grants, and changing that.

import { change } from "../base/api.js";
import { h } from "../base/dom.js";
import { whyNot } from "../base/expand.js";
import { NAME_LENGTH_MAX, ROLE_DESCRIPTION_LENGTH_MAX, ROLE_NAME_LENGTH_MAX } from "../base/limits.js";
import { render } from "../base/router.js";
import { forgetWorkspaces, loadWorkspace, may } from "../base/workspace.js";
import { confirmed } from "../parts/confirm.js";
import { openDialog } from "../parts/dialog.js";
import { textField } from "../parts/field.js";
import { form } from "../parts/form.js";
import { say } from "../parts/notice.js";
import { scopePicker } from "../parts/scope-picker.js";
import { missingPage } from "./missing.js";

const OWNER = "owner";
const SET = `mutation ($input: SetRoleInput!) { answer: setRole(input: $input) {
  __typename ... on SetRoleSuccess { workspace { id } } ...Why } }`;
const DELETE = `mutation ($input: DeleteRoleInput!) { answer: deleteRole(input: $input) {
  __typename ... on DeleteRoleSuccess { deletedRoleName } ...Why } }`;

/** The page. */
export async function rolesPage({ id }) {
  const workspace = await loadWorkspace(id, { afresh: true });
  if (!workspace) return missingPage();
  const writes = may(workspace, "workspace:write");
  const add = writes
    ? h("button", { type: "button", class: "main", onclick: () => editRole(workspace, null) }, "New role")
    : null;
  const tokens = workspace.product.tokenRoles.length
    ? " Tokens of this workspace hold roles too, and change with them."
    : "";
  const text = `A role is what a member may do here. A change holds at once, for everyone who has the role.${tokens}`;
  const cards = workspace.roles.map((role) => card(workspace, role, writes));
  return {
    title: "Roles",
    workspace,
    current: "roles",
    actions: [add],
    body: [h("p", {}, text), h("div", { class: "stack" }, cards)],
  };
}

function card(workspace, role, writes) {
  const fixed = role.name === OWNER;
  const above = whyNot(workspace, role.scopes);
  const buttons =
    writes && !fixed && !above
      ? h(
          "div",
          { class: "actions" },
          h(
            "button",
            { type: "button", "aria-label": `Edit ${role.title}`, onclick: () => editRole(workspace, role) },
            "Edit",
          ),
          h(
            "button",
            {
              type: "button",
              class: "danger-text",
              "aria-label": `Remove ${role.title}`,
              onclick: () => removeRole(workspace, role),
            },
            "Remove",
          ),
        )
      : null;
  const yours = workspace.viewerRole === role.name ? h("span", { class: "badge" }, "your role") : null;
  const note = fixed ? " It cannot be changed: an owner must always be able to set things right." : "";
  const scopes = h(
    "details",
    {},
    h("summary", {}, `${role.scopes.length} scopes`, h("span", { class: "unseen" }, ` of ${role.title}`)),
    h(
      "p",
      {},
      role.scopes.map((one) => h("code", { class: "grant" }, one)),
    ),
  );
  return h(
    "section",
    { class: "card" },
    h("div", { class: "card-head" }, h("h2", {}, role.title, " ", yours), buttons),
    h("p", {}, `${role.description}.${note}`),
    scopes,
  );
}

async function editRole(workspace, role) {
  const content = (close) => {
    const picker = scopePicker(workspace, role?.grants ?? []);
    return form({
      fields: [
        textField({
          name: "title",
          label: "Title",
          value: role?.title ?? "",
          required: true,
          maxlength: NAME_LENGTH_MAX,
        }),
        role
          ? null
          : textField({
              name: "name",
              label: "Name",
              hint: "A lower-case word for the API, like reviewer.",
              required: true,
              maxlength: ROLE_NAME_LENGTH_MAX,
            }),
        textField({
          name: "description",
          label: "Description",
          value: role?.description ?? "",
          required: false,
          maxlength: ROLE_DESCRIPTION_LENGTH_MAX,
        }),
        picker.element,
      ],
      submit: role ? "Save role" : "Create role",
      cancel: () => close(false),
      send: async ({ title, name, description }) => {
        await change(SET, {
          workspaceId: workspace.id,
          name: role?.name ?? name,
          title,
          description,
          grants: picker.grants(),
        });
        say(`${title} was saved.`);
        close(true);
      },
    });
  };
  if (await openDialog({ title: role ? `Edit the role ${role.title}` : "New role", wide: true, content }).closed)
    await changed();
}

async function removeRole(workspace, role) {
  const done = await confirmed({
    title: `Remove the role ${role.title}?`,
    text: "Tokens that hold it come to nothing at once. Members must have another role first.",
    button: "Remove role",
    act: async () => {
      await change(DELETE, { workspaceId: workspace.id, name: role.name });
      say(`${role.title} was removed.`);
    },
  });
  if (done) await changed();
}

async function changed() {
  forgetWorkspaces();
  await render();
}
