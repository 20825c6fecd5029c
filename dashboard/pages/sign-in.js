// Signing in: as a page at whatever address was asked for, or as a dialog when a session ended meanwhile.

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
  const invited = h(
    "p",
    {},
    "Were you invited? ",
    h("a", { href: "/invitation" }, "Accept the invitation"),
    " with the code you received.",
  );
  const ways = [
    elsewhere({}),
    provider && takesPasswords ? h("p", { class: "quiet" }, "Or with a password:") : null,
    takesPasswords ? signInForm(then) : null,
    takesPasswords ? h("p", {}, h("a", { href: "/password" }, "Forgotten your password?")) : null,
    takesPasswords ? invited : null,
  ];
  return { title: "Sign in", body: h("div", { class: "narrow" }, ways) };
}

/** The way that leads to another page, which knows the reader: the provider's or the host's. */
function elsewhere(attributes) {
  if (provider) {
    const there = { ...attributes, class: "button main", rel: "external" };
    const link = h("a", there, `Sign in with ${provider}`);
    link.href = providerUrl();
    return h("p", {}, link);
  }
  if (hostPage) {
    const link = h("a", { ...attributes, class: "button main", rel: "external" }, "Sign in");
    link.href = hostPage;
    return [h("p", {}, "You are not signed in."), h("p", {}, link)];
  }
  if (takesPasswords) return null;
  return h("p", {}, "You are not signed in. Sign in to the application that this page belongs to, then reload it.");
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
    title: "Sign in again",
    dismissable: before === null,
    content: (close) => [
      h(
        "p",
        {},
        "Your session has ended, or another person has signed in with this browser. " +
          "Sign in to continue where you were; what you entered is kept.",
      ),
      elsewhere({ target: "_blank" }),
      provider && takesPasswords ? h("p", { class: "quiet" }, "Or with a password:") : null,
      takesPasswords ? signInForm(() => close(true), before?.signInName ?? before?.id) : null,
      takesPasswords && !provider ? null : (whenBack(close), null),
    ],
  });
  if (!(await dialog.closed)) throw new ApiError("signed-out", "You are not signed in.");
  forgetWorkspaces();
  if (before && before.id !== who().id) location.reload();
}

function signInForm(then, email = "") {
  return form({
    fields: [
      textField({
        name: "email",
        label: "Sign-in name",
        hint: "The e-mail address you were invited by, unless you chose another name; or your account's id.",
        spellcheck: "false",
        autocapitalize: "none",
        value: email,
        required: true,
        maxlength: EMAIL_LENGTH_MAX,
        autocomplete: "username",
      }),
      textField({
        name: "password",
        label: "Password",
        type: "password",
        required: true,
        autocomplete: "current-password",
      }),
    ],
    submit: "Sign in",
    send: async ({ email: address, password }, element) => {
      for (const [name, text] of Object.entries({ email: address, password })) {
        if (!holdsSecret(text)) continue;
        element.elements[name].value = "";
        setFieldError(
          element,
          name,
          "This is an API token. Tokens are for programs and cannot sign in: use your password. " +
            "The token was not sent anywhere.",
        );
        element.elements[name].focus();
        return;
      }
      await signIn(address, password);
      await then();
    },
  });
}
