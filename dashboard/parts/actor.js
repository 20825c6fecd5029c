// Who did something. Anyone may choose a name, so the kind stands beside it and the id below it.

import { t } from "../base/texts.js";
import { h } from "../base/dom.js";
import { may } from "../base/workspace.js";
import { unprovenMark } from "./address.js";

const KINDS = {
  PERSON: "people.person",
  TOKEN: "people.token",
  OPERATOR: "people.operator",
  SERVICE: "people.service",
  EXTERNAL: "people.appUser",
  SYSTEM: "people.system",
};

/** Of these there is one each, so that the kind says who it is. */
const ONLY_ONE = new Set(["OPERATOR", "SYSTEM"]);

/** The name and the kind of an actor. The id shows on hover. */
export function actorName({ kind, actorId, name, unproven }) {
  const badge = h("span", { class: "badge" }, t(KINDS[kind] ?? kind));
  if (ONLY_ONE.has(kind)) return h("span", { class: "actor", title: actorId }, badge);
  const shown = name || (kind === "EXTERNAL" ? actorId : h("span", { class: "quiet" }, t("people.erased")));
  const named = kind === "TOKEN" ? h("a", { href: `/token/${actorId}` }, shown) : shown;
  const mark = unproven ? unprovenMark() : null;
  return h("span", { class: "actor", title: actorId }, named, mark, " ", badge);
}

/** The same with the id on a second line. */
export function actorCell(actor) {
  if (ONLY_ONE.has(actor.kind)) return actorName(actor);
  return [actorName(actor), h("div", { class: "quiet" }, h("code", {}, actor.actorId))];
}

/** Links to what an actor made and did in a workspace. */
export function actorLinks(workspace, { id, name }) {
  const of = new URLSearchParams({ by: id });
  const link = (path, text) =>
    h(
      "a",
      {
        href: `/workspace/${workspace.id}/${path}?${of}`,
        "aria-label": t("people.linksOf", { text, value: name || id }),
      },
      text,
    );
  const made = may(workspace, "tokens:read") ? link("access-tokens", t("people.tokensMade")) : null;
  const did = may(workspace, "audit:read") ? link("audit-log", t("people.log")) : null;
  return made && did ? [made, " · ", did] : [made, did];
}
