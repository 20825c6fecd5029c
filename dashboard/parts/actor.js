// Who did something. Anyone may choose a name, so the kind stands beside it and the id below it.

import { h } from "../base/dom.js";

const KINDS = {
  PERSON: "person",
  TOKEN: "token",
  OPERATOR: "operator",
  SERVICE: "service",
  SYSTEM: "Spacekey itself",
};

/** The name and the kind of an actor. The id shows on hover. */
export function actorName({ kind, id, name }) {
  const shown = kind === "TOKEN" ? h("a", { href: `/token/${id}` }, name || "erased") : name || "erased";
  return h("span", { class: "actor", title: id }, shown, " ", h("span", { class: "badge" }, KINDS[kind] ?? kind));
}

/** The same with the id on a second line. */
export function actorCell(actor) {
  return [actorName(actor), h("div", { class: "quiet" }, h("code", {}, actor.id))];
}
