// Revoking, disabling or deleting many tokens: in batches, and one by one where a batch is refused, so that each token
// that could not be changed is named with its reason.

import { change } from "../base/api.js";
import { fill, h } from "../base/dom.js";
import { REASON_LENGTH_MAX } from "../base/limits.js";
import { plural, t } from "../base/texts.js";
import { may } from "../base/workspace.js";
import { agoText } from "../base/time.js";
import { confirmed } from "./confirm.js";
import { openDialog } from "./dialog.js";
import { textField } from "./field.js";
import { say } from "./notice.js";
import { table } from "./table.js";

const BATCH_MAX = 100;
const NAMED_MAX = 5;
const ALIVE = (one) => one.status !== "REVOKED";

function actions() {
  return [
    {
      label: t("tokens.disable"),
      title: (count) => plural("tokens.disableMany", count),
      text: t("tokens.disableManyText"),
      done: (count) => plural("tokens.disabledNotice", count),
      failed: (count) => plural("tokens.notDisabled", count),
      scope: "tokens:disable",
      mutation: "DisableToken",
      fits: (one) => ALIVE(one) && !one.disabledAt,
    },
    {
      label: t("tokens.revoke"),
      title: (count) => plural("tokens.revokeMany", count),
      text: t("tokens.revokeManyText"),
      done: (count) => plural("tokens.revokedNotice", count),
      failed: (count) => plural("tokens.notRevoked", count),
      scope: "tokens:revoke",
      mutation: "RevokeToken",
      fits: ALIVE,
      reason: true,
    },
    {
      label: t("tokens.delete"),
      title: (count) => plural("tokens.deleteMany", count),
      text: t("tokens.deleteManyText"),
      done: (count) => plural("tokens.deletedNotice", count),
      failed: (count) => plural("tokens.notDeleted", count),
      scope: "tokens:delete",
      mutation: "DeleteToken",
      fits: () => true,
    },
  ];
}

/** What the reader may do to many tokens: { label, danger, fits(token), run(tokens) }; run gives those changed. */
export function bulkActions(workspace) {
  const allowed = actions().filter(({ scope }) => may(workspace, scope));
  return allowed.map((action) => ({
    label: action.label,
    fits: action.fits,
    run: (tokens) => run(action, tokens.filter(action.fits)),
  }));
}

async function run(action, tokens) {
  const status = h("p", { role: "status" });
  const result = { changed: [], failed: [] };
  const used = tokens.filter((one) => one.lastUsedAt).sort((a, b) => (a.lastUsedAt < b.lastUsedAt ? 1 : -1))[0];
  const last = used
    ? t("tokens.lastUseMany", { name: used.name, ago: agoText(used.lastUsedAt) })
    : t("tokens.neverUsedMany");
  const title = action.title(tokens.length);
  await confirmed({
    title: t("tokens.question", { title }),
    text: [names(tokens), action.text, last, status],
    fields: action.reason ? [reasonField()] : [],
    button: title,
    act: ({ reason }) =>
      changeAll(action, tokens, reason ? { reason } : {}, result, (count) =>
        fill(status, tokens.length > BATCH_MAX ? t("tokens.progress", { count, all: tokens.length }) : null),
      ),
  });
  const { changed, failed } = result;
  if (changed.length) say(action.done(changed.length));
  if (failed.length) await tellFailures(action, result);
  return changed;
}

/** A batch is changed as a whole or not at all: one that is refused is tried token by token. */
async function changeAll(action, tokens, more, result, progress) {
  for (let from = 0; from < tokens.length; from += BATCH_MAX) {
    const batch = tokens.slice(from, from + BATCH_MAX);
    try {
      await change(mutation(`${action.mutation}s`), { ids: batch.map((one) => one.id), ...more });
      result.changed.push(...batch);
    } catch (error) {
      if (error.kind !== "refused") return stopped(tokens.slice(from), error, result);
      for (const [place, one] of batch.entries()) {
        try {
          await change(mutation(action.mutation), { id: one.id, ...more });
          result.changed.push(one);
        } catch (reason) {
          if (reason.kind !== "refused") return stopped(tokens.slice(from + place), reason, result);
          result.failed.push({ token: one, message: reason.message });
        }
      }
    }
    progress(from + batch.length);
  }
}

/** The server could not be asked any more: what was not tried is named too. Nothing done yet is the form's to tell. */
function stopped(rest, error, result) {
  if (!result.changed.length && !result.failed.length) throw error;
  result.failed.push(...rest.map((token) => ({ token, message: error.message })));
}

/** Each that was not changed, with its reason; how many were is said besides. */
async function tellFailures(action, { failed }) {
  const columns = [
    { title: t("tokens.name"), cell: ({ token }) => token.name },
    { title: t("tokens.whyNot"), cell: ({ message }) => message },
  ];
  const title = action.failed(failed.length);
  const dialog = openDialog({
    title,
    content: (close) => [
      table({ caption: title, columns, rows: failed }),
      h("div", { class: "actions" }, h("button", { type: "button", onclick: () => close() }, t("shared.close"))),
    ],
  });
  await dialog.closed;
}

function names(tokens) {
  const shown = tokens.slice(0, NAMED_MAX).map((one) => one.name);
  const rest = tokens.length - shown.length;
  return [...shown, rest ? t("tokens.more", { count: rest }) : null].filter(Boolean).join(", ");
}

function reasonField() {
  return textField({
    name: "reason",
    label: t("tokens.reason"),
    hint: t("tokens.reasonHint"),
    required: false,
    maxlength: REASON_LENGTH_MAX,
  });
}

function mutation(name) {
  const field = name[0].toLowerCase() + name.slice(1);
  return `mutation ($input: ${name}Input!) { answer: ${field}(input: $input) { __typename ...Why } }`;
}
