// What both pages share: elements made of text only, the API's answers, how fresh they are, and how values read.

const REFRESH_SECONDS = 3;
const SLOWEST_REFRESH_SECONDS = 60;
const ANSWER_WITHIN_SECONDS = 10;

// Elements. Whatever comes from an event is a text node or an attribute's value, never markup.

/** Returns a new element; attributes that are null or false are left out, strings among the children become text. */
export function element(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** Returns a new SVG element, by the same rules. */
export function drawn(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function fill(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null));
  return made;
}

/**
 * Makes `parent` hold `wanted`, and keeps every element that stays: focus, selection and open details survive.
 * Elements with `data-key` are recognised wherever they have moved to.
 */
export function show(parent, ...wanted) {
  const focused = document.activeElement;
  bring(parent, wanted);
  if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
}

function bring(parent, wanted) {
  const keyed = new Map([...parent.children].filter((child) => child.dataset.key).map((child) => [child.dataset.key, child]));
  let at = parent.firstChild;
  for (const node of wanted) {
    const stays = same(at, node) ? at : keyed.get(node.dataset?.key);
    if (stays === undefined) {
      parent.insertBefore(node, at);
      continue;
    }
    keyed.delete(node.dataset?.key); // a key that comes twice is recognised once
    if (stays === at) at = at.nextSibling;
    else parent.insertBefore(stays, at);
    update(stays, node);
  }
  while (at !== null) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

function same(old, wanted) {
  return old !== null && old.nodeName === wanted.nodeName && old.dataset?.key === wanted.dataset?.key;
}

function update(old, wanted) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== wanted.data) {
      old.data = wanted.data;
      flash(old.parentElement.closest("[data-figure]"));
    }
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!wanted.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  bring(old, [...wanted.childNodes]);
}

function flash(figure) {
  if (figure === null || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const colour = getComputedStyle(document.documentElement).getPropertyValue("--flash");
  figure.animate([{ backgroundColor: colour }, { backgroundColor: "transparent" }], 2500);
}

/** Returns a table that is read as one on a narrow screen too, where each row becomes a card (see page.css). */
export function table(caption, heads, rows) {
  const head = heads.map((name) => element("th", { scope: "col", role: "columnheader" }, name));
  const body = rows.map(({ key, cells }) =>
    element("tr", { role: "row", "data-key": key }, ...cells.map((cell, at) => tableCell(cell, at, heads[at]))),
  );
  return element(
    "table",
    { class: "stack", role: "table" },
    element("caption", {}, caption),
    element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...head)),
    element("tbody", { role: "rowgroup" }, ...body),
  );
}

function tableCell(content, at, head) {
  const attributes = { "data-label": head, "data-figure": true };
  return at === 0
    ? element("th", { ...attributes, scope: "row", role: "rowheader" }, content)
    : element("td", { ...attributes, role: "cell" }, content);
}

// The API.

/** An answer that is none: `status` is HTTP's, or null where the worker can't be reached. */
export class Refused extends Error {
  constructor(message, status = null) {
    super(message);
    this.status = status;
  }
}

/** Returns the JSON at `path` on this worker; raises Refused. */
export async function ask(path, signal) {
  let answer;
  try {
    // The origin is without the user and password that the page's own address may have: fetch refuses those.
    answer = await fetch(location.origin + path, { cache: "no-store", signal });
    if (answer.ok) return await answer.json();
  } catch {
    throw new Refused(`the worker at ${location.host} can't be reached`);
  }
  const told = await answer.json().catch(() => ({}));
  throw new Refused(`the worker says: ${told.error ?? `HTTP ${answer.status}`}`, answer.status);
}

// `.` and `..` are resolved by browsers, even when percent-encoded: they go into the query (see site.py).
const resolved = (seller) => seller === "." || seller === "..";

/** Returns the address of a seller's page. */
export function sellerPage(seller) {
  return resolved(seller) ? `/seller?id=${seller}` : `/sellers/${encodeURIComponent(seller)}`;
}

/** Returns the API's address of a seller's health, defects or forecast. */
export function sellerApi(seller, what) {
  return resolved(seller) ? `/api/seller/${what}?id=${seller}` : `/api/sellers/${encodeURIComponent(seller)}/${what}`;
}

// Keeping fresh.

/**
 * Asks and shows, over and over, while the page is looked at; tells in #status and #age how old the figures are.
 *
 * `gather(signal)` returns what `present` takes. A worker that answers slowly is asked less often.
 */
export class Live {
  #gather;
  #present;
  #round = new AbortController();
  #shownAt = null;

  constructor(gather, present) {
    this.#gather = gather;
    this.#present = present;
    document.addEventListener("visibilitychange", () => this.again());
    addEventListener("online", () => this.again());
    setInterval(() => this.#tellAge(), 1000);
    this.again();
  }

  /** Asks at once: what is being waited for is no longer wanted. */
  again() {
    this.#round.abort();
    this.#round = new AbortController();
    this.#keep(this.#round.signal);
  }

  async #keep(round) {
    while (!round.aborted && !document.hidden) {
      const began = performance.now();
      await this.#once(round);
      const took = (performance.now() - began) / 1000;
      await passed(Math.min(Math.max(REFRESH_SECONDS, 10 * took), SLOWEST_REFRESH_SECONDS));
    }
  }

  async #once(round) {
    try {
      const gathered = await this.#gather(AbortSignal.any([round, AbortSignal.timeout(ANSWER_WITHIN_SECONDS * 1000)]));
      if (round.aborted) return;
      this.#present(gathered);
      this.#shownAt = new Date();
      this.#tell("live", "Live");
    } catch (problem) {
      if (round.aborted) return;
      if (!(problem instanceof Refused)) console.error(problem);
      this.#tell("stale", `${this.#shownAt ? "Out of date" : "No figures yet"}: ${problem.message}`);
    }
    this.#tellAge();
  }

  #tell(state, text) {
    document.documentElement.dataset.state = state;
    const status = document.getElementById("status");
    if (status.textContent !== text) status.textContent = text; // read out when it changes, not every few seconds
  }

  #tellAge() {
    if (this.#shownAt === null) return;
    const seconds = Math.round((Date.now() - this.#shownAt) / 1000);
    const age = seconds < 2 ? "just now" : `${amount(seconds)} s ago`;
    document.getElementById("age").textContent = `figures of ${this.#shownAt.toTimeString().slice(0, 8)}, ${age}`;
  }
}

function passed(seconds) {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

// How values read.

const VERDICTS = { good: ["✓", "Good"], at_risk: ["▲", "At risk"], missed: ["✕", "Missed"], no_data: ["–", "No data"] };
export const CHANNELS = new Map([["MFN", "shipped by the seller"], ["AFN", "shipped by Amazon"]]);
const MARKETPLACES = new Map([
  ["ATVPDKIKX0DER", "Amazon.com"], ["A2EUQ1WTGCTBG2", "Amazon.ca"], ["A1AM78C64UM0Y8", "Amazon.com.mx"],
  ["A2Q3Y263D00KWC", "Amazon.com.br"], ["A1F83G8C2ARO7P", "Amazon.co.uk"], ["A1PA6795UKMFR9", "Amazon.de"],
  ["A13V1IB3VIYZZH", "Amazon.fr"], ["APJ6JRA9NG5V4", "Amazon.it"], ["A1RKKUPIHCS9HS", "Amazon.es"],
  ["A1805IZSGTT6HS", "Amazon.nl"], ["A2NODRKZP88ZB9", "Amazon.se"], ["A1C3SOZRARQ6R3", "Amazon.pl"],
  ["AMEN7PMS3EDWL", "Amazon.com.be"], ["A28R8C7NBKEWEA", "Amazon.ie"], ["A33AVAJ2PDY3EV", "Amazon.com.tr"],
  ["A2VIGQ35RCS4UG", "Amazon.ae"], ["A17E79C6D8DWNP", "Amazon.sa"], ["ARBP9OOSHTCHU", "Amazon.eg"],
  ["A21TJRUUN4KGV", "Amazon.in"], ["A19VAU5U5O7RUS", "Amazon.sg"], ["A39IBJ37TRP1C6", "Amazon.com.au"],
  ["A1VC38T7YXB528", "Amazon.co.jp"], ["AE08WJ6YKNBMC", "Amazon.co.za"],
]);

/** Returns text from an event so that all of it is seen: control and format characters by number, outer blanks as ␣. */
export function seen(text) {
  return text
    .replace(/[\p{Cc}\p{Cf}\p{Cn}\p{Co}\p{Zl}\p{Zp}]/gu, (hidden) => `⟨U+${hidden.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`)
    .replace(/^\s+|\s+$/gu, (blanks) => "␣".repeat(blanks.length));
}

/** Returns an id as an element that keeps its own writing direction. */
export const id = (text) => element("bdi", { class: "id" }, seen(text));

/** Returns a marketplace as an element: its name, where it is a known one, and its id. */
export function marketplace(text) {
  const name = MARKETPLACES.get(text);
  return name === undefined ? id(text) : element("span", {}, name, " ", element("small", {}, id(text)));
}

/** Returns a marketplace as words. */
export const marketplaceName = (text) => MARKETPLACES.get(text) ?? seen(text);

/** Returns a channel as an element. */
export const channel = (text) => element("abbr", { title: CHANNELS.get(text) ?? null }, text ?? "all channels");

/** Returns a verdict as a word amid a sentence. */
export const verdictWord = (verdict) => (VERDICTS[verdict]?.[1] ?? words(verdict ?? "without target")).toLowerCase();

/** Returns a verdict as a badge: sign, word and colour. */
export function badge(verdict) {
  if (verdict === null) return element("span", { class: "hint" }, "no target");
  const [sign, word] = VERDICTS[verdict] ?? ["?", verdict];
  return element("span", { class: `badge ${verdict}` }, element("span", { "aria-hidden": "true" }, sign), ` ${word}`);
}

/** Returns a whole number with its thousands apart. */
export const amount = (number) => number.toLocaleString("en");

/**
 * Returns a share as per cent, or "–" for none: two digits after the point, and as many more as it takes for a share
 * beside its target not to read like the target.
 */
export function percent(share, target = null) {
  if (share === null) return "–";
  let digits = 2;
  while (digits < 8 && share !== target && target !== null && near(share, digits) === near(target, digits)) digits += 1;
  return `${near(share, digits)} %`;
}

const near = (share, digits) => (100 * share).toFixed(digits);

/** Returns a day as an element that is not broken at its hyphens. */
export const day = (text) => element("span", { class: "day" }, text);

/** Returns a name of the API as words: `not_as_described` as "not as described". */
export const words = (name) => name.replaceAll("_", " ");

/** Returns the whole days from one ISO day to another. */
export const daysBetween = (from, to) => Math.round((Date.parse(to) - Date.parse(from)) / 86_400_000);

/** Returns a number of things with the right form of their name. */
export const counted = (number, one, more = `${one}s`) => `${amount(number)} ${Math.abs(number) === 1 ? one : more}`;
