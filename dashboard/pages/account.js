// The reader's own account: theme, password, sessions, signing out.

import { h } from "../base/dom.js";
import { render } from "../base/router.js";
import { changePassword, signOut, who } from "../base/session.js";
import { themeSelect } from "../base/theme.js";
import { setFieldError, textField } from "../parts/field.js";
import { form } from "../parts/form.js";
import { say } from "../parts/notice.js";
import { sessionsSection } from "../parts/sessions.js";
import { differs, newPasswordFields } from "./invitation.js";

/** The page. */
export async function accountPage() {
  const leave = form({ fields: [], submit: "Sign out", send: signOut });
  return {
    title: "Your account",
    body: [
      h("p", {}, "Signed in as ", h("strong", {}, who().email), "."),
      h("section", {}, h("h2", {}, "Appearance"), themeSelect()),
      h(
        "section",
        { class: "narrow" },
        h("h2", {}, "Change your password"),
        h("p", {}, "All of your other sessions end with it."),
        passwordForm(),
      ),
      await sessionsSection(),
      h("section", {}, h("h2", {}, "Sign out"), h("p", {}, "Signing out ends the session in this browser."), leave),
    ],
  };
}

function passwordForm() {
  const current = textField({
    name: "current",
    label: "Present password",
    type: "password",
    required: true,
    autocomplete: "current-password",
  });
  return form({
    fields: [current, ...newPasswordFields()],
    submit: "Change password",
    send: async ({ current: old, password, again }, element) => {
      if (password !== again) return differs(element);
      try {
        await changePassword(old, password);
      } catch (error) {
        if (error.facts?.field === "new") error.facts.field = "password";
        if (error.facts?.__typename !== "SignInFailed") throw error;
        setFieldError(element, "current", "This is not your present password.");
        element.elements.current.focus();
        return;
      }
      await render();
      say("Your password was changed. All other sessions have ended.");
    },
  });
}
