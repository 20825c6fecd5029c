// Where it begins: who is signed in, which page is asked for, and what happens when either changes.

import { whenSignedOut } from "./base/api.js";
import { render, startRouter } from "./base/router.js";
import { findPerson, who } from "./base/session.js";
import { applyTheme } from "./base/theme.js";
import { buildFrame, focusTitle, showBusy, showView } from "./parts/frame.js";
import { closeDialogs } from "./parts/dialog.js";
import { closeMenu } from "./parts/menu.js";
import { errorBox } from "./parts/alert.js";
import { say } from "./parts/notice.js";
import { h } from "./base/dom.js";
import { accountPage } from "./pages/account.js";
import { auditPage } from "./pages/audit.js";
import { homePage } from "./pages/home.js";
import { invitationPage } from "./pages/invitation.js";
import { membersPage } from "./pages/members.js";
import { passwordPage } from "./pages/password.js";
import { missingPage } from "./pages/missing.js";
import { rolesPage } from "./pages/roles.js";
import { settingsPage } from "./pages/settings.js";
import { signInAgain, signInPage } from "./pages/sign-in.js";
import { spaceTokensPage, workspaceTokensPage } from "./pages/tokens.js";
import { spacesPage } from "./pages/spaces.js";
import { tokenPage } from "./pages/token.js";
import { usagePage } from "./pages/usage.js";

const ROUTES = [
  ["/", homePage],
  ["/account", accountPage],
  ["/invitation", invitationPage],
  ["/password", passwordPage],
  ["/workspace/:id", workspaceTokensPage],
  ["/workspace/:id/access-tokens", workspaceTokensPage],
  ["/workspace/:id/spaces", spacesPage],
  ["/workspace/:id/members", membersPage],
  ["/workspace/:id/roles", rolesPage],
  ["/workspace/:id/settings", settingsPage],
  ["/workspace/:id/audit-log", auditPage],
  ["/workspace/:id/usage", usagePage],
  ["/space/:id", spaceTokensPage],
  ["/space/:id/tokens", spaceTokensPage],
  ["/token/:id", tokenPage],
];
let latest = 0;
let lastPath = null;

/** Render a page; one that was overtaken by another is dropped. */
async function show(page, parameters, query) {
  const mine = (latest += 1);
  const path = location.pathname;
  if (path !== lastPath) {
    closeDialogs();
    closeMenu();
  }
  showBusy();
  const view = await viewOf(page, parameters, query);
  if (mine !== latest) return;
  showView(view);
  if (lastPath !== null && path !== lastPath) focusTitle();
  lastPath = path;
}

async function viewOf(page, parameters, query) {
  try {
    if (page !== invitationPage && page !== passwordPage && !who() && !(await findPerson())) return signInPage(render);
    return await (page ?? missingPage)(parameters, query);
  } catch (error) {
    // Pages look at the reader's scopes first: refused all the same, it is as if the address led nowhere.
    if (error.kind === "forbidden") return missingPage();
    const again = h("button", { type: "button", onclick: render }, "Try again");
    return { title: "This page could not be shown", body: errorBox(error, again) };
  }
}

// A failure that no dialog or page caught, such as one of a menu's action, is at least said.
addEventListener("unhandledrejection", (event) => {
  if (event.reason?.kind === undefined) return;
  event.preventDefault();
  say(event.reason.message);
});
applyTheme();
buildFrame();
whenSignedOut(signInAgain);
startRouter(ROUTES, show);
