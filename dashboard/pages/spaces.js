// The spaces of a workspace: open, create, rename, delete.

import { t } from "../base/texts.js";
import { ask, change } from "../base/api.js";
import { h } from "../base/dom.js";
import { go, render } from "../base/router.js";
import { date } from "../base/time.js";
import { loadWorkspace, may } from "../base/workspace.js";
import { pageArguments } from "../base/token-query.js";
import { confirmed } from "../parts/confirm.js";
import { openDialog } from "../parts/dialog.js";
import { empty } from "../parts/empty.js";
import { form } from "../parts/form.js";
import { menuButton } from "../parts/menu.js";
import { say } from "../parts/notice.js";
import { pager } from "../parts/pager.js";
import { table } from "../parts/table.js";
import { nameFields } from "./home.js";
import { missingPage } from "./missing.js";

const LIST = `query ($id: ID!, $first: Int, $after: String, $last: Int, $before: String) {
  workspace(id: $id) { spaces(first: $first, after: $after, last: $last, before: $before) {
    nodes { id name slug createdAt } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }`;
const DELETE = `mutation ($input: DeleteSpaceInput!) { answer: deleteSpace(input: $input) {
  __typename ... on DeleteSpaceSuccess { deletedSpaceId } ...Why } }`;
const CREATE = `mutation ($input: CreateSpaceInput!) { answer: createSpace(input: $input) {
  __typename ... on CreateSpaceSuccess { space { id name } } ...Why } }`;
const UPDATE = `mutation ($input: UpdateSpaceInput!) { answer: updateSpace(input: $input) {
  __typename ... on UpdateSpaceSuccess { space { id name } } ...Why } }`;

/** The page. */
export async function spacesPage({ id }, query) {
  const workspace = await loadWorkspace(id);
  if (!workspace || !may(workspace, "spaces:read")) return missingPage();
  const { spaces } = (await ask(LIST, { id, ...pageArguments(query, 50) })).workspace;
  const writes = may(workspace, "spaces:write");
  const create = writes
    ? h("button", { type: "button", class: "main", onclick: () => createSpace(workspace) }, t("workspaces.newSpace"))
    : null;
  const view = { title: t("workspaces.spaces"), workspace, current: "spaces" };
  if (!spaces.nodes.length) {
    const text = t("workspaces.spacesAbout");
    return { ...view, body: empty(t("workspaces.noSpacesYet"), text, create) };
  }
  const columns = [
    { title: t("workspaces.name"), cell: (one) => h("a", { href: `/space/${one.id}/tokens` }, one.name) },
    { title: t("workspaces.slug"), cell: (one) => h("code", {}, one.slug) },
    { title: t("workspaces.created"), cell: (one) => date(one.createdAt) },
    { title: t("workspaces.actions"), cell: (one) => actions(one), hidden: !writes, class: "narrow-cell" },
  ];
  const turn = (to) => go(`/workspace/${id}/spaces?${new URLSearchParams(to)}`);
  return {
    ...view,
    actions: [create],
    body: [table({ caption: t("workspaces.spaces"), columns, rows: spaces.nodes }), pager(spaces.pageInfo, turn)],
  };
}

function actions(space) {
  const items = [
    { label: t("workspaces.rename"), act: () => renameSpace(space) },
    { label: t("workspaces.delete"), act: () => deleteSpace(space), danger: true },
  ];
  return menuButton({ label: "⋯", name: t("shared.actionsFor", { name: space.name }), items });
}

async function createSpace(workspace) {
  const answer = await ofDialog(t("workspaces.newSpace"), t("workspaces.createSpace"), {}, (values) =>
    change(CREATE, {
      ...values,
      workspaceId: workspace.id,
    }),
  );
  if (answer) await go(`/space/${answer.space.id}/tokens`);
}

async function renameSpace(space) {
  const answer = await ofDialog(
    t("workspaces.renameTitle", { name: space.name }),
    t("workspaces.save"),
    space,
    (values) =>
      change(UPDATE, {
        ...values,
        id: space.id,
      }),
  );
  if (answer) await render();
}

async function deleteSpace(space) {
  const done = await confirmed({
    title: t("workspaces.deleteSpaceTitle", { name: space.name }),
    text: t("workspaces.deleteSpaceText"),
    typed: space.slug,
    button: t("workspaces.deleteSpace"),
    act: async () => {
      await change(DELETE, { id: space.id });
      say(t("workspaces.wasDeleted", { name: space.name }));
    },
  });
  if (done) await render();
}

function ofDialog(title, submit, present, send) {
  const content = (close) =>
    form({
      fields: nameFields(present),
      submit,
      cancel: () => close(undefined),
      send: async (values) => close(await send(values)),
    });
  return openDialog({ title, content }).closed;
}
