// Where a new token belongs: the workspace or one of its spaces, which are looked for by name when there are many.

import { t } from "../base/texts.js";
import { ask } from "../base/api.js";
import { fill, h } from "../base/dom.js";
import { NAME_LENGTH_MAX } from "../base/limits.js";
import { selectField, textField } from "./field.js";

const WAIT_MS = 250;
const SPACES = `query ($id: ID!, $text: String) { workspace(id: $id) { spaces(first: 100, text: $text) {
  nodes { id name } pageInfo { hasNextPage } } } }`;

/** The first page of a workspace's spaces by name, perhaps of those whose name or slug holds the text. */
export async function someSpaces(workspace, text = null) {
  return (await ask(SPACES, { id: workspace.id, text })).workspace.spaces;
}

/** The field, named "space"; null when there is nothing to choose. spaces: the first page of them. */
export function spaceField(workspace, spaces) {
  const { tokenKinds } = workspace.product;
  const whole = tokenKinds.includes("WORKSPACE") ? [["", t("tokens.theWholeWorkspace")]] : [];
  const options = (nodes) => [...whole, ...nodes.map((one) => [one.id, t("tokens.space", { name: one.name })])];
  if (!spaces.nodes.length) return null;
  const field = selectField({ name: "space", label: t("tokens.belongsTo"), options: options(spaces.nodes) });
  if (!spaces.pageInfo.hasNextPage) return field;
  return h("div", {}, searchBox(workspace, field.querySelector("select"), options), field);
}

function searchBox(workspace, select, options) {
  const status = h("p", { class: "hint", role: "status" }, t("tokens.moreSpaces"));
  const search = textField({
    name: "spaceSearch",
    label: t("tokens.findASpace"),
    type: "search",
    placeholder: t("tokens.partOfItsNameOr"),
    maxlength: NAME_LENGTH_MAX,
    spellcheck: "false",
  });
  const box = search.querySelector("input");
  let asked = 0;
  let timer;
  const look = async () => {
    const mine = (asked += 1);
    try {
      const { nodes, pageInfo } = await someSpaces(workspace, box.value.trim() || null);
      if (mine !== asked) return;
      fill(
        select,
        options(nodes).map(([value, text]) => h("option", { value }, text)),
      );
      if (box.value.trim() && nodes.length) select.value = nodes[0].id;
      const count = pageInfo.hasNextPage
        ? t("tokens.spacesFirst")
        : nodes.length === 1
          ? t("tokens.1SpaceIsFound")
          : t("tokens.spacesAreFound", { count: nodes.length });
      fill(status, nodes.length ? `${count}.` : t("tokens.noSpace"));
    } catch (error) {
      fill(status, error.message);
    }
  };
  box.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(look, WAIT_MS);
  });
  box.addEventListener("keydown", (event) => event.key === "Enter" && event.preventDefault());
  search.append(status);
  return search;
}
