// Signing in: as a page at whatever address was asked for, or as a dialog when a session ended meanwhile.

import { parts, t } from "../base/texts.js";
import { ApiError } from "../base/api.js";
import { h } from "../base/dom.js";
import { EMAIL_LENGTH_MAX } from "../base/limits.js";
import { holdsSecret } from "../base/secret-shape.js";
import { findPerson, signIn, who } from "../base/session.js";
import { hostPage, provider, providerUrl, takesPasswords } from "../base/sign-in-ways.js";
import { forgetWorkspaces } from "../base/workspace.js";
import { openDialog } from "../parts/dialog.js";
import { setFieldError, textField } from "../parts/field.js";
import { form } from "../parts/form.js";

let asking = null;

/** The page; then() shows what was asked for. */
export function signInPage(then) {
  const link = h("a", { href: "/invitation" }, t("people.acceptIt"));
  const invited = h("p", {}, parts("people.haveInvitation", { link }));
  const ways = [
    elsewhere({}),
    provider && takesPasswords ? h("p", { class: "quiet" }, t("people.orPassword")) : null,
    takesPasswords ? signInForm(then) : null,
    takesPasswords ? h("p", {}, h("a", { href: "/password" }, t("people.forgotPassword"))) : null,
    takesPasswords ? invited : null,
  ];
  return { title: t("people.signIn"), centred: true, body: h("div", { class: "sign-in" }, ways) };
}

/** The way that leads to another page, which knows the reader: the provider's or the host's. */
function elsewhere(attributes) {
  if (provider) {
    const there = { ...attributes, class: "button main", rel: "external" };
    const link = h("a", there, t("people.signInWith", { provider }));
    link.href = providerUrl();
    return h("p", {}, link);
  }
  if (hostPage) {
    const link = h("a", { ...attributes, class: "button main", rel: "external" }, t("people.signIn"));
    link.href = hostPage;
    return [h("p", {}, t("people.youAreNotSignedIn")), h("p", {}, link)];
  }
  if (takesPasswords) return null;
  return h("p", {}, t("people.signInAtHost"));
}

/** Close the dialog when the reader comes back from another tab, signed in there. */
function whenBack(close) {
  const look = async () => {
    if (document.visibilityState !== "visible" || !(await findPerson())) return;
    document.removeEventListener("visibilitychange", look);
    close(true);
  };
  document.addEventListener("visibilitychange", look);
}

/** The dialog over a page whose session ended: what was typed there stays. Resolves once signed in. */
export function signInAgain() {
  asking ??= askAgain().finally(() => (asking = null));
  return asking;
}

async function askAgain() {
  const before = who();
  const dialog = openDialog({
    title: t("people.signInAgain"),
    dismissable: before === null,
    content: (close) => [
      h("p", {}, t("people.sessionEnded")),
      elsewhere({ target: "_blank" }),
      provider && takesPasswords ? h("p", { class: "quiet" }, t("people.orPassword")) : null,
      takesPasswords ? signInForm(() => close(true), before?.signInName ?? before?.id) : null,
      takesPasswords && !provider ? null : (whenBack(close), null),
    ],
  });
  if (!(await dialog.closed)) throw new ApiError("signed-out", t("people.youAreNotSignedIn"));
  forgetWorkspaces();
  if (before && before.id !== who().id) location.reload();
}

function signInForm(then, email = "") {
  return form({
    fields: [
      textField({
        name: "email",
        label: t("people.signInName"),
        hint: t("people.signInHint"),
        spellcheck: "false",
        autocapitalize: "none",
        value: email,
        required: true,
        maxlength: EMAIL_LENGTH_MAX,
        autocomplete: "username",
      }),
      textField({
        name: "password",
        label: t("people.password"),
        type: "password",
        required: true,
        autocomplete: "current-password",
      }),
    ],
    submit: t("people.signIn"),
    send: async ({ email: address, password }, element) => {
      for (const [name, text] of Object.entries({ email: address, password })) {
        if (!holdsSecret(text)) continue;
        element.elements[name].value = "";
        setFieldError(element, name, t("people.signInWithToken"));
        element.elements[name].focus();
        return;
      }
      await signIn(address, password);
      await then();
    },
  });
}
