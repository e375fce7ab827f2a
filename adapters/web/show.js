// How the page looks: elements of what it is told. Everything is made by
// textContent: what a person or the provider supplied is never read as HTML.
// Nothing here asks the server or keeps state, but for who is here and how far
// the demo's clock is ahead.

export const world = {
  people: [],
  strangers: [], // those whom the policy does not know
  ahead: 0, // of the demo's clock before the machine's, in ms: time can be skipped
};

export const $ = (id) => document.getElementById(id);

// el makes an element: its class, its attributes, what is in it.
export function el(tag, cls, props, ...kids) {
  const e = document.createElement(tag);
  if (cls) e.className = cls;
  for (const [k, v] of Object.entries(props || {})) {
    if (k.startsWith("on")) e.addEventListener(k.slice(2), v);
    else if (v === true) e.setAttribute(k, "");
    else if (v !== false && v != null) e.setAttribute(k, v);
  }
  e.append(...kids.flat().filter((k) => k != null && k !== ""));
  return e;
}

// --- words ---

const now = () => Date.now() + world.ahead;

function length(ms) {
  const s = Math.round(ms / 1000);
  if (s < 60) return s + " s";
  if (s < 600 && s % 60) return Math.floor(s / 60) + " min " + (s % 60) + " s";
  const m = Math.round(s / 60);
  if (m < 60) return m + " min";
  if (m < 600 && m % 60) return Math.floor(m / 60) + " h " + (m % 60) + " min";
  if (m < 2880) return Math.round(m / 60) + " h";
  return Math.floor(m / 1440) + " days";
}

const clock = (d) => d.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

export function moment(unix) {
  const t = new Date(unix * 1000), diff = now() - unix * 1000;
  const ago = diff < 0 ? "in " + length(-diff) : diff < 1000 ? "now" : length(diff) + " ago";
  const today = t.toDateString() === new Date(now()).toDateString();
  return (today ? clock(t) : t.toLocaleDateString() + " " + clock(t)) + " (" + ago + ")";
}

function spans(list) {
  return (list || []).map((s) => {
    if (s.at) return el("time", "", { datetime: new Date(s.at * 1000).toISOString(), "data-at": s.at }, moment(s.at));
    if (s.c != null) return el("code", "", {}, s.c);
    const [, gauge, rest] = /^([█░]*)([^]*)$/.exec(s.t || "");
    return gauge ? [el("span", "gauge", { "aria-hidden": "true" }, gauge), rest] : rest;
  }).flat();
}

const flat = (list) => (list || []).map((s) => (s.at ? moment(s.at) : s.c != null ? s.c : s.t || "")).join("");

const marks = { good: "✓", busy: "●", warn: "!", bad: "✗" };
const verdicts = { allow: "✓ allowed", confirm: "● to confirm", approve: "! needs approval", deny: "✗ denied" };
export const verdict = (v) => el("span", "verdict", { "data-v": v }, verdicts[v] || v);

// beside is what a choice's label says more than its value.
export const beside = (c) => ((c.label || "").startsWith(c.value) ? c.label.slice(c.value.length) : c.label || "").replace(/^[\s·]+/, "");

// where names the platforms of places such as slack:T01/C02.
const platforms = { slack: "Slack", discord: "Discord", demo: "the demo" };
const where = (places) => [...new Set(places.map((p) => p.split(":")[0]))].map((p) => platforms[p] || p).join(", ");

export function face(name, big) {
  const i = world.people.indexOf(name);
  return el("span", "face" + (big ? " big" : ""), { "data-hue": world.strangers.includes(name) ? 5 : (i < 0 ? 5 : i % 5), "aria-hidden": "true" }, name.slice(0, 1));
}

// --- messages and cards ---

// message shows a message in the element m.li. What its buttons do is handed in.
export function message(v, m, does) {
  const fresh = m.li.classList.contains("fresh") ? " fresh" : "";
  if (v.stage) {
    m.li.className = "stage" + fresh;
    m.li.replaceChildren(stages(v.stage));
    return;
  }
  m.li.className = "msg" + (v.to ? " private" : "") + fresh;
  const at = new Date(v.at);
  const head = el("div", "head", {});
  if (v.line) head.append(el("span", "by", {}, v.to));
  else head.append(el("span", "by", {}, "hosterbot"));
  head.append(el("time", "at", { datetime: at.toISOString() }, clock(at)));
  if (v.to) head.append(el("span", "badge", {}, "Only " + v.to + " sees this"));
  if (v.place) head.append(el("span", "where", { title: v.place }, "in " + where([v.place])));
  if (v.copies) head.append(el("span", "where", { title: v.copies.join(", ") }, "also in " + where(v.copies)));
  const main = el("div", "main", {}, head);
  if (v.line) main.append(el("p", "typed", {}, el("code", "", {}, "/" + v.line)));
  if (v.card) main.append(card(v.card, m, does.press));
  if (v.file) main.append(file(v.file, does.save));
  if (v.busy) main.append(el("p", "working", {}, el("i"), el("i"), el("i"), "working"));
  if (v.note) main.append(el("p", "notes", {}, v.note));
  if (m.thread) main.append(m.thread);
  const icon = v.line ? face(v.to, true) : el("img", "face big", { src: "/icon.svg", alt: "" });
  m.li.replaceChildren(icon, main);
}

// card shows a card. m keeps its bar, which goes on where it is; press is told
// which button was pressed.
function card(c, m, press) {
  const box = el("div", "card", { "data-tone": c.tone });
  if (c.title && c.title.length) box.append(el("p", "title", {}, marks[c.tone] ? el("span", "mark", { "aria-hidden": "true" }, marks[c.tone]) : "", spans(c.title)));
  if (c.lines) box.append(el("div", "", {}, c.lines.map((l) => el("p", "", {}, spans(l)))));
  if (c.fields) box.append(el("dl", "", {}, c.fields.flatMap((f) => [el("dt", "", {}, spans(f.label)), el("dd", "", {}, spans(f.value))])));
  if (c.table) box.append(c.table.rows.length ? table(c.table, flat(c.title)) : el("p", "", {}, spans(c.table.empty)));
  if (c.bar) {
    if (!m.bar) {
      m.bar = el("div", "bar", { role: "progressbar", "aria-valuemin": "0", "aria-valuemax": "100" }, el("i"));
      m.barText = el("p", "bar-text", {});
    }
    m.bar.classList.toggle("unknown", c.bar.percent < 0);
    m.bar.setAttribute("aria-label", flat(c.title) || "Progress");
    if (c.bar.percent >= 0) m.bar.setAttribute("aria-valuenow", c.bar.percent); else m.bar.removeAttribute("aria-valuenow");
    const inner = m.bar.firstChild;
    requestAnimationFrame(() => requestAnimationFrame(() => { inner.style.width = c.bar.percent >= 0 ? c.bar.percent + "%" : ""; }));
    m.since = now() - c.bar.elapsed;
    box.append(m.bar, m.barText);
    tick(m);
  } else m.bar = m.barText = null;
  for (const s of c.secrets || []) box.append(secret(s));
  if (c.mentions) box.append(el("p", "mentions", {}, c.mentions.map((n) => "@" + n).join(" ")));
  if (c.notes) box.append(el("div", "notes", {}, c.notes.map((l) => el("p", "", {}, spans(l)))));
  if (c.buttons) box.append(el("div", "buttons", {}, c.buttons.map((b) => el("button", "btn " + (b.style || ""), { type: "button", onclick: (e) => press(b, e.currentTarget) }, b.label))));
  return box;
}

// tick brings the words below a bar up to now.
export function tick(m) {
  if (!m || !m.barText || !m.view && !m.bar) return;
  const b = (m.view || {}).card && m.view.card.bar;
  if (!b) return;
  const elapsed = Math.max(now() - m.since, 0), parts = [];
  if (b.percent >= 0) parts.push(b.percent + " %");
  if (b.word) parts.push(b.word);
  parts.push(length(elapsed) + (b.expected > elapsed ? " of about " + length(b.expected) : ""));
  m.barText.textContent = parts.join(" · ");
}

const option = (c) => el("option", "", { value: c.value }, c.label || c.value);

function table(t, title) {
  const wide = t.columns.map((_, i) => t.rows.some((r) => flat(r[i]).length > 42));
  const keeps = t.rows.every((r) => flat(r[0]).length < 16); // in sight while the rest goes by
  const heads = t.columns.map((c) => el("th", c.right ? "right" : "", { scope: "col" }, spans(c.name)));
  const body = el("tbody", "", {}, t.rows.map((r) => el("tr", "", {}, r.map((cell, i) => el("td", (t.columns[i].right ? "right " : "") + (wide[i] ? "wrap" : ""), {}, spans(cell))))));
  const scroll = el("div", "scroll", { tabindex: "0", role: "region", "aria-label": "Table: " + (title || "rows") },
    el("table", keeps ? "keeps" : "", {}, el("thead", "", {}, el("tr", "", {}, heads)), body));
  const more = el("button", "further", { type: "button", hidden: true, onclick: () => {
    scroll.scrollTo({ left: unseen() ? scroll.scrollLeft + scroll.clientWidth * .6 : 0 });
  } });
  const box = el("div", "table", {}, el("div", "edge", {}, scroll), more);
  const unseen = () => heads.filter((h, i) => i > 0 && h.offsetLeft + h.offsetWidth > scroll.scrollLeft + scroll.clientWidth + 2).length;
  const look = () => {
    const n = unseen();
    box.classList.toggle("more", n > 0);
    box.classList.toggle("moved", scroll.scrollLeft > 0);
    more.hidden = scroll.scrollWidth <= scroll.clientWidth + 1;
    more.textContent = n > 1 ? n + " more columns →" : n ? "1 more column →" : "← Back to the first";
  };
  scroll.addEventListener("scroll", look, { passive: true });
  new ResizeObserver(() => requestAnimationFrame(look)).observe(scroll); // also when it is first seen
  return box;
}

function secret(s) {
  const web = s.link && /^https?:\/\//.test(s.value);
  return el("div", "secret", {}, el("strong", "", {}, s.label),
    web ? el("a", "mono", { href: s.value, target: "_blank", rel: "noopener noreferrer" }, s.value) : el("span", "mono", {}, s.value),
    web ? "" : el("button", "btn", { type: "button", onclick: (e) => { navigator.clipboard.writeText(s.value); e.currentTarget.textContent = "Copied"; } }, "Copy"),
    el("small", "", {}, "Shown once, to you only. It is gone when the page is loaded again."));
}

export function summary(v) {
  if (v.stage) return stages(v.stage);
  if (v.file) return "A file: " + v.file.name;
  if (!v.card) return v.note || "";
  const c = v.card;
  return [flat(c.title), ...(c.lines || []).slice(0, 2).map(flat)].filter(Boolean).join(". ");
}

function stages(line) {
  const [word, ...rest] = line.split(" ");
  switch (word) {
    case ":skip": return rest.join(" ") + " later";
    case ":restart": return "The bot was stopped and started again";
    case ":fault": return "The provider’s next " + rest[0] + ": " + rest.slice(1).join(" ");
    case ":policy": return "Another policy: " + rest.join(" ");
  }
  return line;
}

function file(f, save) {
  return el("div", "card", {}, el("p", "title", {}, f.title || f.name), el("pre", "mono", { tabindex: "0", "aria-label": "The beginning of " + f.name }, f.head + (f.more ? "\n… (" + f.more + " lines more)" : "")),
    el("div", "buttons", {}, el("button", "btn", { type: "button", onclick: save }, "Save " + f.name)));
}

// form shows a form. What it does is handed in: submit(values, wrong), where
// wrong says what is not right with the whole; close(); and choices(field,
// values), which gives what a field can hold by what is typed so far.
export function form(f, id, does) {
  const fields = f.fields || [], inputs = {};
  const values = (of) => Object.fromEntries(of.map((x) => [x.name, inputs[x.name].value]));
  const rows = fields.map((x) => {
    const fid = id + "-" + x.name;
    const about = [x.hint ? fid + "-hint" : "", x.error ? fid + "-error" : ""].join(" ").trim();
    const common = { id: fid, required: x.required, "aria-describedby": about || null, "aria-invalid": x.error ? "true" : null, maxlength: x.max || 4000 };
    let input;
    if (x.choices && !x.lookup) {
      input = el("select", "", { ...common, maxlength: null }, x.required && x.value ? [] : el("option", "", { value: "" }, x.required ? "Choose …" : "–"),
        x.choices.map(option));
    } else if (x.long) input = el("textarea", "", { ...common, rows: "3" });
    else input = el("input", "", { ...common, type: x.secret ? "password" : "text", autocomplete: x.secret ? "new-password" : "off", spellcheck: "false" });
    input.value = x.value || "";
    inputs[x.name] = input;
    let list = null;
    if (x.lookup) {
      list = el("datalist", "", { id: fid + "-list" }, (x.choices || []).map(option));
      input.setAttribute("list", fid + "-list");
      let wait;
      input.addEventListener("input", () => {
        clearTimeout(wait);
        wait = setTimeout(async () => {
          try { list.replaceChildren(...(await does.choices(x.name, values(fields.filter((y) => !y.secret)))).map(option)); } catch { /* it is typed then */ }
        }, 150);
      });
    }
    return el("div", "field", {}, el("label", "", { for: fid }, x.label, x.required ? "" : el("span", "help", {}, " (optional)")),
      input, list, x.hint ? el("div", "help", { id: fid + "-hint" }, x.hint) : null, x.error ? el("div", "wrong", { id: fid + "-error" }, x.error) : null);
  });
  const wrong = el("p", "error", { role: "alert", hidden: true });
  const box = el("form", "ask", {
    "aria-labelledby": id + "-title", onkeydown: (e) => { if (e.key === "Escape") { e.preventDefault(); does.close(); } },
    onsubmit: (e) => { e.preventDefault(); does.submit(values(fields), (text) => { wrong.textContent = text; wrong.hidden = false; }); },
  }, el("h2", "", { id: id + "-title" }, f.title || ""), f.text && f.text.length ? el("p", "", {}, spans(f.text)) : "", rows, wrong,
  el("div", "buttons", {}, el("button", "btn primary", { type: "submit" }, f.submit || "Send"), el("button", "btn", { type: "button", onclick: does.close }, "Close")));
  const first = fields.find((x) => x.error) || fields[0];
  return { box, first: first ? inputs[first.name] : null };
}

// --- the panels ---

export function policy(person, line, g) {
  const box = $("policy");
  if (!line || (!g.usage && !g.verdict && !g.problem)) {
    if (box.childElementCount && !box.querySelector(".begin")) return; // the last one stays until there is another
    box.replaceChildren(el("p", "quiet begin", {}, "Begin to type a command: here stands who may run it, what would be asked first, and by which lines of the policy."));
    return;
  }
  const kids = [el("p", "asked", {}, el("strong", "", {}, person), " · ", el("code", "", {}, line))];
  if (g.verdict) kids.push(el("p", "big-verdict", {}, verdict(g.verdict), g.effect ? el("span", "quiet", {}, "effect: " + g.effect) : ""));
  if (g.summary) kids.push(el("p", "quiet", {}, g.summary + "."));
  if (g.problem) kids.push(el("p", "quiet", {}, g.problem));
  if (g.people && g.people.length) {
    kids.push(el("table", "people", {}, el("thead", "", {}, el("tr", "", {}, el("th", "", { scope: "col" }, "The same line from"), el("th", "right", { scope: "col" }, "is"))),
      el("tbody", "", {}, g.people.map((p) => el("tr", p.person === person ? "me" : "", {}, el("td", "", {}, el("span", "name", {}, face(p.person), p.person)), el("td", "", {}, verdict(p.verdict)))))));
  }
  if (g.lines && g.lines.length) kids.push(el("ul", "why", {}, g.lines.map((l) => el("li", "", {}, l))));
  box.replaceChildren(...kids);
}

export function call(c) {
  const list = $("calls");
  const ok = c.status >= 200 && c.status < 300;
  list.prepend(el("li", "call" + (c.mutating ? " changes" : ""), {}, el("span", "method mono", {}, c.method), el("span", "path mono", {}, c.path.replace(/^\/api\/v1\/(datacenter\/)?/, "")),
    el("span", "took", {}, el("span", "status", { "data-ok": ok ? "yes" : "no" }, c.status ? String(c.status) : "no answer"), c.took ? " " + c.took + " ms" : ""),
    c.note ? el("span", "more", {}, c.note) : ""));
  while (list.children.length > 300) list.lastElementChild.remove();
}
