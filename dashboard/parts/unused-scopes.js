// Scopes that no request needed, and a way to take them off the token.

import { t } from "../base/texts.js";
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
        ? h(
            "button",
            { type: "button", class: "small", "aria-label": t("tokens.removeNamed", { scope }), onclick: act },
            t("tokens.remove"),
          )
        : null;
    return h("li", {}, h("code", {}, scope), " ", button);
  });
  const text = token.lastUsedAt ? t("tokens.unusedSince", { days }) : t("tokens.unusedYet");
  return h(
    "div",
    { class: "unused" },
    h("h3", {}, t("tokens.unused")),
    h("p", {}, text),
    h("ul", { class: "scopes" }, rows),
  );
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
  const note = split.length ? t("tokens.removeSplit", { names: split.map((one) => one.name).join(", ") }) : null;
  return confirmed({
    title: t("tokens.removeScopeTitle", { scope }),
    text: [t("tokens.removeScopeText", { name: token.name }), note].filter(Boolean),
    button: t("tokens.removeScope"),
    act: async () => {
      await change(UPDATE, { id: token.id, grants });
      say(t("tokens.wasRemovedFrom", { scope, name: token.name }));
    },
  });
}
