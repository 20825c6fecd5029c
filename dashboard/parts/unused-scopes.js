// Scopes that no request needed, and a way to take them off the token.

import { change } from "../base/api.js";
import { h } from "../base/dom.js";
import { render } from "../base/router.js";
import { may } from "../base/workspace.js";
import { confirmed } from "./confirm.js";
import { UPDATE } from "./edit-token.js";
import { say } from "./notice.js";

/** The list with its buttons. */
export function unusedScopes(workspace, token, unused, days) {
  if (!unused.length) return null;
  const able = may(workspace, "tokens:update") && !token.role;
  const rows = unused.map((scope) => {
    const act = async () => (await remove(workspace, token, scope)) && render();
    const button =
      able && token.scopes.length > 1
        ? h("button", { type: "button", class: "small", "aria-label": `Remove ${scope}`, onclick: act }, "Remove")
        : null;
    return h("li", {}, h("code", {}, scope), " ", button);
  });
  const text = token.lastUsedAt
    ? `No request of the last ${days} days needed these:`
    : "The token was not used yet; these wait for a first use:";
  return h("div", { class: "unused" }, h("h3", {}, "Never used"), h("p", {}, text), h("ul", { class: "scopes" }, rows));
}

/** The grants without this scope; a shorthand that includes it is replaced by the others it stands for. */
export function grantsWithout(workspace, grants, scope) {
  const found = grants.flatMap((grant) => {
    if (grant === scope) return [];
    const wide = workspace.product.shorthands.find((one) => one.name === grant);
    return wide?.scopes.includes(scope) ? wide.scopes.filter((one) => one !== scope) : [grant];
  });
  return [...new Set(found)];
}

async function remove(workspace, token, scope) {
  const grants = grantsWithout(workspace, token.grants, scope);
  const split = workspace.product.shorthands.filter(
    (one) => token.grants.includes(one.name) && one.scopes.includes(scope),
  );
  const note = split.length
    ? `${split.map((one) => one.name).join(", ")} will be replaced by the other scopes it stands for.`
    : null;
  return confirmed({
    title: `Remove ${scope}?`,
    text: [`Requests of ${token.name} that need it are refused from then on.`, note].filter(Boolean),
    button: "Remove scope",
    act: async () => {
      await change(UPDATE, { id: token.id, grants });
      say(`${scope} was removed from ${token.name}.`);
    },
  });
}
