// A workspace's settings: name, plan, policy, and its end.

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
  const reading = writes ? null : h("p", {}, "Your role may see these settings and not change them.");
  const body = [
    reading,
    section("About", about(workspace), writes ? nameForm(workspace, save) : null),
    section("Plan", planFacts(workspace), writes ? planForm(workspace, save) : null),
    section("Policy for tokens", policyForm(workspace, writes, save)),
    deleteSection(workspace),
  ];
  return { title: "Settings", workspace, current: "settings", body };
}

function about({ product, createdAt, id, slug }) {
  const pairs = [
    ["Product", `${product.title}: ${product.description}`],
    ["Slug", h("code", {}, slug)],
    ["Id", h("code", { class: "breakable" }, id)],
    ["Created", date(createdAt)],
    [
      "Secrets begin with",
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
    submit: "Save name",
    send: (values) => save(values, "The name was saved."),
  });
}

function planFacts({ plan, rateLimit }) {
  if (!plan)
    return h("p", {}, "This workspace's plan is no longer offered: nothing can be granted until it gets another.");
  const rate = rateLimit ? rateText(rateLimit) : "No rate limit is set";
  return h("p", {}, h("strong", {}, plan.title), `: ${room(plan)}. ${rate}.`);
}

function planForm(workspace, save) {
  const options = workspace.product.plans.map((one) => {
    const present = one.name === workspace.plan?.name;
    const closed = !one.selfService && !present;
    const hint = [
      room(one),
      rateOfPlan(one, workspace.product.plans),
      present ? "The present plan" : null,
      closed ? "Ask the operator of this server for it" : null,
    ];
    return { value: one.name, label: one.title, hint: `${hint.filter(Boolean).join(". ")}.`, disabled: closed };
  });
  const field = radioField({
    name: "plan",
    label: "Choose a plan",
    options,
    value: workspace.plan?.name,
    hint: "A smaller plan takes effect on existing tokens at once.",
  });
  return form({ fields: [field], submit: "Change plan", send: ({ plan }) => save({ plan }, "The plan was changed.") });
}

function room(plan) {
  if (plan.maxTokens === 0) return "Without tokens";
  return plan.maxTokens === null ? "Any number of tokens" : `Up to ${plan.maxTokens.toLocaleString()} tokens`;
}

/** Where other plans have a rate and this one has none, each workspace agrees on its own with the operator. */
function rateOfPlan({ rateLimit, maxTokens }, plans) {
  if (rateLimit) return rateText(rateLimit);
  if (maxTokens === 0) return null;
  return plans.some((one) => one.rateLimit) ? "Rate limit as agreed" : "No rate limit";
}

function rateText({ perMinute, burst }) {
  return `${perMinute.toLocaleString()} requests a minute for each token, burst ${burst.toLocaleString()}`;
}

function section(title, ...children) {
  return h("section", {}, h("h2", {}, title), children);
}
