// The page of the web chat: its streams, what each pane holds, keys, forms and
// the command box. How a thing looks is in show.js.
import { $, beside, call, el, face, form, message, moment, policy, summary, tick, verdict, world } from "./show.js";

const token = location.hash.slice(1);
const store = {
  get(kind, key) { try { return kind.getItem("hosterbot." + key); } catch { return null; } },
  put(kind, key, value) { try { kind.setItem("hosterbot." + key, value); } catch { /* private windows keep nothing */ } },
};
let panes = [];

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
    const held = new ResizeObserver(() => { if (this.low) this.bottom(); });
    for (const e of [this.log, this.list]) held.observe(e); // a form opens, a table finds that it is wide, or the window gets another size
  }

  name() {
    const seats = world.people.join(" ");
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
    const kids = world.people.map((p) => el("label", "", {},
      el("input", "vh", { type: "radio", name: this.id + "-who", value: p, checked: p === this.person, onchange: () => this.become(p) }),
      el("span", "name", {}, face(p), p, world.strangers.includes(p) ? el("span", "vh", {}, " (whom the policy does not know)") : "")));
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

  connected(on) {
    if (on && !this.on) this.error.hidden = true; // it answers again
    this.on = on; state();
  }

  event(text) {
    let id = 0, name = "", data = "";
    for (const line of text.split("\n")) {
      if (line.startsWith("id: ")) id = Number(line.slice(4));
      else if (line.startsWith("event: ")) name = line.slice(7);
      else if (line.startsWith("data: ")) data += line.slice(6);
    }
    if (!name) return;
    const v = JSON.parse(data);
    if (v.now) world.ahead = v.now - Date.now();
    switch (name) {
      case "hello":
        world.people = v.people; world.strangers = v.strangers || [];
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
    const first = !m;
    if (v.gone) {
      if (m) m.li.remove();
      return this.messages.delete(v.id);
    }
    const before = m ? m.summary : "";
    if (first) {
      m = { li: el("li", "", { id: this.id + "-" + v.id, tabindex: "-1" }), thread: null, number: v.number, root: v.root };
      this.messages.set(v.id, m);
      const root = v.root && this.messages.get(v.root);
      root ? this.answers(root, m) : this.place(m, this.list);
      if (!this.quiet) {
        m.li.classList.add("fresh");
        m.li.addEventListener("animationend", (e) => { if (e.target === m.li) m.li.classList.remove("fresh"); });
      }
    }
    m.view = v;
    if (first && !v.root) { // what was edited last comes last: its thread may be here already
      for (const line of this.messages.values()) if (line.root === v.id && line.li.parentNode === this.list) this.answers(m, line);
    }
    const held = m.li.contains(document.activeElement) && document.activeElement !== m.li;
    message(v, m, { press: (b, button) => this.press(v.id, b, button), save: () => this.save(v) });
    if (held) (m.li.querySelector(".buttons button") || m.li).focus({ preventScroll: true });
    m.summary = summary(v);
    if (!this.quiet && m.summary && m.summary !== before) this.live.textContent = (v.to ? "Only you see this: " : "") + m.summary;
    if (stay && !this.quiet) this.bottom();
    else if (!this.quiet && !before) this.jump.hidden = false;
  }

  // answers puts a message into the thread of another.
  answers(root, m) {
    if (!root.thread) {
      root.thread = el("ol", "thread", { "aria-label": "Thread" });
      root.li.querySelector(":scope > .main")?.append(root.thread);
    }
    this.place(m, root.thread);
  }

  // place puts a message where its number belongs: of several streams the
  // order is that in which things were said.
  place(m, list) {
    let after = list.lastElementChild;
    while (after && after.dataset.number && Number(after.dataset.number) > m.number) after = after.previousElementSibling;
    m.li.dataset.number = m.number;
    after ? after.after(m.li) : list.prepend(m.li);
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
    const { box, first } = form(f, this.id + "-" + f.id, {
      submit: async (values, wrong) => { try { await ask("submit", { as: this.person, form: f.id, values }); } catch (e) { wrong(e.message); } },
      close: async () => { try { await ask("dismiss", { as: this.person, form: f.id }); } catch (e) { this.fail(e); } },
      choices: async (field, values) => (await ask("choices", { as: this.person, form: f.id, field, values })).choices || [],
    });
    this.ask.replaceChildren(box);
    if (first && (active === this || !active)) first.focus();
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
    if (choices.length === 1 && this.input.value.endsWith(" " + choices[0].value)) choices = []; // it stands there already
    this.choices = choices;
    this.at = -1;
    const open = choices.length > 0 && document.activeElement === this.input && this.shutLine !== this.input.value;
    this.options.replaceChildren(...choices.map((c, i) => el("li", "", { role: "option", id: this.id + "-o" + i, "aria-selected": "false", onpointerdown: (e) => { e.preventDefault(); this.take(i); } },
      el("span", "mono", {}, c.value), el("span", "label", {}, beside(c)))));
    this.expand(open);
  }

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
  const people = world.people = who.people, strangers = world.strangers = who.strangers || [];
  const known = people.filter((p) => !strangers.includes(p));
  const kept = (i) => { const p = store.get(sessionStorage, "who" + i); return people.includes(p) ? p : null; };
  panes = [new Pane(0, kept(0) || known[0] || people[0]), new Pane(1, kept(1) || known[known.length - 1] || people[0])];
  panes.forEach((p) => { p.clear(); p.name(); });
  arrange();
  panes[0].input.focus({ preventScroll: true });
  setInterval(() => {
    for (const p of panes) for (const m of p.messages.values()) if (m.bar) tick(m);
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
    if (n >= 1 && n <= world.people.length) { e.preventDefault(); (active || panes[0]).become(world.people[n - 1]); }
  });
}

begin();
