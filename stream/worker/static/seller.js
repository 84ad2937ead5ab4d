// The page of one seller: the account health of each marketplace, what has just moved, and the orders behind it all.

import { grouped, isOrderDefect, overview, section } from "./health.js";
import { countOf, nameAmid, textOf, windowName } from "./metrics.js";
import {
  Live, Refused, amount, ask, channel, counted, day, daysBetween, element, id, marketplace, marketplaceName, seen, sellerApi,
  show, table, verdictWord, words,
} from "./page.js";

const CAUSES_FIRST = 100;
const MOVES_TOLD = 6;

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
    const places = grouped(told.figures);
    const none = element("p", { class: "note" }, "Nothing of this seller is counted yet.");
    show(at("figures"), ...[overview(places)].filter((nav) => nav !== null), ...(places.length ? places.map((place, index) => section(place, index, told)) : [none]));
    show(at("defects"), ...defectiveOrders(told));
    at("more").hidden = told.defects.length <= orders;
  }
  shown = told;
}

// What has just moved.

function tellMoves(before, after) {
  if (before === null) return;
  const was = new Map(before.figures.map((figure) => [nameOf(figure), figure]));
  const moved = after.figures.filter((figure) => isTold(figure) && was.has(nameOf(figure)) && differs(was.get(nameOf(figure)), figure));
  const moves = firstWindows(moved).map((figure) => move(was.get(nameOf(figure)), figure));
  if (!moves.length) return;
  const more = moves.length > MOVES_TOLD ? `; and ${amount(moves.length - MOVES_TOLD)} more` : "";
  at("moved").textContent = `Moved at ${new Date().toTimeString().slice(0, 8)}. ${moves.slice(0, MOVES_TOLD).join("; ")}${more}`;
}

const nameOf = (figure) => JSON.stringify([figure.metric, figure.marketplace, figure.channel, figure.window]);
const isTold = (figure) => isOrderDefect(figure) || !textOf(figure.metric).byChannel;
const differs = (was, is) => was.numerator !== is.numerator || was.denominator !== is.denominator || was.verdict !== is.verdict;

/** Returns of each metric the figure of the first window, of the order defect rate those of both. */
function firstWindows(figures) {
  const told = new Map();
  for (const figure of figures) {
    const { metric, marketplace, channel, window } = figure;
    const key = JSON.stringify([metric, marketplace, channel, isOrderDefect(figure) ? window : null]);
    if (!told.has(key)) told.set(key, figure);
  }
  return [...told.values()];
}

function move(was, figure) {
  const by = textOf(figure.metric).byChannel && figure.channel !== null ? ` ${seen(figure.channel)}` : "";
  const verdict = was.verdict === figure.verdict ? "" : `, now ${verdictWord(figure.verdict)}`;
  const counts = `${amount(was.numerator)}${ofDenominator(was)} → ${countOf(figure)}`;
  return `${marketplaceName(figure.marketplace)}${by}, ${nameAmid(figure.metric)}, ${windowName(figure.window)}: ${counts}${verdict}`;
}

const ofDenominator = ({ denominator }) => (denominator === null ? "" : ` of ${amount(denominator)}`);

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
