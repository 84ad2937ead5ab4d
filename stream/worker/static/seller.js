// The page of one seller: the figures of each marketplace and channel, the forecast, and the orders behind it all.

import { chart, outlook } from "./chart.js";
import {
  Live, Refused, amount, ask, badge, channel, counted, day, daysBetween, element, id, marketplace, marketplaceName, percent,
  seen, sellerApi, show, table, words,
} from "./page.js";

const CAUSES_FIRST = 100;
const PARTS = new Map([["negative_feedback", "by feedback"], ["claim", "by claims"], ["chargeback", "by chargebacks"]]);
const CONDITIONS = { less_than: "below", greater_than: "above", at_least: "at least", equals: "exactly" };
const WINDOWS = { official: "Official", ahead: "Ahead: an early warning" };
const NOTES = {
  official: "What Amazon shows today: the orders of 60 days, the newest of them 15 days old.",
  ahead: "Artificially low: defects of recent orders are still to come. It is what the official figure will be in 15 days if none do; never compare it with Amazon's.",
};
const OTHER_HEADS = ["Figure", "Window", "Days", "Share", "Count", "95 % interval", "Target", "Verdict", "Headroom"];

const at = (name) => document.getElementById(name);
const seller = sellerOf(location);
let orders = CAUSES_FIRST;
let shown = null;

function sellerOf({ pathname, search }) {
  if (!pathname.startsWith("/sellers/")) return new URLSearchParams(search).get("id") ?? "";
  try {
    return decodeURIComponent(pathname.slice("/sellers/".length));
  } catch {
    return pathname.slice("/sellers/".length); // no percent-encoded UTF-8, so nobody's id either
  }
}

async function gather(signal) {
  try {
    const [health, { defects }, { forecast }] = await Promise.all(
      ["health", "defects", "forecast"].map((what) => ask(sellerApi(seller, what), signal)),
    );
    return { ...health, defects, forecast };
  } catch (problem) {
    if (problem instanceof Refused && problem.status === 404) return null;
    throw problem;
  }
}

function present(told) {
  if (told === null) {
    show(at("figures"), element("p", { class: "note" }, "Unknown seller: no event of this id is kept. Ids are exact, upper and lower case too."));
    show(at("defects"));
    at("more").hidden = true;
  } else {
    tellMoves(shown, told);
    const groups = grouped(told.figures);
    const none = element("p", { class: "note" }, "No order of this seller is kept yet.");
    show(at("figures"), ...(groups.length ? groups.map((group) => section(group, told)) : [none]));
    show(at("defects"), ...defectiveOrders(told));
    at("more").hidden = told.defects.length <= orders;
  }
  shown = told;
}

// What has just moved.

function tellMoves(before, after) {
  if (before === null) return;
  const was = new Map(before.figures.filter(isOrderDefect).map((figure) => [nameOf(figure), figure]));
  const moves = after.figures
    .filter(isOrderDefect)
    .filter((figure) => was.has(nameOf(figure)) && count(was.get(nameOf(figure))) !== count(figure))
    .map((figure) => `${marketplaceName(figure.marketplace)} ${figure.channel}, ${figure.window}: ${count(was.get(nameOf(figure)))} → ${count(figure)}`);
  if (moves.length) at("moved").textContent = `Moved at ${new Date().toTimeString().slice(0, 8)}. ${moves.join("; ")}`;
}

const isOrderDefect = (figure) => figure.metric === "order_defect";
const nameOf = (figure) => JSON.stringify([figure.marketplace, figure.channel, figure.window]);

// Figures.

/** Returns the figures by marketplace and channel, the worst official order defect rate first. */
function grouped(figures) {
  const groups = new Map();
  for (const figure of figures) {
    const key = JSON.stringify([figure.marketplace, figure.channel]);
    if (!groups.has(key)) groups.set(key, { key, marketplace: figure.marketplace, channel: figure.channel, figures: [] });
    groups.get(key).figures.push(figure);
  }
  return [...groups.values()].sort((one, other) => worst(other) - worst(one));
}

const worst = ({ figures }) => figures.find((figure) => isOrderDefect(figure) && figure.window === "official")?.ratio ?? -1;

function section(group, { as_of, forecast }) {
  const orderDefect = group.figures.filter(isOrderDefect);
  const parts = group.figures.filter((figure) => PARTS.has(figure.metric));
  const others = group.figures.filter((figure) => !isOrderDefect(figure) && !PARTS.has(figure.metric));
  const days = forecast.filter((told) => told.marketplace === group.marketplace && told.channel === group.channel);
  const official = orderDefect.find((figure) => figure.window === "official");
  return element(
    "section",
    { "data-key": group.key, class: "card" },
    element("h2", {}, marketplace(group.marketplace), " · ", channel(group.channel)),
    element("div", { class: "tiles" }, orderDefect.map((figure) => tile(figure, parts.filter(({ window }) => window === figure.window)))),
    others.length ? table("The other figures", OTHER_HEADS, others.map(otherRow)) : null,
    official && days.length ? forecastPart(days, official, as_of) : null,
  );
}

function tile(figure, parts) {
  const facts = [
    ["Defective orders", count(figure)],
    ...parts.map((part) => [PARTS.get(part.metric), part.numerator ? `${amount(part.numerator)}, ${percent(part.ratio)}` : "0", "part"]),
    ["Target", target(figure)],
    ["Headroom", headroom(figure)],
    ["95 % interval", interval(figure)],
    ["Order dates", span(figure)],
  ];
  return element(
    "div",
    { class: `tile ${figure.window}`, "data-key": figure.window, "data-window": figure.window },
    element("h3", {}, WINDOWS[figure.window] ?? words(figure.window)),
    element(
      "p",
      { class: "headline" },
      element("strong", { class: "ratio", "data-figure": true }, figure.ratio === null ? "No orders" : percent(figure.ratio, figure.target)),
      " ",
      badge(figure.verdict),
      ...(figure.low_volume ? [" ", lowVolume()] : []),
    ),
    element("dl", {}, facts.map(([name, value, kind = null]) => element("div", { class: kind }, element("dt", {}, name), element("dd", { "data-figure": true }, value)))),
    element("p", { class: "hint" }, NOTES[figure.window] ?? ""),
  );
}

const span = (figure) => element("span", {}, day(figure.from), " to ", day(figure.to));
const lowVolume = () => element("span", { class: "badge low", title: "so few orders that a single failure alone would miss the target" }, "◔ Low volume");
const count = ({ numerator, denominator }) => (denominator === null ? amount(numerator) : `${amount(numerator)} of ${amount(denominator)}`);
const target = (figure) => (figure.target === null ? "none" : `${CONDITIONS[figure.condition]} ${percent(figure.target)}`);
const interval = (figure) => (figure.interval === null ? "–" : figure.interval.map((bound) => percent(bound)).join(" to "));

function headroom({ headroom: room }) {
  if (room === null) return "–";
  if (room < 0) return `${amount(-room)} too many`;
  return room === 0 ? "none: one more misses the target" : `${amount(room)} more ${room === 1 ? "fits" : "fit"}`;
}

function otherRow(figure) {
  return {
    key: JSON.stringify([figure.metric, figure.window]),
    cells: [
      words(figure.metric),
      figure.window === "ahead" ? "ahead (early warning)" : figure.window,
      span(figure),
      percent(figure.ratio, figure.target),
      count(figure),
      interval(figure),
      target(figure),
      figure.low_volume ? element("span", {}, badge(figure.verdict), " ", lowVolume()) : badge(figure.verdict),
      headroom(figure),
    ],
  };
}

// The forecast.

function forecastPart(days, official, today) {
  const told = outlook(days, official, today);
  const rows = days.map((told) => ({ key: told.day, cells: [day(told.day), percent(told.ratio, official.target), count({ numerator: told.defective_orders, denominator: told.orders })] }));
  const heads = ["Evaluation day", "Order defect rate", "Defective orders"];
  const width = Math.min(document.documentElement.clientWidth, 1040) - 80;
  return element(
    "div",
    { class: "forecast" },
    element("h3", {}, `The official figure on the next ${amount(days.length)} days`),
    element("p", { class: "outlook" }, told),
    days.some((told) => told.defective_orders) ? chart(days, official.target, told, width) : null,
    element("p", { class: "hint" }, "From what is known today: no further orders, no further defects. From the 16th day on (grey) the window's newest days have no orders yet, so those days say less."),
    element("details", {}, element("summary", {}, "Each day as a table"), table("The official window on each day", heads, rows)),
  );
}

// The orders behind it.

function defectiveOrders({ defects, as_of }) {
  const title = element("h2", {}, "Defective orders");
  if (!defects.length) return [title, element("p", { class: "note" }, "None in the official window, and none on the way into it.")];
  const heads = ["Order", "Order date", "Marketplace", "Causes", "Counts in", "Drops off"];
  return [
    title,
    element("p", { class: "lead" }, `${counted(defects.length, "order")} in the official window or on the way into it, the next to drop off first. ${reasons(defects)}`),
    table("Defective orders, their causes and the day each drops off", heads, defects.slice(0, orders).map((order) => orderRow(order, as_of))),
  ];
}

function reasons(defects) {
  const times = new Map();
  for (const { reason } of defects.flatMap((order) => order.causes)) {
    const name = reason === null ? "no reason given" : words(reason);
    times.set(name, (times.get(name) ?? 0) + 1);
  }
  const most = [...times].sort(([, one], [, other]) => other - one);
  return `Reasons: ${most.map(([name, number]) => `${seen(name)} ${amount(number)}`).join(", ")}.`;
}

function orderRow(order, today) {
  return {
    key: JSON.stringify([order.order_id, order.marketplace, order.channel]),
    cells: [
      id(order.order_id),
      day(order.order_date),
      element("span", {}, marketplace(order.marketplace), " ", channel(order.channel)),
      element("ul", { class: "causes" }, order.causes.map((one) => cause(one, order.order_id))),
      countsIn(order, today),
      element("span", {}, day(order.drops_off), " ", element("small", {}, within(today, order.drops_off))),
    ],
  };
}

function cause({ kind, id: causeId, status, reason, event_time }, orderId) {
  const why = reason === null ? "" : `: ${words(seen(reason))}`;
  return element(
    "li",
    {},
    element("strong", {}, `${words(kind)}${why}`),
    ` (${words(status)}) `,
    element("small", {}, ...(causeId === orderId ? [] : [id(causeId), " "]), `${event_time.slice(0, 10)} ${event_time.slice(11, 16)} UTC`),
  );
}

function countsIn(order, today) {
  const windows = order.windows.join(", ");
  if (order.windows.includes("official")) return windows;
  return element("span", {}, windows || "neither yet", " ", element("small", {}, `official from ${order.enters}, ${within(today, order.enters)}`));
}

function within(today, then) {
  const days = daysBetween(today, then);
  return days === 0 ? "today" : `in ${counted(days, "day")}`;
}

at("seller").textContent = seen(seller);
document.title = `${seen(seller)} · seller`;
at("more").addEventListener("click", () => {
  orders += CAUSES_FIRST;
  if (shown !== null) present(shown);
});
addEventListener("resize", () => {
  if (shown !== null) present(shown);
});
new Live(gather, present);
