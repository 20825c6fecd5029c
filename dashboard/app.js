// Where it begins: who is signed in, which page is asked for, and what happens when either changes.

import { serveProduct, speakAs, t } from "./base/texts.js";
import { whenSignedOut } from "./base/api.js";
import { render, startRouter } from "./base/router.js";
import { findPerson, findPersonIn, who } from "./base/session.js";
import { startShortcuts } from "./base/shortcuts.js";
import { applyTheme } from "./base/theme.js";
import { buildFrame, focusTitle, showBusy, showView } from "./parts/frame.js";
import { closeDialogs } from "./parts/dialog.js";
import { closeMenu } from "./parts/menu.js";
import { errorBox } from "./parts/alert.js";
import { say } from "./parts/notice.js";
import { presentPath } from "./base/base-path.js";
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
import { accountTokens, tokensAtPath } from "./pages/token-places.js";
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
  ["/account/:word", accountTokens],
  ["/workspace/:id/:first", tokensAtPath],
  ["/workspace/:id/:first/:second", tokensAtPath],
];
/** Pages below these paths speak as their workspace's product; all others as the server. */
const OF_A_PRODUCT = /^\/(?:workspace|space|token)\//;
const OF_A_WORKSPACE = /^\/workspace\/([\w-]+)/;
const RETRY_MS = 5_000;
let retry = null;
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
  clearTimeout(retry);
  retry = null;
  if (!OF_A_PRODUCT.test(presentPath())) speakAs(null);
  showBusy(path !== lastPath);
  const view = await viewOf(page, parameters, query);
  if (mine !== latest || view === null) return;
  showView(view);
  if (lastPath !== null && path !== lastPath) focusTitle();
  lastPath = path;
}

/** Who reads; for a page of a workspace, that comes in the same answer. */
function findReader() {
  const id = OF_A_WORKSPACE.exec(presentPath())?.[1];
  return id ? findPersonIn(id) : findPerson();
}

async function viewOf(page, parameters, query) {
  try {
    if (page !== invitationPage && page !== passwordPage && !who() && !(await findReader())) return signInPage(render);
    return await (page ?? missingPage)(parameters, query);
  } catch (error) {
    // Pages look at the reader's scopes first: refused all the same, it is as if the address led nowhere.
    if (error.kind === "forbidden") return missingPage();
    // An outage ends by itself, and so does this page: it tries again while it is looked at.
    if (error.kind === "unreachable" || error.kind === "unavailable") retry = setTimeout(render, RETRY_MS);
    const again = h("button", { type: "button", class: "main", onclick: render }, t("shared.tryAgain"));
    return { title: t("shared.pageFailed"), body: errorBox(error, again), kept: true };
  }
}

// A failure that no dialog or page caught, such as one of a menu's action, is at least said.
addEventListener("unhandledrejection", (event) => {
  if (event.reason?.kind === undefined) return;
  event.preventDefault();
  say(event.reason.message);
});
applyTheme();
const product = document.querySelector("meta[name=product]")?.content;
if (product) serveProduct(JSON.parse(product));
buildFrame();
whenSignedOut(signInAgain);
startShortcuts();
addEventListener("online", () => retry && render());
startRouter(ROUTES, show);
