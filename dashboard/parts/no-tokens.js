// A list without tokens: what a token is for, by the words of the product at hand, and the way to the first.

import { t } from "../base/texts.js";
import { h } from "../base/dom.js";
import { empty } from "./empty.js";
import { icon } from "./icons.js";

const PRACTICE = ["tokens.practiceOne", "tokens.practiceScopes", "tokens.practiceExpiry"];

/** What to show. step: what to do first. */
export function noTokens({ workspace, space }, step) {
  const practice = PRACTICE.map((one) => h("li", {}, t(one)));
  const texts = [
    t("tokens.about", { description: workspace.product.description }),
    step,
    h("h3", {}, t("tokens.goodPractice")),
    h("ul", {}, practice),
  ];
  return empty(space ? t("tokens.noneInSpace", { name: space.name }) : t("tokens.none"), texts, { sign: icon("key") });
}
