// A list without tokens: what a token is for, by the words of the product at hand.

import { h } from "../base/dom.js";
import { empty } from "./empty.js";

const PRACTICE = [
  "One token for each program, so that one can be revoked without stopping the others.",
  "Only the scopes the program needs.",
  "An expiry date, and a rotation before it comes.",
];

/** What to show. step: what to do first, in words. */
export function noTokens({ workspace, space }, step) {
  const texts = [
    `${workspace.product.description} A token stands in for a password when a program calls the API; ` +
      "it cannot sign in here.",
    h("p", {}, "Good practice:"),
    h(
      "ul",
      {},
      PRACTICE.map((one) => h("li", {}, one)),
    ),
    step,
  ];
  return empty(space ? `${space.name} has no tokens yet` : "No tokens yet", texts);
}
