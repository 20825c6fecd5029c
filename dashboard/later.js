// The pages that a first visit seldom needs, and the texts that only they show: a script of its own.

import { addTexts } from "./base/texts.js";
import { accountPage } from "./pages/account.js";
import { auditPage } from "./pages/audit.js";
import { invitationPage } from "./pages/invitation.js";
import { membersPage } from "./pages/members.js";
import { passwordPage } from "./pages/password.js";
import { rolesPage } from "./pages/roles.js";
import { settingsPage } from "./pages/settings.js";
import { spacesPage } from "./pages/spaces.js";
import { tokenPage } from "./pages/token.js";
import { usagePage } from "./pages/usage.js";
import { AUDIT } from "./texts/audit.js";
import { USAGE } from "./texts/usage.js";

addTexts({ ...AUDIT, ...USAGE });

/** The pages, by the names that the routes of app.js have for them. */
export const PAGES = {
  account: accountPage,
  audit: auditPage,
  invitation: invitationPage,
  members: membersPage,
  password: passwordPage,
  roles: rolesPage,
  settings: settingsPage,
  spaces: spacesPage,
  token: tokenPage,
  usage: usagePage,
};
