// The forecast as a picture and as one sentence.

import { amount, counted, daysBetween, drawn, percent } from "./page.js";

const HEIGHT = 190;
const LEFT = 56;
const TOP = 14;
const BOTTOM = 24;
const KNOWN_DAYS = 15; // until then the window's days lie in the past: their orders are known
const NO_TARGET = Number.POSITIVE_INFINITY;

const missed = (ratio, target) => ratio !== null && ratio >= (target ?? NO_TARGET);

/** Returns what a seller wants to know of the forecast: when the official figure crosses its target, and crosses back. */
export function outlook(days, official, today) {
  if (official.target === null) return "There is no target in this marketplace.";
  const missedNow = missed(official.ratio, official.target);
  const now = missedNow ? "The target is missed today" : "The target is met today";
  const [turn, back] = turns(days, official.target, missedNow);
  if (turn === undefined) return `${now}, and stays so on all of the next ${amount(days.length)} days.`;
  const [then, later] = missedNow ? ["it is met again", "missed again"] : ["it will be missed", "met again"];
  return `${now}; ${then} from ${when(turn, today)}${back ? `, and ${later} from ${when(back, today)}` : ""}.`;
}

function turns(days, target, missedBefore) {
  const sides = [missedBefore, ...days.map(({ ratio }) => missed(ratio, target))];
  return days.filter((_, index) => sides[index] !== sides[index + 1]);
}

const when = ({ day }, today) => `${day} (in ${counted(daysBetween(today, day), "day")})`;

/** Returns the chart, `width` pixels wide: a bar for each day, a line for the target. */
export function chart(days, target, told, width) {
  const top = 1.1 * Math.max(1.5 * (target ?? 0), ...days.map((day) => day.ratio ?? 0), 0.001);
  const x = (index) => LEFT + ((width - LEFT) * index) / days.length;
  const y = (share) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - share / top);
  const step = x(1) - x(0);
  const bars = days.map((day, index) => bar(day, x(index), y, step, missed(day.ratio, target)));
  const dates = [0, KNOWN_DAYS, 30, 45].filter((index) => index < days.length).map((index) => date(days[index].day, x(index)));
  return drawn(
    "svg",
    { class: "chart", role: "img", "aria-label": told, viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT },
    drawn("rect", { class: "unknown", x: x(KNOWN_DAYS), y: TOP, width: width - x(KNOWN_DAYS), height: y(0) - TOP }),
    ...bars,
    line("axis", LEFT, width, y(0)),
    drawn("text", { class: "label", x: LEFT - 6, y: y(0), "text-anchor": "end" }, "0 %"),
    ...(target === null ? [] : targetLine(target, width, y(target))),
    ...dates,
  );
}

function bar(day, x, y, step, misses) {
  const share = day.ratio ?? 0;
  const figures = `${day.day}: ${percent(day.ratio)}, ${amount(day.defective_orders)} of ${amount(day.orders)}`;
  const shape = { x: x + step * 0.1, y: y(share), width: step * 0.8, height: y(0) - y(share) };
  return drawn("rect", { class: misses ? "bar missed" : "bar", ...shape }, drawn("title", {}, figures));
}

function targetLine(target, width, y) {
  const label = { class: "label", x: LEFT - 6, y: y + 4, "text-anchor": "end" };
  return [line("target", LEFT, width, y), drawn("text", label, percent(target))];
}

const line = (name, from, to, y) => drawn("line", { class: name, x1: from, x2: to, y1: y, y2: y });
const date = (day, x) => drawn("text", { class: "label", x, y: HEIGHT - 6 }, day.slice(5));
