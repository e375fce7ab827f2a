// The page of the web chat. Everything it shows it makes by textContent: what
// a person or the provider supplied is never read as HTML.
"use strict";

const token = location.hash.slice(1);
const $ = (id) => document.getElementById(id);
const store = {
  get(kind, key) { try { return kind.getItem("hosterbot." + key); } catch { return null; } },
  put(kind, key, value) { try { kind.setItem("hosterbot." + key, value); } catch { /* private windows keep nothing */ } },
};
let people = [];
let strangers = [];
let ahead = 0; // of the demo's clock before the machine's, in ms: time can be skipped
let panes = [];

// el makes an element: its class, its attributes, what is in it.
function el(tag, cls, props, ...kids) {
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

async function ask(what, body) {
  let r;
  try {
    r = await fetch("/api/" + what, {
      method: "POST", credentials: "omit", cache: "no-store",
      headers: { "Content-Type": "application/json", "X-Hosterbot-Token": token }, body: JSON.stringify(body),
    });
  } catch { throw new Error("The demo does not answer. Is it still running?"); }
  if (what === "file" && r.ok) return r.blob();
  const answer = await r.json().catch(() => ({}));
  if (r.status === 401) closed(answer.error);
  if (!r.ok) throw new Error(answer.error || "That did not work.");
  return answer;
}

function closed(text) {
  $("shut-text").textContent = text || "Open the link that hosterbot demo has printed.";
  $("shut").hidden = false;
  for (const p of panes) p.stop();
}

// --- words ---

const now = () => Date.now() + ahead;

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

function moment(unix) {
  const t = new Date(unix * 1000), diff = now() - unix * 1000;
  const ago = diff < 0 ? "in " + length(-diff) : diff < 1000 ? "now" : length(diff) + " ago";
  const today = t.toDateString() === new Date(now()).toDateString();
  return (today ? clock(t) : t.toLocaleDateString() + " " + clock(t)) + " (" + ago + ")";
}

function spans(list) {
  return (list || []).map((s) => {
    if (s.at) return el("time", "", { datetime: new Date(s.at * 1000).toISOString(), "data-at": s.at }, moment(s.at));
    return s.c != null ? el("code", "", {}, s.c) : s.t || "";
  });
}

const flat = (list) => (list || []).map((s) => (s.at ? moment(s.at) : s.c != null ? s.c : s.t || "")).join("");

const marks = { good: "✓", busy: "●", warn: "!", bad: "✗" };
const verdicts = { allow: "✓ allowed", confirm: "● to confirm", approve: "! needs approval", deny: "✗ denied" };
const verdict = (v) => el("span", "verdict", { "data-v": v }, verdicts[v] || v);

// beside is what a choice's label says more than its value.
const beside = (c) => (c.label || "").replace(c.value, "").replace(/^[\s·]+/, "");

function face(name, big) {
  const i = people.indexOf(name);
  return el("span", "face" + (big ? " big" : ""), { "data-hue": strangers.includes(name) ? 5 : (i < 0 ? 5 : i % 5), "aria-hidden": "true" }, name.slice(0, 1));
}

// --- turns: a browser has six connections for all windows together ---

const slots = [0, 1, 2, 3]; // of streams; the connections left over are for what is asked
const used = (i) => Number(store.get(localStorage, "used" + i) || 0);
const use = (i) => store.put(localStorage, "used" + i, Date.now());

// slot runs a pane's stream in a slot: a free one, else that of the window that
// was left alone for longest. It rejects when another window takes it.
async function slot(pane, signal, run) {
  if (signal.aborted) return;
  if (!navigator.locks) return run();
  const name = (i) => "hosterbot.stream." + i;
  const turn = async (i) => {
    if (signal.aborted) return;
    use(pane.slot = i);
    await run();
  };
  for (const i of slots) {
    const done = await navigator.locks.request(name(i), { ifAvailable: true }, async (lock) => { if (lock) await turn(i); return !!lock; });
    if (done) return;
  }
  const oldest = slots.reduce((a, b) => (used(b) < used(a) ? b : a));
  use(oldest); // the other pane of this window takes another one
  await navigator.locks.request(name(oldest), { steal: true }, () => turn(oldest));
}

// busy notes that somebody is at this window, and gives its panes their turn.
function busy() {
  for (const p of panes) {
    if (!p.waits.hidden && p.root.isConnected) p.start();
    else if (p.abort && p.slot != null) use(p.slot);
  }
}

// --- a pane: what one person sees ---

class Pane {
  constructor(index, person) {
    this.index = index;
    this.messages = new Map();
    this.history = JSON.parse(store.get(sessionStorage, "history") || "[]");
    this.person = person;
    this.stream = Promise.resolve(); // of its stream, until it has ended
    this.id = "p" + index;
    this.build();
  }

  build() {
    const id = this.id;
    this.who = el("fieldset", "who", {}, el("legend", "vh", {}, "Who speaks here"));
    this.list = el("ol", "messages", {});
    this.log = el("div", "log", { role: "log", "aria-live": "off", tabindex: "0" }, this.list);
    this.jump = el("button", "jump", { type: "button", hidden: true, onclick: () => { this.bottom(); this.input.focus(); } }, "New below ↓");
    this.ask = el("div", "asks", {});
    this.hint = el("div", "hint", { id: id + "-hint" });
    this.error = el("p", "error", { role: "alert", hidden: true });
    this.waits = el("p", "waits", { role: "status", hidden: true }, "Waits: a browser serves only a few windows of this page at once. Use this one, and it goes on.");
    this.input = el("input", "", {
      type: "text", id: id + "-line", role: "combobox", "aria-expanded": "false", "aria-controls": id + "-options", "aria-autocomplete": "list",
      "aria-describedby": id + "-hint", autocomplete: "off", autocapitalize: "off", spellcheck: "false", enterkeyhint: "send", maxlength: "4000",
      oninput: () => this.typing(), onkeydown: (e) => this.key(e), onfocus: () => { active = this; this.look(); },
      onblur: () => setTimeout(() => { if (document.activeElement !== this.input) this.close(); }, 150),
    });
    this.options = el("ul", "options", { id: id + "-options", role: "listbox", "aria-label": "What can be typed next", hidden: true });
    this.live = el("p", "vh", { role: "status", "aria-live": "polite" });
    this.box = el("form", "box", { onsubmit: (e) => { e.preventDefault(); this.send(); } },
      this.options, this.waits, this.error, this.hint,
      el("div", "row", {}, el("div", "slash", {}, el("span", "mono", { "aria-hidden": "true" }, "/"), this.input),
        el("button", "btn primary", { type: "submit" }, "Send")));
    this.root = el("section", "pane", {}, this.who, this.log, el("div", "below", {}, this.jump), this.ask, this.box, this.live);
    this.low = true;
    this.log.addEventListener("scroll", () => { this.low = this.atBottom(); if (this.low) this.jump.hidden = true; });
    new ResizeObserver(() => { if (this.low) this.bottom(); }).observe(this.log); // a form opens, or the window gets another size
  }

  name() {
    const seats = people.join(" ");
    if (this.seats === seats) {
      for (const r of this.who.querySelectorAll("input")) r.checked = r.value === this.person;
    } else this.seat(seats);
    this.root.setAttribute("aria-label", "What " + this.person + " sees");
    this.log.setAttribute("aria-label", "Messages that " + this.person + " sees");
    this.input.setAttribute("aria-label", "Command of " + this.person);
    this.input.placeholder = "Type a command as " + this.person;
  }

  seat(seats) {
    this.seats = seats;
    const kids = people.map((p) => el("label", "", {},
      el("input", "vh", { type: "radio", name: this.id + "-who", value: p, checked: p === this.person, onchange: () => this.become(p) }),
      el("span", "name", {}, face(p), p, strangers.includes(p) ? el("span", "vh", {}, " (whom the policy does not know)") : "")));
    this.who.replaceChildren(el("legend", "vh", {}, "Who speaks here"), el("span", "lead", { "aria-hidden": "true" }, "You are"), ...kids);
  }

  become(person) {
    if (person === this.person) return;
    this.person = person;
    store.put(sessionStorage, "who" + this.index, person);
    this.clear();
    this.name();
    this.start();
    this.look();
  }

  clear() {
    this.messages.clear();
    this.last = 0;
    this.form = null;
    this.ask.replaceChildren();
    this.list.replaceChildren(this.welcome());
  }

  welcome() {
    const tries = ["vm list", "vm delete 4003 --force", "backup create 4001", "help"];
    return el("li", "welcome", {}, el("h2", "", {}, "Try it: nothing here is real"),
      el("p", "", {}, "This is the channel of a hosting team, with a simulated provider. Type a command, approve it as somebody else, and watch the policy and the provider while you do."),
      el("div", "try", {}, tries.map((t) => el("button", "btn", { type: "button", onclick: () => { this.input.value = t; this.input.focus(); this.typing(); } }, el("span", "mono", {}, t)))));
  }

  // --- its stream ---

  start() {
    this.stop();
    this.abort = new AbortController();
    const signal = this.abort.signal;
    this.waits.hidden = true;
    this.stream = this.stream.then(() => slot(this, signal, () => this.run(signal))).catch(() => { // another window took it
      if (signal.aborted) return;
      this.stop();
      this.waits.hidden = false;
      this.connected(false);
    });
  }

  stop() { if (this.abort) this.abort.abort(); this.abort = null; }

  async run(signal) {
    let pause = 300;
    while (!signal.aborted) {
      try {
        const headers = { "X-Hosterbot-Token": token };
        if (this.last) headers["Last-Event-ID"] = String(this.last);
        const r = await fetch("/api/events?as=" + encodeURIComponent(this.person) + (this.index === 0 ? "&calls=1" : ""), { headers, signal, cache: "no-store", credentials: "omit" });
        if (r.status === 401) return closed((await r.json()).error);
        if (!r.ok) throw new Error((await r.json().catch(() => ({}))).error || "no stream");
        this.connected(true);
        pause = 300;
        const reader = r.body.pipeThrough(new TextDecoderStream()).getReader();
        let rest = "";
        for (;;) {
          const { value, done } = await reader.read();
          if (done) break;
          const parts = (rest + value).split("\n\n");
          rest = parts.pop();
          for (const part of parts) if (!signal.aborted) this.event(part);
        }
      } catch { /* tried again below */ }
      if (signal.aborted) return;
      this.connected(false);
      await new Promise((next) => { setTimeout(next, pause); signal.addEventListener("abort", next); });
      pause = Math.min(pause * 2, 5000);
    }
  }

  connected(on) { this.on = on; state(); }

  event(text) {
    let id = 0, name = "", data = "";
    for (const line of text.split("\n")) {
      if (line.startsWith("id: ")) id = Number(line.slice(4));
      else if (line.startsWith("event: ")) name = line.slice(7);
      else if (line.startsWith("data: ")) data += line.slice(6);
    }
    if (!name) return;
    const v = JSON.parse(data);
    if (v.now) ahead = v.now - Date.now();
    switch (name) {
      case "hello":
        people = v.people; strangers = v.strangers || [];
        $("channel").textContent = v.channel;
        document.title = "hosterbot " + v.channel;
        if (v.fresh) { this.clear(); this.quiet = true; if (this.index === 0) $("calls").replaceChildren(); }
        this.name();
        break;
      case "message": this.message(v); break;
      case "form": this.opened(v); break;
      case "call": call(v); break;
      case "now": if (this.quiet) { this.quiet = false; this.bottom(); } break;
    }
    if (id > (this.last || 0)) this.last = id;
  }

  // --- messages ---

  atBottom() { return this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 60; }
  bottom() { this.log.scrollTop = this.log.scrollHeight; this.jump.hidden = true; }

  message(v) {
    const stay = this.atBottom();
    let m = this.messages.get(v.id);
    if (v.gone) {
      if (m) { m.li.remove(); this.messages.delete(v.id); }
      return;
    }
    const before = m ? m.summary : "";
    if (!m) {
      m = { li: el("li", "", { tabindex: "-1" }), thread: null };
      m.li.id = this.id + "-" + v.id;
      m.number = v.number;
      this.messages.set(v.id, m);
      const root = v.root && this.messages.get(v.root);
      if (root) {
        if (!root.thread) { root.thread = el("ol", "thread", { "aria-label": "Thread" }); this.render(root.view, root); }
        root.thread.append(m.li);
      } else this.place(m);
      if (!this.quiet) {
        m.li.classList.add("fresh");
        m.li.addEventListener("animationend", (e) => { if (e.target === m.li) m.li.classList.remove("fresh"); });
      }
    }
    m.view = v;
    const held = m.li.contains(document.activeElement) && document.activeElement !== m.li;
    this.render(v, m);
    if (held) (m.li.querySelector(".buttons button") || m.li).focus({ preventScroll: true });
    m.summary = summary(v);
    if (!this.quiet && m.summary && m.summary !== before) this.live.textContent = (v.to ? "Only you see this: " : "") + m.summary;
    if (stay && !this.quiet) this.bottom();
    else if (!this.quiet && !before) this.jump.hidden = false;
  }

  // place puts a message where its number belongs: of several streams the
  // order is that in which things were said.
  place(m) {
    let after = this.list.lastElementChild;
    while (after && after.dataset.number && Number(after.dataset.number) > m.number) after = after.previousElementSibling;
    m.li.dataset.number = m.number;
    after ? after.after(m.li) : this.list.append(m.li);
  }

  render(v, m) {
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
    if (v.place) head.append(el("span", "where", { title: v.place }, "in " + v.place.split(":")[0]));
    if (v.copies) head.append(el("span", "where", { title: v.copies.join(", ") }, "also in " + [...new Set(v.copies.map((c) => c.split(":")[0]))].join(", ")));
    const main = el("div", "main", {}, head);
    if (v.line) main.append(el("p", "typed", {}, el("code", "", {}, "/" + v.line)));
    if (v.card) main.append(this.card(v, m));
    if (v.file) main.append(this.file(v));
    if (v.busy) main.append(el("p", "working", {}, el("i"), el("i"), el("i"), "working"));
    if (v.note) main.append(el("p", "notes", {}, v.note));
    if (m.thread) main.append(m.thread);
    const icon = v.line ? face(v.to, true) : el("img", "face big", { src: "/icon.svg", alt: "" });
    m.li.replaceChildren(icon, main);
  }

  card(v, m) {
    const c = v.card;
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
      this.tick(m);
    } else m.bar = m.barText = null;
    for (const s of c.secrets || []) box.append(secret(s));
    if (c.mentions) box.append(el("p", "mentions", {}, c.mentions.map((n) => "@" + n).join(" ")));
    if (c.notes) box.append(el("div", "notes", {}, c.notes.map((l) => el("p", "", {}, spans(l)))));
    if (c.buttons) box.append(el("div", "buttons", {}, c.buttons.map((b) => el("button", "btn " + (b.style || ""), { type: "button", onclick: (e) => this.press(v.id, b, e.currentTarget) }, b.label))));
    return box;
  }

  tick(m) {
    if (!m || !m.barText || !m.view && !m.bar) return;
    const b = (m.view || {}).card && m.view.card.bar;
    if (!b) return;
    const elapsed = Math.max(now() - m.since, 0), parts = [];
    if (b.percent >= 0) parts.push(b.percent + " %");
    if (b.word) parts.push(b.word);
    parts.push(length(elapsed) + (b.expected > elapsed ? " of about " + length(b.expected) : ""));
    m.barText.textContent = parts.join(" · ");
  }

  file(v) {
    const f = v.file;
    return el("div", "card", {}, el("p", "title", {}, f.title || f.name), el("pre", "mono", { tabindex: "0", "aria-label": "The beginning of " + f.name }, f.head + (f.more ? "\n… (" + f.more + " lines more)" : "")),
      el("div", "buttons", {}, el("button", "btn", { type: "button", onclick: () => this.save(v) }, "Save " + f.name)));
  }

  async save(v) {
    try {
      const url = URL.createObjectURL(await ask("file", { as: this.person, message: v.id }));
      el("a", "", { href: url, download: v.file.name.replace(/[^\w.-]/g, "_") }).click();
      setTimeout(() => URL.revokeObjectURL(url), 10000);
    } catch (e) { this.fail(e); }
  }

  async press(id, b, button) {
    if (button.getAttribute("aria-disabled")) return;
    button.setAttribute("aria-disabled", "true");
    try { await ask("press", { as: this.person, message: id, code: b.code }); } catch (e) { this.fail(e); }
    setTimeout(() => button.removeAttribute("aria-disabled"), 800);
  }

  fail(e) { this.error.textContent = e.message; this.error.hidden = false; }

  // --- forms ---

  opened(f) {
    if (f.shut) {
      if (this.form && this.form.id === f.id) { this.form = null; this.ask.replaceChildren(); this.input.focus(); }
      return;
    }
    this.form = f;
    const id = this.id + "-" + f.id, inputs = {};
    const fields = f.fields || [];
    const values = () => Object.fromEntries(fields.map((x) => [x.name, inputs[x.name].value]));
    const rows = fields.map((x) => {
      const fid = id + "-" + x.name;
      const about = [x.hint ? fid + "-hint" : "", x.error ? fid + "-error" : ""].join(" ").trim();
      const common = { id: fid, required: x.required, "aria-describedby": about || null, "aria-invalid": x.error ? "true" : null, maxlength: x.max || 4000 };
      let input;
      if (x.choices && !x.lookup) {
        input = el("select", "", { ...common, maxlength: null }, x.required && x.value ? [] : el("option", "", { value: "" }, x.required ? "Choose …" : "–"),
          x.choices.map((c) => el("option", "", { value: c.value }, c.label || c.value)));
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
            const vals = Object.fromEntries(fields.filter((y) => !y.secret).map((y) => [y.name, inputs[y.name].value]));
            try { list.replaceChildren(...((await ask("choices", { as: this.person, form: f.id, field: x.name, values: vals })).choices || []).map(option)); } catch { /* it is typed then */ }
          }, 150);
        });
      }
      return el("div", "field", {}, el("label", "", { for: fid }, x.label, x.required ? "" : el("span", "help", {}, " (optional)")),
        input, list, x.hint ? el("div", "help", { id: fid + "-hint" }, x.hint) : null, x.error ? el("div", "wrong", { id: fid + "-error" }, x.error) : null);
    });
    const close = async () => { try { await ask("dismiss", { as: this.person, form: f.id }); } catch (e) { this.fail(e); } };
    const form = el("form", "ask", {
      "aria-labelledby": id + "-title", onkeydown: (e) => { if (e.key === "Escape") { e.preventDefault(); close(); } },
      onsubmit: async (e) => {
        e.preventDefault();
        try { await ask("submit", { as: this.person, form: f.id, values: values() }); } catch (err) { wrong.textContent = err.message; wrong.hidden = false; }
      },
    });
    const wrong = el("p", "error", { role: "alert", hidden: true });
    form.append(el("h2", "", { id: id + "-title" }, f.title || ""), f.text && f.text.length ? el("p", "", {}, spans(f.text)) : "", ...rows, wrong,
      el("div", "buttons", {}, el("button", "btn primary", { type: "submit" }, f.submit || "Send"), el("button", "btn", { type: "button", onclick: close }, "Close")));
    this.ask.replaceChildren(form);
    const first = fields.find((x) => x.error) || fields[0];
    if (first && (active === this || !active)) inputs[first.name].focus();
    this.live.textContent = "A form is open: " + (f.title || "");
  }

  // --- the command box ---

  typing() {
    this.error.hidden = true;
    active = this;
    clearTimeout(this.wait);
    this.wait = setTimeout(() => this.look(), 90);
  }

  async look() {
    const line = this.input.value, turn = (this.turn = (this.turn || 0) + 1);
    if (line.startsWith(":")) { this.show([], {}); return; }
    try {
      const a = await ask("guide", { as: this.person, line });
      if (turn === this.turn) this.show(line.trim() ? a.choices || [] : [], a.guide || {});
    } catch (e) { if (turn === this.turn) this.fail(e); }
  }

  show(choices, g) {
    this.hint.replaceChildren(...(g.verdict ? [verdict(g.verdict)] : []), el("span", "usage mono", {}, g.usage || g.problem || ""));
    policy(this.person, this.input.value.trim(), g);
    this.choices = choices;
    this.at = -1;
    const open = choices.length > 0 && document.activeElement === this.input && !this.shutFor(this.input.value);
    this.options.replaceChildren(...choices.map((c, i) => el("li", "", { role: "option", id: this.id + "-o" + i, "aria-selected": "false", onpointerdown: (e) => { e.preventDefault(); this.take(i); } },
      el("span", "mono", {}, c.value), el("span", "label", {}, beside(c)))));
    this.expand(open);
  }

  shutFor(line) { return this.shutLine === line; }
  expand(open) {
    this.options.hidden = !open;
    this.input.setAttribute("aria-expanded", String(open));
    if (!open) this.input.removeAttribute("aria-activedescendant");
  }
  close() { this.expand(false); }

  move(by) {
    const n = this.choices.length;
    this.at = (this.at + by + n + (this.at < 0 && by < 0 ? 1 : 0)) % n;
    [...this.options.children].forEach((li, i) => {
      li.setAttribute("aria-selected", String(i === this.at));
      if (i === this.at) { li.scrollIntoView({ block: "nearest" }); this.input.setAttribute("aria-activedescendant", li.id); }
    });
  }

  take(i) {
    const line = this.input.value, value = this.choices[i].value;
    this.input.value = line.slice(0, line.lastIndexOf(" ") + 1) + (value.includes(" ") ? '"' + value + '"' : value) + " ";
    this.input.focus();
    this.typing();
  }

  key(e) {
    const open = !this.options.hidden && (this.choices || []).length > 0;
    if (e.key === "Escape" && open) { e.preventDefault(); this.shutLine = this.input.value; this.close(); return; }
    if (open && (e.key === "ArrowDown" || e.key === "ArrowUp")) { e.preventDefault(); this.move(e.key === "ArrowDown" ? 1 : -1); return; }
    if (open && e.key === "Tab" && !e.shiftKey) { e.preventDefault(); this.take(Math.max(this.at, 0)); return; }
    if (open && e.key === "Enter" && this.at >= 0) { e.preventDefault(); this.take(this.at); return; }
    if (!open && (e.key === "ArrowUp" || e.key === "ArrowDown") && this.history.length) {
      e.preventDefault();
      const n = this.history.length;
      this.back = Math.min(Math.max((this.back || 0) + (e.key === "ArrowUp" ? 1 : -1), 0), n);
      this.input.value = this.back ? this.history[n - this.back] : "";
      this.shutLine = this.input.value;
      this.typing();
    }
  }

  async send() {
    const line = this.input.value.trim().replace(/^\/(hoster\s+)?/, "");
    if (!line) return;
    this.close();
    this.error.hidden = true;
    clearTimeout(this.wait);
    try {
      if (line.startsWith(":")) await ask("stage", { as: this.person, line });
      else await ask("command", { as: this.person, line });
      if (this.history[this.history.length - 1] !== line) this.history.push(line);
      this.history = this.history.slice(-50);
      store.put(sessionStorage, "history", JSON.stringify(this.history));
      this.back = 0;
      this.input.value = "";
      this.hint.replaceChildren();
      this.bottom();
    } catch (e) { this.fail(e); }
  }
}

let active = null;

const option = (c) => el("option", "", { value: c.value }, c.label || c.value);

function table(t, title) {
  const wide = t.columns.map((_, i) => t.rows.some((r) => flat(r[i]).length > 42));
  const head = el("thead", "", {}, el("tr", "", {}, t.columns.map((c) => el("th", c.right ? "right" : "", { scope: "col" }, spans(c.name)))));
  const body = el("tbody", "", {}, t.rows.map((r) => el("tr", "", {}, r.map((cell, i) => el("td", (t.columns[i].right ? "right " : "") + (wide[i] ? "wrap" : ""), {}, spans(cell))))));
  return el("div", "scroll", { tabindex: "0", role: "region", "aria-label": "Table: " + (title || "rows") }, el("table", "", {}, head, body));
}

function secret(s) {
  const web = s.link && /^https?:\/\//.test(s.value);
  return el("div", "secret", {}, el("strong", "", {}, s.label),
    web ? el("a", "mono", { href: s.value, target: "_blank", rel: "noopener noreferrer" }, s.value) : el("span", "mono", {}, s.value),
    web ? "" : el("button", "btn", { type: "button", onclick: (e) => { navigator.clipboard.writeText(s.value); e.currentTarget.textContent = "Copied"; } }, "Copy"),
    el("small", "", {}, "Shown once, to you only. It is gone when the page is loaded again."));
}

function summary(v) {
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

// --- the panels ---

function policy(person, line, g) {
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

function call(c) {
  const list = $("calls");
  const ok = c.status >= 200 && c.status < 300;
  list.prepend(el("li", "call" + (c.mutating ? " changes" : ""), {}, el("span", "method mono", {}, c.method), el("span", "path mono", {}, c.path.replace(/^\/api\/v1\/(datacenter\/)?/, "")),
    el("span", "took", {}, el("span", "status", { "data-ok": ok ? "yes" : "no" }, c.status ? String(c.status) : "no answer"), c.took ? " " + c.took + " ms" : ""),
    c.note ? el("span", "more", {}, c.note) : ""));
  while (list.children.length > 300) list.lastElementChild.remove();
}

function state() {
  const shown = panes.filter((p) => p.abort);
  const waits = panes.some((p) => !p.waits.hidden && p.root.isConnected);
  const on = shown.length > 0 && shown.every((p) => p.on);
  const lost = shown.some((p) => p.last);
  $("state").dataset.state = waits ? "wait" : on ? "on" : lost ? "off" : "wait";
  $("state-text").textContent = waits ? "Waits" : on ? "Connected" : lost ? "Reconnecting …" : "Connecting …";
}

// --- the page ---

const roomy = matchMedia("(min-width: 700px)");
let layout = store.get(sessionStorage, "layout") || (matchMedia("(min-width: 1180px)").matches ? "two" : "one");

function arrange() {
  const two = layout === "two" && roomy.matches;
  const want = two ? panes : panes.slice(0, 1);
  for (const p of panes) {
    if (want.includes(p)) continue;
    p.stop();
    p.waits.hidden = true;
    p.last = 0;
  }
  for (const p of panes) { // what stays is not moved: it keeps the focus
    if (!want.includes(p)) p.root.remove();
    else if (!p.root.isConnected) $("panes").append(p.root);
  }
  for (const p of want) {
    p.root.classList.toggle("solo", !two);
    if (!p.abort && !document.hidden) p.start();
    p.bottom();
  }
  for (const r of document.getElementsByName("layout")) r.checked = r.value === layout;
  state();
}

function themed(name) {
  if (name === "system") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.dataset.theme = name;
  $("theme").replaceChildren("◐", el("span", "", {}, " Theme: " + name));
  $("theme").setAttribute("aria-label", "Theme: " + name);
}

async function begin() {
  let theme = store.get(localStorage, "theme") || "system";
  themed(theme);
  $("theme").addEventListener("click", () => {
    theme = { system: "light", light: "dark", dark: "system" }[theme];
    store.put(localStorage, "theme", theme);
    themed(theme);
  });
  for (const r of document.getElementsByName("tab")) r.addEventListener("change", () => { document.body.dataset.tab = r.value; if (r.value === "chat") panes.forEach((p) => p.bottom()); });
  for (const r of document.getElementsByName("layout")) r.addEventListener("change", () => { layout = r.value; store.put(sessionStorage, "layout", layout); arrange(); });
  roomy.addEventListener("change", arrange);
  $("only-changes").addEventListener("change", (e) => $("calls").classList.toggle("changes-only", e.target.checked));
  for (const b of $("around").querySelectorAll("button")) b.addEventListener("click", async () => {
    const p = active || panes[0];
    try { await ask("stage", { as: p.person, line: b.dataset.stage }); } catch (e) { p.fail(e); }
  });
  policy("", "", {});
  if (!token) return closed("Open the link that hosterbot demo has printed: it ends in # and a long word.");
  let who;
  try { who = await ask("people", {}); } catch (e) { if ($("shut").hidden) closed(e.message); return; }
  people = who.people;
  strangers = who.strangers || [];
  const known = people.filter((p) => !strangers.includes(p));
  const kept = (i) => { const p = store.get(sessionStorage, "who" + i); return people.includes(p) ? p : null; };
  panes = [new Pane(0, kept(0) || known[0] || people[0]), new Pane(1, kept(1) || known[known.length - 1] || people[0])];
  panes.forEach((p) => { p.clear(); p.name(); });
  arrange();
  panes[0].input.focus({ preventScroll: true });
  setInterval(() => {
    for (const p of panes) for (const m of p.messages.values()) if (m.bar) p.tick(m);
    for (const t of document.querySelectorAll("time[data-at]")) t.textContent = moment(Number(t.dataset.at));
  }, 1000);
  // A page that nobody looks at gives its streams back: a browser has six
  // connections for all windows together. It goes on where it was.
  let away;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(away);
    if (document.hidden) away = setTimeout(() => panes.forEach((p) => p.stop()), 20000);
    else arrange();
  });
  for (const what of ["focus", "pointerdown", "keydown"]) window.addEventListener(what, busy);
  document.addEventListener("keydown", (e) => {
    if (e.key === "/" && !/^(INPUT|TEXTAREA|SELECT)$/.test(document.activeElement.tagName)) { e.preventDefault(); (active || panes[0]).input.focus(); }
    const n = e.altKey && !e.ctrlKey && !e.metaKey ? Number(e.key) : 0;
    if (n >= 1 && n <= people.length) { e.preventDefault(); (active || panes[0]).become(people[n - 1]); }
  });
}

begin();
