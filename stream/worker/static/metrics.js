// The metrics in a seller's words: the groups they are shown in, and what each is called, counts and asks for.

import { amount, counted, seen, words } from "./page.js";

/** The groups in the order of the page, as on Amazon's own page of account health, and the metrics of each. */
export const GROUPS = [
  ["Customer service performance", ["order_defect", "negative_feedback", "claim", "chargeback"]],
  ["Shipping performance", ["late_shipment", "cancellation", "valid_tracking", "on_time_delivery"]],
  ["Customer communication", ["contact_response"]],
  ["Policy compliance", ["open_violations"]],
  ["Feedback received", ["feedback_received_negative"]],
];

/**
 * The words of each metric. `counted` names what the numerator counts, `of` what the denominator does, one and many;
 * `none` is said where there is nothing to divide by; `failure` is what headroom counts, one and many; `days` says which
 * days the window is made of. `byChannel` metrics are told for each channel by itself.
 */
export const METRICS = new Map(Object.entries({
  order_defect: {
    name: "Order defect rate", counted: "Defective orders", of: ["order", "orders"], none: "No orders",
    failure: ["defective order", "defective orders"], days: "Order dates", byChannel: true,
    meaning: "Orders with negative feedback, an A-to-Z claim or a chargeback that counts.",
  },
  negative_feedback: {
    name: "Negative feedback", counted: "by feedback", of: ["order", "orders"], days: "Order dates", byChannel: true,
    meaning: "Orders with a posted feedback of 1 or 2 stars.",
  },
  claim: {
    name: "A-to-Z claims", counted: "by claims", of: ["order", "orders"], days: "Order dates", byChannel: true,
    meaning: "Orders with a claim that counts.",
  },
  chargeback: {
    name: "Chargebacks", counted: "by chargebacks", of: ["order", "orders"], days: "Order dates", byChannel: true,
    meaning: "Orders with a service chargeback that counts.",
  },
  late_shipment: {
    name: "Late shipment", counted: "Late", of: ["order", "orders"], none: "No orders shipped",
    failure: ["late shipment", "late shipments"], days: "Confirmed",
    meaning: "Orders confirmed shipped after their latest ship date, of all that were confirmed shipped.",
  },
  cancellation: {
    name: "Cancellation", counted: "Cancelled", of: ["order", "orders"], none: "No orders",
    failure: ["cancelled order", "cancelled orders"], days: "Order dates",
    meaning: "Orders that the seller cancelled, or Amazon because they were not shipped in time.",
  },
  valid_tracking: {
    name: "Valid tracking", counted: "Tracked", of: ["package", "packages"], none: "No packages",
    failure: ["package without valid tracking", "packages without valid tracking"], days: "Promised for",
    meaning: "Packages that a carrier has scanned; tracking that came only after the delivery is not valid.",
  },
  on_time_delivery: {
    name: "On-time delivery", counted: "On time", of: ["package", "packages"], none: "No tracked packages",
    failure: ["late delivery", "late deliveries"], days: "Promised for",
    meaning: "Packages delivered by the promised day, of those with valid tracking.",
  },
  contact_response: {
    name: "Contact response", counted: "Answered in time", of: ["message", "messages"], none: "No messages",
    failure: ["late answer", "late answers"], days: "Received",
    meaning: "Buyers' messages answered within 24 hours, weekends included, of those that need an answer.",
  },
  open_violations: {
    name: "Open violations", counted: "open", none: "None open",
    failure: ["open violation", "open violations"], days: "Detected",
    meaning: "Violations of Amazon's policies that are not resolved.",
  },
  feedback_received_negative: {
    name: "Negative feedback received", counted: "1 or 2 stars", of: ["rating", "ratings"], none: "No feedback",
    days: "Received",
    meaning: "What buyers see: feedback of 1 or 2 stars, of all that is posted, by the day it was received.",
  },
}));

const CONDITIONS = new Map([["less_than", "under"], ["greater_than", "over"], ["at_least", "at least"], ["equals", "exactly"]]);

/** Returns the words of a metric; those of one that this page doesn't know are made of its name. */
export function textOf(metric) {
  const name = words(seen(metric));
  return METRICS.get(metric) ?? { name, counted: "Count", none: "Nothing", failure: ["failure", "failures"], days: "Days", meaning: "" };
}

/** Returns the name of a metric amid a sentence; of an acronym's letters none is made small. */
export const nameAmid = (metric) => textOf(metric).name.replace(/^[A-Z](?=[a-z])/u, (first) => first.toLowerCase());

/** Returns a window as words: `30d` as "30 days". */
export function windowName(name) {
  const days = /^(\d+)d$/.exec(name);
  return days === null ? words(seen(name)) : counted(Number(days[1]), "day");
}

/** Returns a figure's counts: "12 of 430 orders", or the number alone where it is no share. */
export function countOf({ metric, numerator, denominator }) {
  if (denominator === null) return amount(numerator);
  const { of } = textOf(metric);
  return `${amount(numerator)} of ${of === undefined ? amount(denominator) : counted(denominator, ...of)}`;
}

/** Returns what is asked of a figure: "under 4 %", "none open"; null where nothing is. */
export function targetOf({ target, condition, denominator }) {
  if (target === null) return null;
  if (denominator === null && condition === "equals") return target === 0 ? "none open" : `exactly ${amount(target)}`;
  return `${CONDITIONS.get(condition) ?? words(seen(condition))} ${shortPercent(target)}`;
}

const shortPercent = (share) => `${Number((100 * share).toFixed(8))} %`;

/** Returns how many more failures a figure bears: "5 more late shipments fit"; null where that means nothing. */
export function headroomOf({ metric, headroom, denominator }) {
  if (headroom === null) return null;
  const { failure = ["failure", "failures"] } = textOf(metric);
  if (headroom < 0) return `${counted(-headroom, ...failure)} too many`;
  if (denominator === null) return null;
  if (headroom === 0) return `none: one more ${failure[0]} misses the target`;
  return `${amount(headroom)} more ${headroom === 1 ? `${failure[0]} fits` : `${failure[1]} fit`}`;
}
