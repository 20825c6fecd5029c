// The roles of a workspace: what each grants, and changing that.

import { t } from "../base/texts.js";
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
    ? h("button", { type: "button", class: "main", onclick: () => editRole(workspace, null) }, t("workspaces.newRole"))
    : null;
  const tokens = workspace.product.tokenRoles.length ? t("workspaces.rolesOfTokens") : "";
  const text = t("workspaces.rolesAbout", { tokens });
  const cards = workspace.roles.map((role) => card(workspace, role, writes));
  return {
    title: t("workspaces.roles"),
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
            {
              type: "button",
              "aria-label": t("workspaces.editNamed", { title: role.title }),
              onclick: () => editRole(workspace, role),
            },
            t("workspaces.edit"),
          ),
          h(
            "button",
            {
              type: "button",
              class: "danger-text",
              "aria-label": t("workspaces.removeNamed", { title: role.title }),
              onclick: () => removeRole(workspace, role),
            },
            t("workspaces.remove"),
          ),
        )
      : null;
  const yours = workspace.viewerRole === role.name ? h("span", { class: "badge" }, t("workspaces.yourRole")) : null;
  const note = fixed ? t("workspaces.ownerFixed") : "";
  const scopes = h(
    "details",
    {},
    h(
      "summary",
      {},
      t("workspaces.scopes", { count: role.scopes.length }),
      h("span", { class: "unseen" }, t("workspaces.ofRole", { title: role.title })),
    ),
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
      beside: picker.summary,
      fields: [
        textField({
          name: "title",
          label: t("workspaces.title"),
          value: role?.title ?? "",
          required: true,
          maxlength: NAME_LENGTH_MAX,
        }),
        role
          ? null
          : textField({
              name: "name",
              label: t("workspaces.name"),
              hint: t("workspaces.roleNameHint"),
              required: true,
              maxlength: ROLE_NAME_LENGTH_MAX,
            }),
        textField({
          name: "description",
          label: t("workspaces.description"),
          value: role?.description ?? "",
          required: false,
          maxlength: ROLE_DESCRIPTION_LENGTH_MAX,
        }),
        picker.element,
      ],
      submit: role ? t("workspaces.saveRole") : t("workspaces.createRole"),
      cancel: () => close(false),
      send: async ({ title, name, description }) => {
        await change(SET, {
          workspaceId: workspace.id,
          name: role?.name ?? name,
          title,
          description,
          grants: picker.grants(),
        });
        say(t("workspaces.wasSaved", { title }));
        close(true);
      },
    });
  };
  if (
    await openDialog({
      title: role ? t("workspaces.editTheRole", { title: role.title }) : t("workspaces.newRole"),
      wide: true,
      content,
    }).closed
  )
    await changed();
}

async function removeRole(workspace, role) {
  const done = await confirmed({
    title: t("workspaces.removeTheRole", { title: role.title }),
    text: t("workspaces.removeRoleText"),
    button: t("workspaces.removeRole"),
    act: async () => {
      await change(DELETE, { workspaceId: workspace.id, name: role.name });
      say(t("workspaces.wasRemoved", { title: role.title }));
    },
  });
  if (done) await changed();
}

async function changed() {
  forgetWorkspaces();
  await render();
}
