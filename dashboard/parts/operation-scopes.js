// Paste a GraphQL operation, get the least scopes that run it.

import { t } from "../base/texts.js";
import { ask } from "../base/api.js";
import { fill, h } from "../base/dom.js";
import { alertBox, errorBox } from "./alert.js";
import { textField } from "./field.js";

/** A text area and a button; found(scopes) is told what the operation needs. */
export function operationScopes(found) {
  const result = h("div", { role: "status" });
  const field = textField({
    name: "operation",
    label: t("tokens.pasteAGraphqlOperation"),
    hint: t("tokens.operationHint"),
    rows: 3,
    spellcheck: "false",
  });
  const onclick = async () => {
    try {
      const document = field.querySelector("textarea").value;
      if (!document.trim()) return;
      const query = "query ($document: String!) { requiredScopes(document: $document) { scopes alternatives } }";
      const { requiredScopes: needs } = await ask(query, { document });
      const never = needs.alternatives.length === 0;
      const text = needs.scopes.length
        ? t("tokens.itNeeds", { scopes: needs.scopes.join(", ") })
        : t("tokens.operationAny");
      fill(result, alertBox("info", never ? t("tokens.operationNever") : text));
      found(needs.scopes);
    } catch (error) {
      fill(result, errorBox(error));
    }
  };
  return h("div", {}, field, h("button", { type: "button", onclick }, t("tokens.findItsScopes")), result);
}
