// Where it begins: who is signed in, which page is asked for, and what happens when either changes.

import { serveProduct, speakAs, t } from "./base/texts.js";
import { whenSignedOut } from "./base/api.js";
import { forgetAhead } from "./base/send.js";
import { render, startRouter } from "./base/router.js";
import { findPerson, who } from "./base/session.js";
import { startShortcuts } from "./base/shortcuts.js";
import { applyTheme } from "./base/theme.js";
import { buildFrame, focusTitle, showBusy, showView } from "./parts/frame.js";
import { closeDialogs } from "./parts/dialog.js";
import { closeMenu } from "./parts/menu.js";
import { errorBox } from "./parts/alert.js";
import { say } from "./parts/notice.js";
import { presentPath } from "./base/base-path.js";
import { h } from "./base/dom.js";
import { homePage } from "./pages/home.js";
import { fetchLaterInTime, laterPage } from "./pages/later.js";
import { missingPage } from "./pages/missing.js";
import { signInAgain, signInPage } from "./pages/sign-in.js";
import { spaceTokensPage, workspaceTokensPage } from "./pages/tokens.js";
import { accountTokens, tokensAtPath } from "./pages/token-places.js";

const invitationPage = laterPage("invitation");
const passwordPage = laterPage("password");
const ROUTES = [
  ["/", homePage],
  ["/account", laterPage("account")],
  ["/invitation", invitationPage],
  ["/password", passwordPage],
  ["/workspace/:id", workspaceTokensPage],
  ["/workspace/:id/access-tokens", workspaceTokensPage],
  ["/workspace/:id/spaces", laterPage("spaces")],
  ["/workspace/:id/members", laterPage("members")],
  ["/workspace/:id/roles", laterPage("roles")],
  ["/workspace/:id/settings", laterPage("settings")],
  ["/workspace/:id/audit-log", laterPage("audit")],
  ["/workspace/:id/usage", laterPage("usage")],
  ["/space/:id", spaceTokensPage],
  ["/space/:id/tokens", spaceTokensPage],
  ["/token/:id", laterPage("token")],
  ["/account/:word", accountTokens],
  ["/workspace/:id/:first", tokensAtPath],
  ["/workspace/:id/:first/:second", tokensAtPath],
];
/** Pages below these paths speak as their workspace's product; all others as the server. */
const OF_A_PRODUCT = /^\/(?:workspace|space|token)\//;
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
  forgetAhead();
  if (lastPath !== null && path !== lastPath) focusTitle();
  lastPath = path;
}

async function viewOf(page, parameters, query) {
  try {
    const isOpen = page === invitationPage || page === passwordPage;
    if (!isOpen && !who() && !(await findPerson(presentPath()))) return signInPage(render);
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
startRouter(ROUTES, show).then(fetchLaterInTime);
