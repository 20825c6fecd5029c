// Every text of the dashboard by name, in the words of the product whose pages are shown.
//
// The texts stand in dashboard/texts/, one file for each topic, and nowhere else. To add one, write it there as
//   "tokens.revoked": "{name} was revoked.",
// and show it with t("tokens.revoked", { name }). Between braces stand values of the caller's, and the product's words:
// {token}, {tokens}, {Token}, {Tokens}, {aToken}, {AToken} ("an API key"), and {product}. A text that holds a link or
// another element is shown with parts("people.invited", { link }), a number of things with plural("tokens.count", 3),
// which takes "tokens.count.one" or "tokens.count.other". Call them when something is drawn, never while a module is
// loaded: a product replaces texts by their names in its file, under [presentation.texts], and may do so in its own
// language.

import { LOCALE, numberText } from "./locale.js";
import { PEOPLE } from "../texts/people.js";
import { SHARED } from "../texts/shared.js";
import { TOKENS } from "../texts/tokens.js";
import { WORKSPACES } from "../texts/workspaces.js";

const DEFAULTS = { ...PEOPLE, ...SHARED, ...TOKENS, ...WORKSPACES };
const SPACEKEY = { title: "Spacekey", presentation: null };
const PLACE = /\{(\w+)\}/g;
let serverProduct = SPACEKEY;
let shownProduct = SPACEKEY;
let replaced = textsOf(shownProduct);
let words = wordsOf(shownProduct);

/** Add the texts of modules that come later. */
export function addTexts(texts) {
  Object.assign(DEFAULTS, texts);
}

/** Take a product's words and texts from now on; null for those of pages that belong to no workspace. */
export function speakAs(product) {
  shownProduct = product ?? serverProduct;
  replaced = textsOf(shownProduct);
  words = wordsOf(shownProduct);
}

/** Say for which product the whole server is: pages that belong to no workspace speak as it does. */
export function serveProduct(product) {
  serverProduct = product;
  speakAs(null);
}

/** How the product whose pages are shown presents itself; null for Spacekey. */
export function presentation() {
  return shownProduct.presentation;
}

/** The text of this name, with values in their places. */
export function t(name, values = {}) {
  return source(name).replace(PLACE, (place, key) => shown(values[key] ?? words[key], place));
}

/** The same as a list of strings and elements, for texts with an element in them. */
export function parts(name, values) {
  return source(name)
    .split(PLACE)
    .map((part, index) => (index % 2 ? (values[part] ?? words[part] ?? `{${part}}`) : part));
}

/** A text about a number of things, {count}: "1 token", "1,204 tokens". */
export function plural(name, count, values = {}) {
  const form = new Intl.PluralRules(LOCALE).select(count);
  const found = `${name}.${form}` in DEFAULTS ? `${name}.${form}` : `${name}.other`;
  return t(found, { count, ...values });
}

function textsOf({ presentation }) {
  return Object.fromEntries((presentation?.texts ?? []).map(({ name, text }) => [name, text]));
}

function source(name) {
  return replaced[name] ?? DEFAULTS[name] ?? name;
}

function shown(value, otherwise) {
  if (value === undefined || value === null) return otherwise;
  return typeof value === "number" ? numberText(value) : String(value);
}

function wordsOf({ title, presentation }) {
  const { token, tokens } = presentation ?? { token: "token", tokens: "tokens" };
  const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
  const article = /^[aeiou]/i.test(token) ? "an" : "a";
  const aToken = `${article} ${token}`;
  const capitals = { Token: capital(token), Tokens: capital(tokens), AToken: capital(aToken) };
  return { token, tokens, aToken, ...capitals, product: title };
}
