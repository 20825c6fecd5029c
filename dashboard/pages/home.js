// The reader's workspaces: where to go, and how to make another.

import { t } from "../base/texts.js";
import { ask, change } from "../base/api.js";
import { h } from "../base/dom.js";
import { NAME_LENGTH_MAX, SLUG_LENGTH_MAX } from "../base/limits.js";
import { go } from "../base/router.js";
import { openDialog } from "../parts/dialog.js";
import { empty } from "../parts/empty.js";
import { selectField, textField } from "../parts/field.js";
import { form } from "../parts/form.js";
import { pager } from "../parts/pager.js";
import { slugOf } from "../base/slug.js";
import { pageArguments } from "../base/token-query.js";

const LIST = `query ($first: Int, $after: String, $last: Int, $before: String, $some: Boolean!) {
  workspaces(first: $first, after: $after, last: $last, before: $before) @include(if: $some) {
    nodes { id name slug viewerRole viewerScopes suspendedAt roles { name title } plan { title }
      product { title tokenKinds } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`;
const CREATE = `mutation ($input: CreateWorkspaceInput!) { answer: createWorkspace(input: $input) {
  __typename ... on CreateWorkspaceSuccess { workspace { id } } ...Why } }`;

/** The page. */
export async function homePage(_parameters, query) {
  const { me } = await ask("{ me { scopes workspaceProducts } }");
  const some = me.scopes.includes("workspace:read");
  const { workspaces } = await ask(LIST, { ...pageArguments(query, 50), some });
  const mayCreate = me.workspaceProducts.length > 0;
  const onclick = () => createWorkspace(me.workspaceProducts);
  const create = mayCreate
    ? h("button", { type: "button", class: "main", onclick }, t("workspaces.newWorkspace"))
    : null;
  const accept = h("a", { href: "/invitation", class: "button" }, t("workspaces.acceptAnInvitation"));
  const nodes = workspaces?.nodes ?? [];
  if (!nodes.length) {
    const how = mayCreate ? t("workspaces.createOneOrAskA") : t("workspaces.askItsOwnerForAn");
    const text = t("workspaces.homeAbout", { how });
    return {
      title: t("workspaces.workspaces"),
      body: empty(t("workspaces.youreNotInAWorkspace"), text, create, accept),
    };
  }
  const turn = (to) => go(`/?${new URLSearchParams(to)}`);
  const list = h("ul", { class: "cards" }, nodes.map(card));
  const actions = [accept, create].filter(Boolean);
  return { title: t("workspaces.workspaces"), actions, body: [list, pager(workspaces.pageInfo, turn)] };
}

function card(one) {
  const sees = one.viewerScopes.includes("tokens:read");
  const role = one.roles.find((role) => role.name === one.viewerRole)?.title ?? one.viewerRole;
  const facts = [one.product.title, one.plan ? t("workspaces.plan", { title: one.plan.title }) : null, role]
    .filter(Boolean)
    .join(" · ");
  const href = `/workspace/${one.id}/${sees ? "access-tokens" : "members"}`;
  const suspended = one.suspendedAt ? h("p", { class: "reason" }, t("workspaces.suspended")) : null;
  return h("li", {}, h("a", { href }, one.name), h("p", { class: "quiet" }, facts), suspended);
}

async function createWorkspace(names) {
  const { products: all } = await ask("{ products { name title description } }");
  const products = all.filter((one) => names.includes(one.name));
  const dialog = openDialog({
    title: t("workspaces.newWorkspace"),
    content: (close) =>
      form({
        fields: [
          ...nameFields(),
          selectField({
            name: "product",
            label: t("workspaces.product"),
            hint: t("workspaces.productHint"),
            options: products.map((one) => [one.name, `${one.title}: ${one.description}`]),
          }),
        ],
        submit: t("workspaces.createWorkspace"),
        cancel: () => close(undefined),
        send: async (values) => close(await change(CREATE, values)),
      }),
  });
  const answer = await dialog.closed;
  if (answer) await go(`/workspace/${answer.workspace.id}/access-tokens`);
}

/** Name and slug; the slug follows the name until somebody writes one. */
export function nameFields({ name = "", slug = "" } = {}) {
  const first = textField({
    name: "name",
    label: t("workspaces.name"),
    value: name,
    required: true,
    maxlength: NAME_LENGTH_MAX,
  });
  const second = textField({
    name: "slug",
    label: t("workspaces.slug"),
    value: slug,
    hint: t("workspaces.slugHint"),
    required: true,
    maxlength: SLUG_LENGTH_MAX,
  });
  const [source, target] = [first.querySelector("input"), second.querySelector("input")];
  let own = slug !== "";
  target.addEventListener("input", () => (own = target.value !== ""));
  source.addEventListener("input", () => own || (target.value = slugOf(source.value)));
  return [first, second];
}
