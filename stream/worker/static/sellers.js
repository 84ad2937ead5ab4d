// The page of all sellers: worst ratio first, with a search and pages.

import { Live, amount, ask, badge, channel, counted, element, id, marketplace, percent, sellerPage, show, table } from "./page.js";

const PAGE_ROWS = 50;
const HEADS = ["Seller", "Marketplace", "Channel", "Order defect rate", "Defective orders", "Verdict"];

const at = (name) => document.getElementById(name);
const query = new URLSearchParams(location.search);
let part = query.get("q") ?? "";
let page = Math.max(1, Number.parseInt(query.get("page"), 10) || 1);

function gather(signal) {
  const wanted = new URLSearchParams({ limit: PAGE_ROWS, offset: (page - 1) * PAGE_ROWS, q: part });
  return ask(`/api/sellers?${wanted}`, signal);
}

function present({ total, sellers }) {
  const last = Math.max(1, Math.ceil(total / PAGE_ROWS));
  if (page > last) {
    turnTo(last);
    return;
  }
  say(found(total));
  const listed = table("Sellers by order defect rate, worst first", HEADS, sellers.map(row));
  show(at("sellers"), ...(sellers.length ? [listed] : []));
  at("paging").hidden = last === 1;
  at("place").textContent = `page ${amount(page)} of ${amount(last)}`;
  at("before").disabled = page === 1;
  at("after").disabled = page === last;
}

function row(line) {
  return {
    key: JSON.stringify([line.seller, line.marketplace, line.channel]),
    cells: [
      element("a", { href: sellerPage(line.seller) }, id(line.seller)),
      marketplace(line.marketplace),
      channel(line.channel),
      element("strong", {}, line.order_defect_ratio === null ? "no orders in it" : percent(line.order_defect_ratio)),
      `${amount(line.defective_orders)} of ${amount(line.orders)}`,
      badge(line.verdict),
    ],
  };
}

function found(total) {
  if (total > 0) return `${counted(total, "line")}, one for each seller, marketplace and channel`;
  return part === "" ? "No seller has orders yet." : "No seller's id contains this.";
}

function say(text) {
  if (at("found").textContent !== text) at("found").textContent = text;
}

function turnTo(wanted) {
  page = wanted;
  const kept = new URLSearchParams();
  if (part !== "") kept.set("q", part);
  if (page > 1) kept.set("page", page);
  history.replaceState(null, "", kept.size ? `/?${kept}` : "/");
  live.again();
}

function search() {
  if (at("part").value === part) return;
  part = at("part").value;
  turnTo(1);
}

at("part").value = part;
let typing = 0;
at("part").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(search, 250);
});
at("search").addEventListener("submit", (event) => {
  event.preventDefault();
  search();
});
at("before").addEventListener("click", () => turnTo(page - 1));
at("after").addEventListener("click", () => turnTo(page + 1));

const live = new Live(gather, present);
