// The account health of one marketplace: what is missed at a glance, then each metric in its group, then the forecast.

import { chart, outlook } from "./chart.js";
import { GROUPS, METRICS, countOf, headroomOf, nameAmid, targetOf, textOf, windowName } from "./metrics.js";
import { CHANNELS, amount, badge, channel, day, element, marketplace, percent, seen, table, words } from "./page.js";

const IN_ORDER = GROUPS.flatMap(([, metrics]) => metrics);
const WORST_FIRST = ["missed", "at_risk", "good", "no_data"];
const ORDER_WINDOWS = { official: "Official", ahead: "Ahead: an early warning" };
const NOTES = {
  official: "What Amazon shows today: the orders of 60 days, the newest of them 15 days old.",
  ahead: "Artificially low: defects of recent orders are still to come. It is what the official figure will be in 15 days if none do; never compare it with Amazon's.",
};

export const isOrderDefect = (figure) => figure.metric === "order_defect";
const isPart = ({ metric }) => METRICS.get(metric)?.byChannel === true && metric !== "order_defect";

/** Returns the figures by marketplace, the worst verdict first, then the worst official order defect rate. */
export function grouped(figures) {
  const places = new Map();
  for (const figure of figures) places.set(figure.marketplace, [...(places.get(figure.marketplace) ?? []), figure]);
  const found = [...places].map(([name, own]) => ({ name, figures: own, verdicts: verdicts(own) }));
  return found.sort((one, other) => rank(overall(one)) - rank(overall(other)) || officialRatio(other) - officialRatio(one));
}

const placeOf = ({ metric }) => IN_ORDER.indexOf(metric);
const rank = (verdict) => WORST_FIRST.indexOf(verdict); // one that isn't known comes before all

/** Returns the worst verdict in a marketplace. That no violation is open says nothing of one without data. */
function overall({ verdicts: judged }) {
  return judged.find(({ metric, verdict }) => metric !== "open_violations" || verdict !== "good")?.verdict ?? "no_data";
}

const officialRatio = ({ figures }) => Math.max(-1, ...figures.filter((figure) => isOrderDefect(figure) && figure.window === "official").map(({ ratio }) => ratio ?? -1));

/** Returns each metric that has a target with the worst of its verdicts; the early warning has none of its own. */
function verdicts(figures) {
  const worst = new Map();
  for (const { metric, channel: by, window, verdict } of figures) {
    const key = JSON.stringify([metric, by]);
    if (verdict === null || window === "ahead") continue;
    if (!worst.has(key) || rank(verdict) < rank(worst.get(key).verdict)) worst.set(key, { metric, channel: by, verdict });
  }
  return [...worst.values()].sort((one, other) => rank(one.verdict) - rank(other.verdict) || placeOf(one) - placeOf(other));
}

/** Returns links to the marketplaces, each with its worst verdict, where there are several. */
export function overview(places) {
  if (places.length < 2) return null;
  const links = places.map((place, index) =>
    element("li", { "data-key": place.name }, element("a", { href: `#place-${index + 1}` }, marketplace(place.name)), " ", badge(overall(place))),
  );
  return element("nav", { class: "places", "aria-label": "Marketplaces" }, element("ul", {}, links));
}

/** Returns the card of one marketplace. */
export function section({ name, figures, verdicts: judged }, index, { as_of, forecast }) {
  const others = [...new Set(figures.map(({ metric }) => metric))].filter((metric) => !IN_ORDER.includes(metric));
  const groups = others.length ? [...GROUPS, ["Other figures", others]] : GROUPS;
  const days = forecast.filter((told) => told.marketplace === name);
  const officials = figures.filter((figure) => isOrderDefect(figure) && figure.window === "official");
  return element(
    "section",
    { "data-key": name, class: "card", id: `place-${index + 1}` },
    element("h2", {}, marketplace(name)),
    element("ul", { class: "glance", "aria-label": "At a glance" }, glance(judged)),
    element("div", { class: "groups" }, groups.map(([title, metrics]) => group(title, figures.filter(({ metric }) => metrics.includes(metric)), metrics))),
    officials.map((official) => forecastPart(days.filter((told) => told.channel === official.channel), official, as_of)),
  );
}

function glance(judged) {
  return WORST_FIRST.filter((verdict) => judged.some((one) => one.verdict === verdict)).map((verdict) =>
    element("li", { "data-key": verdict }, badge(verdict), " ", judged.filter((one) => one.verdict === verdict).map(judgedName).join(", ")),
  );
}

function judgedName({ metric, channel: by }) {
  const { name, byChannel } = textOf(metric);
  return byChannel && by !== null ? `${name} (${seen(by)})` : name;
}

// A group of metrics.

function group(title, figures, metrics) {
  const orders = metrics.includes("order_defect");
  const channels = [...new Set(figures.map((figure) => figure.channel))];
  const parts = orders
    ? channels.map((by) => orderDefect(by, figures.filter((figure) => figure.channel === by)))
    : [element("div", { class: "tiles" }, metrics.map((metric) => tile(metric, figures.filter((figure) => figure.metric === metric))))];
  return element(
    "div",
    { class: metrics.length > 1 || figures.length > 2 ? "group wide" : "group", "data-key": title, "data-group": title },
    element("h3", {}, title, ...(orders ? [] : onlyOf(channels))),
    ...(figures.length ? parts : [element("p", { class: "note" }, orders ? "No order of this marketplace is kept yet." : "Nothing of this kind is kept.")]),
  );
}

function orderDefect(by, figures) {
  const parts = figures.filter(isPart);
  return element(
    "div",
    { "data-key": by, class: "channel" },
    element("h4", {}, textOf("order_defect").name, " · ", channel(by), ...shippedBy(by)),
    element("div", { class: "tiles" }, figures.filter(isOrderDefect).map((figure) => orderTile(figure, parts.filter(({ window }) => window === figure.window)))),
  );
}

const onlyOf = ([by = null, ...more]) => (by === null || more.length ? [] : [" · ", channel(by), ...shippedBy(by)]);
const shippedBy = (by) => (CHANNELS.has(by) ? [" ", element("small", {}, CHANNELS.get(by))] : []);

function orderTile(figure, parts) {
  const facts = [
    ["Defective orders", figure.ratio === null ? null : countOf(figure)],
    ...parts.filter(({ ratio }) => ratio !== null).map((part) => [textOf(part.metric).counted, part.numerator ? `${amount(part.numerator)}, ${percent(part.ratio)}` : "0", "part"]),
    ["Target", targetOf(figure)],
    ["Headroom", figure.ratio === null ? null : headroomOf(figure)],
    ["Low volume", lowVolume(figure)],
    ["95 % interval", figure.low_volume || figure.interval === null ? null : interval(figure)],
    ["Order dates", span(figure)],
  ];
  return element(
    "div",
    { class: `tile ${figure.window} is-${figure.verdict}`, "data-key": figure.window, "data-window": figure.window, "data-metric": figure.metric, "data-channel": figure.channel },
    element("h5", {}, ORDER_WINDOWS[figure.window] ?? words(figure.window)),
    headline(figure),
    list(facts),
    element("p", { class: "hint" }, NOTES[figure.window] ?? ""),
  );
}

/** Returns one metric with a reading for each of its windows; none where no window of it is kept. */
function tile(metric, figures) {
  if (!figures.length) return null;
  const { name, meaning } = textOf(metric);
  const worst = WORST_FIRST.find((verdict) => figures.some((figure) => figure.verdict === verdict)) ?? "none";
  const target = targetOf(figures[0]);
  return element(
    "div",
    { class: `tile is-${worst}`, "data-key": metric, "data-metric": metric },
    element("h4", {}, name),
    element("p", { class: "asked" }, target === null ? "No target" : element("span", {}, "Target: ", element("strong", {}, target))),
    element("div", { class: "readings" }, figures.map(reading)),
    element("p", { class: "hint" }, meaning),
  );
}

function reading(figure) {
  const { counted, days } = textOf(figure.metric);
  const facts = [
    [counted, figure.ratio === null ? null : countOf(figure)],
    ["Headroom", figure.ratio === null && figure.denominator !== null ? null : headroomOf(figure)],
    ["Low volume", lowVolume(figure)],
    [days, span(figure)],
  ];
  return element(
    "div",
    { class: "reading", "data-key": JSON.stringify([figure.window, figure.channel]), "data-window": figure.window },
    element("h5", {}, windowName(figure.window)),
    headline(figure),
    list(facts),
  );
}

function headline(figure) {
  return element(
    "p",
    { class: "headline" },
    element("strong", { class: figure.ratio === null && figure.denominator !== null ? "ratio none" : "ratio", "data-figure": true }, value(figure)),
    ...(figure.verdict === null ? [] : [" ", badge(figure.verdict)]),
    ...(lowVolume(figure) === null ? [] : [" ", element("span", { class: "badge" }, element("span", { "aria-hidden": "true" }, "◔"), " Low volume")]),
  );
}

function value(figure) {
  const { none, counted } = textOf(figure.metric);
  if (figure.denominator === null) return figure.numerator ? `${amount(figure.numerator)} ${counted}` : none;
  return figure.ratio === null ? none : percent(figure.ratio, figure.target);
}

function lowVolume(figure) {
  if (!figure.low_volume || figure.ratio === null) return null;
  return element("span", {}, "too few to tell: the true share may be ", interval(figure));
}

function list(facts) {
  const told = facts.filter(([, fact]) => fact !== null);
  return element("dl", {}, told.map(([name, fact, kind = null]) => element("div", { class: kind, "data-key": name }, element("dt", {}, name), element("dd", { "data-figure": true }, fact))));
}

const span = (figure) => element("span", {}, day(figure.from), " to ", day(figure.to));
const interval = ({ interval: [low, high] }) => element("span", {}, share(low), " to ", share(high));
const share = (bound) => element("span", { class: "share" }, percent(bound));

// The forecast.

function forecastPart(days, official, today) {
  if (!days.length) return null;
  const told = outlook(days, official, today);
  const rows = days.map((told) => ({ key: told.day, cells: [day(told.day), percent(told.ratio, official.target), `${amount(told.defective_orders)} of ${amount(told.orders)}`] }));
  const heads = ["Evaluation day", "Order defect rate", "Defective orders"];
  const width = Math.max(200, Math.min(document.documentElement.clientWidth, 1040) - 80); // a window that is being closed is 1 px wide
  return element(
    "div",
    { class: "forecast", "data-key": `forecast ${official.channel}` },
    element("h3", {}, `The official ${nameAmid("order_defect")} on the next ${amount(days.length)} days · `, channel(official.channel)),
    element("p", { class: "outlook" }, told),
    days.some((told) => told.defective_orders) ? chart(days, official.target, told, width) : null,
    element("p", { class: "hint" }, "From what is known today: no further orders, no further defects. From the 16th day on (grey) the window's newest days have no orders yet, so those days say less."),
    element("details", {}, element("summary", {}, "Each day as a table"), table("The official window on each day", heads, rows)),
  );
}
