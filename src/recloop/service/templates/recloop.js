// Views and clicks of a page, sent to recloop. No other code, no cookie, nothing inline: it works under a strict
// Content-Security-Policy that lists the service under script-src and connect-src.
//
//   <script src="https://rec.example/v1/recloop.js" data-key="rlk_…" data-user="u1" defer></script>
//   <ul data-recloop-decision="01a1…"><li data-recloop-item="i7">…</li></ul>
(() => {
  "use strict";
  const script = document.currentScript;
  if (!script || window.recloop) return;

  const said = script.dataset;
  const number = (text, usual) => (Number(text) > 0 ? Number(text) : usual);
  const PATIENCE = number(said.seconds, 5) * 1000; // that an event waits for others
  const SEEN = number(said.viewSeconds, 1) * 1000; // that an item is in sight before it counts as viewed
  const SHARE = Math.min(number(said.viewShare, 0.5), 1); // of it, or of the window, that must be in sight
  const BATCH = 50; // events that are sent together
  const KEPT = 1000; // events that wait while the service cannot be reached
  const AGAIN = 1000; // milliseconds before the first try again; each further wait is twice as long …
  const LONGEST = 60000; // … up to this

  const address = new URL("beacon", script.src);
  if (said.key) address.searchParams.set("key", said.key);

  let user = said.user || "";
  let waiting = []; // not sent yet
  let sending = []; // on their way: sent again, under the same ids, when the page goes before the answer comes
  let timer = 0;
  let failures = 0;
  let running = false;

  // ---- ids

  function newId() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  // Who has not told who they are gets an id for this visit, which ends with the tab.
  function visitor() {
    try {
      const known = sessionStorage.getItem("recloop") || "anonymous-" + newId();
      sessionStorage.setItem("recloop", known);
      return known;
    } catch {
      return "anonymous-" + newId(); // storage is switched off
    }
  }

  // ---- the queue

  function track(event) {
    if (!event || !event.item || !event.kind) throw new TypeError("recloop.track needs an item and a kind");
    if (!user) user = visitor();
    waiting.push({ id: newId(), user, time: Date.now() / 1000, ...event });
    waiting = waiting.slice(-KEPT);
    if (waiting.length >= BATCH && !failures) flush();
    else later(PATIENCE);
  }

  function later(milliseconds) {
    if (!timer) timer = setTimeout(flush, milliseconds);
  }

  const body = (events) => JSON.stringify({ events });

  // A plain text without credentials: a browser asks no permission first, and sends no cookie.
  async function flush() {
    clearTimeout(timer);
    timer = 0;
    if (sending.length || !waiting.length) return;
    sending = waiting.splice(0, BATCH);
    const wait = await post(body(sending)).catch(() => AGAIN);
    if (wait) waiting = sending.concat(waiting).slice(-KEPT);
    sending = [];
    failures = wait ? failures + 1 : 0;
    if (waiting.length) {
      const patient = wait * 2 ** Math.min(failures - 1, 10) * (0.5 + Math.random() / 2);
      later(wait ? Math.min(patient, LONGEST) : 0);
    }
  }

  // Milliseconds after which it is to be sent again; 0 where it arrived, or would never be taken.
  async function post(text) {
    const answer = await fetch(address, { method: "POST", body: text, credentials: "omit", keepalive: true });
    if (answer.ok) return 0;
    if (answer.status === 429 || answer.status >= 500) return 1000 * Number(answer.headers.get("retry-after")) || AGAIN;
    const problem = await answer.json().catch(() => ({}));
    console.warn("recloop: " + (problem.detail || "status " + answer.status));
    return 0;
  }

  // The page goes: what is on its way may be cut off, so it goes along. What has arrived counts once.
  function leave() {
    const last = sending.concat(waiting);
    for (let start = 0; start < last.length; start += BATCH) {
      if (!navigator.sendBeacon(address, body(last.slice(start, start + BATCH)))) return; // stays until it comes back
      const gone = new Set(last.slice(start, start + BATCH));
      waiting = waiting.filter((event) => !gone.has(event));
    }
  }

  // ---- what is seen

  const since = new Map(); // element → timer of its view
  const viewed = new WeakMap(); // element → the item that was seen in it

  const about = (element) => {
    const decision = element.closest("[data-recloop-decision]");
    const event = { item: element.dataset.recloopItem };
    return decision ? { ...event, decision: decision.dataset.recloopDecision } : event;
  };

  function inSight(entry) {
    const height = entry.rootBounds ? entry.rootBounds.height : window.innerHeight;
    return entry.isIntersecting
      && (entry.intersectionRatio >= SHARE || entry.intersectionRect.height >= SHARE * height);
  }

  function look(entries) {
    for (const entry of entries) {
      const element = entry.target;
      clearTimeout(since.get(element));
      since.delete(element);
      if (inSight(entry) && document.visibilityState === "visible") {
        since.set(element, setTimeout(() => see(element), SEEN));
      }
    }
  }

  function see(element) {
    since.delete(element);
    const item = element.dataset.recloopItem;
    if (!item || viewed.get(element) === item) return;
    viewed.set(element, item);
    track({ kind: "view", ...about(element) });
  }

  const sight = new IntersectionObserver(look, { threshold: [0, 0.1, 0.25, SHARE, 0.75, 1] });
  const changes = new MutationObserver((records) => {
    for (const record of records) {
      if (record.type === "attributes") watch(record.target, true);
      for (const node of record.addedNodes) if (node.nodeType === 1) watchAll(node);
      for (const node of record.removedNodes) if (node.nodeType === 1) forgetAll(node);
    }
  });

  const within = (node) => [node, ...node.querySelectorAll("[data-recloop-item]")];
  const watchAll = (node) => within(node).forEach((element) => watch(element));
  const forgetAll = (node) => within(node).forEach((element) => {
    if (element.isConnected) return; // it was moved
    sight.unobserve(element);
    clearTimeout(since.get(element));
    since.delete(element);
  });

  function watch(element, again) {
    if (again) sight.unobserve(element); // another item in the same place is looked at anew
    if (element.dataset && element.dataset.recloopItem) sight.observe(element);
  }

  // ---- what is done

  function click(event) {
    const element = event.target instanceof Element && event.target.closest("[data-recloop-item]");
    if (element && event.button < 2 && element.dataset.recloopItem) track({ kind: "click", ...about(element) });
  }

  function hidden() {
    if (document.visibilityState === "visible") {
      for (const element of document.querySelectorAll("[data-recloop-item]")) watch(element, true);
      return;
    }
    since.forEach(clearTimeout);
    since.clear();
    leave();
  }

  function start() {
    if (running) return;
    running = true;
    watchAll(document.documentElement);
    changes.observe(document.documentElement, {
      subtree: true, childList: true, attributes: true, attributeFilter: ["data-recloop-item"],
    });
    for (const kind of ["click", "auxclick"]) document.addEventListener(kind, click, true);
    document.addEventListener("visibilitychange", hidden);
    window.addEventListener("pagehide", leave);
  }

  function stop() {
    running = false;
    sight.disconnect();
    changes.disconnect();
    since.forEach(clearTimeout);
    since.clear();
    for (const kind of ["click", "auxclick"]) document.removeEventListener(kind, click, true);
    document.removeEventListener("visibilitychange", hidden);
    window.removeEventListener("pagehide", leave);
    leave();
  }

  window.recloop = Object.freeze({
    track, flush, start, stop,
    identify: (name) => { user = String(name || ""); },
  });
  if (!("wait" in said)) start();
})();
