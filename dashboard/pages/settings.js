// A workspace's settings: name, plan, policy, and its end.

import { numberText } from "../base/locale.js";
import { t } from "../base/texts.js";
import { change } from "../base/api.js";
import { h } from "../base/dom.js";
import { render } from "../base/router.js";
import { date } from "../base/time.js";
import { forgetWorkspaces, loadWorkspace, may } from "../base/workspace.js";
import { deleteSection } from "../parts/delete-workspace.js";
import { policyForm } from "../parts/policy-form.js";
import { radioField } from "../parts/field.js";
import { form } from "../parts/form.js";
import { say } from "../parts/notice.js";
import { nameFields } from "./home.js";
import { missingPage } from "./missing.js";

const UPDATE = `mutation ($input: UpdateWorkspaceInput!) { answer: updateWorkspace(input: $input) {
  __typename ... on UpdateWorkspaceSuccess { workspace { id } } ...Why } }`;

/** The page. */
export async function settingsPage({ id }) {
  const workspace = await loadWorkspace(id, { afresh: true });
  if (!workspace) return missingPage();
  const writes = may(workspace, "workspace:write");
  const save = async (changes, text) => {
    await change(UPDATE, { id, ...changes });
    forgetWorkspaces();
    await render();
    say(text);
  };
  const reading = writes ? null : h("p", {}, t("workspaces.readOnly"));
  const body = [
    reading,
    section(t("workspaces.about"), about(workspace), writes ? nameForm(workspace, save) : null),
    section(t("workspaces.planTitle"), planFacts(workspace), writes ? planForm(workspace, save) : null),
    section(t("workspaces.policy"), policyForm(workspace, writes, save)),
    deleteSection(workspace),
  ];
  return { title: t("workspaces.settings"), workspace, current: "settings", body };
}

function about({ product, createdAt, id, slug }) {
  const pairs = [
    [t("workspaces.product"), `${product.title}: ${product.description}`],
    [t("workspaces.slug"), h("code", {}, slug)],
    [t("workspaces.id"), h("code", { class: "breakable" }, id)],
    [t("workspaces.created"), date(createdAt)],
    [
      t("workspaces.secretsBeginWith"),
      product.environments.map((one) => h("code", { class: "grant" }, `${product.secretPrefix}_${one}_`)),
    ],
  ];
  return h(
    "dl",
    { class: "facts" },
    pairs.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}

function nameForm(workspace, save) {
  return form({
    fields: nameFields(workspace),
    submit: t("workspaces.saveName"),
    send: (values) => save(values, t("workspaces.theNameWasSaved")),
  });
}

function planFacts({ plan, rateLimit }) {
  if (!plan) return h("p", {}, t("workspaces.planGone"));
  const rate = rateLimit ? rateText(rateLimit) : t("workspaces.noRateLimitIsSet");
  return h("p", {}, h("strong", {}, plan.title), `: ${room(plan)}. ${rate}.`);
}

function planForm(workspace, save) {
  const options = workspace.product.plans.map((one) => {
    const present = one.name === workspace.plan?.name;
    const closed = !one.selfService && !present;
    const hint = [
      room(one),
      rateOfPlan(one, workspace.product.plans),
      present ? t("workspaces.planCurrent") : null,
      closed ? t("workspaces.planAsk") : null,
    ];
    return { value: one.name, label: one.title, hint: `${hint.filter(Boolean).join(". ")}.`, disabled: closed };
  });
  const field = radioField({
    name: "plan",
    label: t("workspaces.chooseAPlan"),
    options,
    value: workspace.plan?.name,
    hint: t("workspaces.planHint"),
  });
  return form({
    fields: [field],
    submit: t("workspaces.changePlan"),
    send: ({ plan }) => save({ plan }, t("workspaces.thePlanWasChanged")),
  });
}

function room(plan) {
  if (plan.maxTokens === 0) return t("workspaces.roomNone");
  return plan.maxTokens === null
    ? t("workspaces.roomAny")
    : t("workspaces.roomSome", { maxTokens: numberText(plan.maxTokens) });
}

/** Where other plans have a rate and this one has none, each workspace agrees on its own with the operator. */
function rateOfPlan({ rateLimit, maxTokens }, plans) {
  if (rateLimit) return rateText(rateLimit);
  if (maxTokens === 0) return null;
  return plans.some((one) => one.rateLimit) ? t("workspaces.rateCustom") : t("workspaces.noRateLimit");
}

function rateText({ perMinute, burst }) {
  return t("workspaces.rate", { perMinute: numberText(perMinute), burst: numberText(burst) });
}

function section(title, ...children) {
  return h("section", {}, h("h2", {}, title), children);
}
