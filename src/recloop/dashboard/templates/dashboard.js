"use strict";
// Pages work without this: it refreshes what is live, tells the numbers under the pointer, and hides fields of no use.

function refresh() {
  const page = document.querySelector("#page[data-refresh]");
  if (!page) return;
  setInterval(async () => {
    if (document.hidden || page.contains(document.activeElement)) return;
    try {
      const answer = await fetch(location.href, { credentials: "same-origin" });
      if (!answer.ok || answer.redirected) { if (answer.redirected) location.reload(); return; }
      const next = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("#page");
      if (next) { page.replaceChildren(...next.childNodes); page.dispatchEvent(new Event("refreshed")); }
    } catch { /* the service is away for a moment: the next try tells */ }
  }, 1000 * Number(page.dataset.refresh));
}

// A chart is a picture: its ticks say which number a height means, and its lines hold the points.
function scaleOf(chart) {
  const ticks = [...chart.querySelectorAll('text.tick[text-anchor="end"]')].map(t => {
    const words = t.textContent.replace(/[,\s+]/g, "").replace("−", "-");
    return { y: Number(t.getAttribute("y")) - 4, value: parseFloat(words), unit: /%/.test(words) ? "%" : "" };
  }).filter(t => Number.isFinite(t.value));
  if (ticks.length < 2) return null;
  const [a, b] = [ticks[0], ticks[ticks.length - 1]];
  return y => {
    const value = a.value + (y - a.y) * (b.value - a.value) / (b.y - a.y);
    return (Math.abs(value) >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3)) + a.unit;
  };
}

function hover() {
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  document.body.append(tip);
  document.addEventListener("pointermove", event => {
    const chart = event.target.closest ? event.target.closest("svg.chart") : null;
    const lines = chart ? [...chart.querySelectorAll("polyline.line")] : [];
    const tell = lines.length ? scaleOf(chart) : null;
    if (!tell) { tip.hidden = true; return; }
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(chart.getScreenCTM().inverse());
    const said = lines.map(line => {
      let best = null;
      for (const point of line.points) if (!best || Math.abs(point.x - at.x) < Math.abs(best.x - at.x)) best = point;
      return best ? tell(best.y) : null;
    });
    const names = [...chart.querySelectorAll("text.label")].map(t => t.textContent);
    tip.textContent = said.map((value, i) => value && `${names[i] || ""} ${value}`.trim()).filter(Boolean).join("\n");
    tip.hidden = !tip.textContent;
    // no style attribute is allowed by the policy of the page, setting properties is
    tip.style.left = `${Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)}px`;
    tip.style.top = `${event.clientY + 14}px`;
  });
}

function fields() {
  const form = document.querySelector("form[data-action-form]");
  if (!form) return;
  const show = () => {
    const action = new FormData(form).get("action");
    for (const one of form.querySelectorAll("[data-for],[data-not]")) {
      one.hidden = one.dataset.for ? one.dataset.for !== action : one.dataset.not === action;
      // what is typed in a field of no use must neither be sent nor stop the form
      for (const input of one.querySelectorAll("input")) input.disabled = one.hidden;
    }
  };
  form.addEventListener("change", show);
  show();
}

for (const select of document.querySelectorAll("select[data-submit]")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}
refresh();
hover();
fields();
