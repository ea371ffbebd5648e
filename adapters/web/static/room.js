// The room page: brings the picture that the server pushes into the page, and turns gestures into calls.
"use strict";
(() => {
  const { el, button, fill, day, avatar, message, thinking } = window.maodouMessage;
  const { Box } = window.maodouBox;
  const GROUP_S = 300;
  const NEAR_END_PX = 120;
  const FIRST_WITHIN_MS = 20000;
  const DRAFT_KEY = "maodou-draft";

  const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), (b) => b.toString(16).padStart(2, "0")).join("");

  class Room {
    constructor(element, props) {
      this.props = props;
      this.page = null;
      this.shown = new Map(); // message id → what it was made of
      this.target = null; // { kind: "reply" | "edit", id }
      this.draft = null; // { id, text }: the sending that is under way, or failed
      this.unread = 0;
      this.follows = true; // whether the reader is at the end, and stays there
      this.top = 0;
      this.heard = Date.now();
      this.find = (selector) => element.querySelector(selector);
      this.log = this.find(".log");
      this.lines = this.find(".lines");
      element.addEventListener("click", (event) => this.clicked(event));
      this.log.addEventListener("scroll", () => this.scrolled());
      const grown = new ResizeObserver(() => this.follows && this.toEnd("instant"));
      grown.observe(this.log);
      grown.observe(this.lines);
      this.find(".fresh").addEventListener("click", () => this.toEnd());
      document.addEventListener("visibilitychange", () => { if (!document.hidden) { this.listen(); if (this.atEnd()) this.calm(); } });
      window.addEventListener("online", () => this.listen());
      setInterval(() => this.listen(), 4000);
      this.furnishBox();
    }

    // ── the picture ──────────────────────────────────────────────────────────────────────────────────

    update() {
      const page = this.props.value;
      if (!page || !("messages" in page || page.stranger || page.stopped)) return;
      if (page.stranger) { location.assign("/join"); return; }
      this.heard = Date.now();
      if (page.stopped) { this.lose(); return; }
      this.find(".lost").hidden = true;
      const first = this.page === null;
      const redrawn = (from) => JSON.stringify([from.language, from.me, from.mayAskWhy, from.mayManage]);
      const other = !first && redrawn(this.page) !== redrawn(page);
      this.page = page;
      if (first || other) this.furnish();
      this.find(".present").textContent = fill(page.texts.present, { n: page.present.length });
      this.find(".present").title = page.present.join(", ");
      const fresh = this.place(page.messages, other);
      this.think(page.thinking);
      this.arrange();
      if (this.follows || fresh.some((said) => said.author === page.me.id)) this.toEnd(first ? "instant" : "smooth");
      else if (fresh.length) this.find(".fresh").hidden = false;
      if (!first) this.notify(fresh);
    }

    furnish() {
      const { page } = this;
      document.documentElement.lang = page.language === "zh" ? "zh-CN" : "en";
      this.find("h1").textContent = page.room;
      this.find(".fresh").textContent = `${page.texts.fresh} ↓`;
      const nav = this.find("nav");
      nav.replaceChildren();
      const link = (cls, href, ...inside) => { const a = el("a", cls); a.href = href; a.append(...inside); nav.append(a); return a; };
      if (page.mayManage) link("go", "/console/", page.texts.console);
      link("go", `/language?to=${page.language === "zh" ? "en" : "zh"}&back=/room/`, page.language === "zh" ? "EN" : "中");
      const me = link("me", "/join", avatar(page.me.name, page.hue), el("span", "", page.me.name));
      me.title = page.texts.rename;
      document.title = page.room;
      this.gradio?.speak(page);
    }

    place(messages, redraw) {
      const fresh = [];
      const ids = Object.keys(messages).map(Number).sort((a, b) => a - b);
      if (this.fillings !== this.page.fillings) { // something was erased: of the rest, the server tells again
        for (const id of this.shown.keys()) if (!(id in messages)) this.remove(id);
        this.fillings = this.page.fillings;
      }
      for (const id of ids) {
        const made = JSON.stringify(messages[id]);
        if (!redraw && this.shown.get(id) === made) continue;
        if (!this.shown.has(id)) fresh.push(messages[id]);
        this.put(messages[id], made);
      }
      if (this.older === undefined) this.older = this.page.more;
      return fresh;
    }

    put(said, made) {
      const node = message(said, this.page);
      const old = this.node(said.id);
      if (old) {
        old.querySelectorAll("details").forEach((was, index) => { const now = node.querySelectorAll("details")[index]; if (now) now.open = was.open; });
        if (old.classList.contains("open")) node.classList.add("open");
        old.replaceWith(node);
      } else {
        const next = [...this.lines.querySelectorAll(".msg[data-id]")].reverse().find((other) => Number(other.dataset.id) < said.id);
        if (next) next.after(node); else this.lines.prepend(node);
      }
      this.shown.set(Number(said.id), made);
    }

    node(id) { return this.lines.querySelector(`.msg[data-id="${Number(id)}"]`); }

    remove(id) { this.node(id)?.remove(); this.shown.delete(id); }

    think(ids) {
      const there = this.lines.querySelector(".thinking");
      if (ids.length === 0) there?.remove();
      else this.lines.append(there ?? thinking(this.page));
    }

    // Days between, faces once for a run of messages, a word for an empty room, and the way to what was before.
    arrange() {
      this.lines.querySelectorAll(".day, .empty, .older").forEach((node) => node.remove());
      let before = null;
      for (const node of this.lines.querySelectorAll(".msg[data-id]")) {
        const today = day(Number(node.dataset.at), this.page);
        const newDay = !before || day(Number(before.dataset.at), this.page) !== today;
        if (newDay) node.before(el("p", "day", today));
        const goesOn = !newDay && before.dataset.author === node.dataset.author && Number(node.dataset.at) - Number(before.dataset.at) < GROUP_S
          && !before.classList.contains("recalled") && !node.querySelector(".quote");
        node.classList.toggle("goes-on", goesOn);
        before = node;
      }
      if (!before) this.lines.prepend(el("p", "empty", this.page.texts.empty));
      if (this.older) this.lines.prepend(button("older", this.page.texts.older, "older"));
    }

    async showOlder() {
      const first = this.lines.querySelector(".msg[data-id]");
      const { messages } = await this.call(`older/${first.dataset.id}`);
      const height = this.log.scrollHeight - this.log.scrollTop;
      for (const said of messages.reverse()) this.put(said, JSON.stringify(said));
      this.older = messages.length > 0;
      this.arrange();
      this.log.scrollTop = this.log.scrollHeight - height;
    }

    // ── where the reader is ──────────────────────────────────────────────────────────────────────────

    atEnd() { return this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < NEAR_END_PX; }

    // Only the reader's own way up ends the following: while it scrolls down by itself, it is not at the end either.
    scrolled() {
      if (this.atEnd()) { this.follows = true; this.calm(); } else if (this.log.scrollTop < this.top) this.follows = false;
      this.top = this.log.scrollTop;
    }

    toEnd(behavior = "smooth") {
      this.follows = true;
      requestAnimationFrame(() => this.log.scrollTo({ top: this.log.scrollHeight, behavior }));
      this.find(".fresh").hidden = true;
    }

    calm() { this.unread = 0; this.find(".fresh").hidden = true; if (this.page) document.title = this.page.room; }

    notify(fresh) {
      if (!document.hidden) return;
      this.unread += fresh.filter((said) => said.author !== this.page.me.id).length;
      if (this.unread) document.title = `(${this.unread}) ${this.page.room}`;
    }

    // ── the line to the server ───────────────────────────────────────────────────────────────────────

    listen() {
      const patience = this.page ? 2000 * this.page.heartbeatS : FIRST_WITHIN_MS;
      if (Date.now() - this.heard > patience) this.lose();
    }

    async lose() {
      if (this.losing) return;
      this.losing = true;
      const lost = this.find(".lost");
      lost.textContent = this.page?.texts.lost ?? "…";
      lost.hidden = false;
      for (;;) {
        await new Promise((resolve) => setTimeout(resolve, 1500));
        try {
          await fetch("/healthz", { cache: "no-store" });
          location.reload();
          return;
        } catch { /* still away */ }
      }
    }

    async call(path, body) {
      const options = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
      const response = await fetch(`/api/${path}`, options);
      const answer = await response.json().catch(() => ({}));
      if (!response.ok) throw new Error(answer.error ?? this.page.texts.failed);
      return answer;
    }

    notice(text) {
      document.querySelector(".notice")?.remove();
      const node = el("p", "notice", text);
      node.setAttribute("role", "alert");
      this.find(".room").append(node);
      setTimeout(() => node.remove(), 8000);
    }

    // ── gestures ─────────────────────────────────────────────────────────────────────────────────────

    async clicked(event) {
      const pressed = event.target.closest("[data-act]");
      const node = event.target.closest(".msg[data-id]");
      if (!pressed) {
        this.lines.querySelectorAll(".msg.open").forEach((other) => other !== node && other.classList.remove("open"));
        if (node && !event.target.closest("a, audio, summary, button") && !String(getSelection())) node.classList.toggle("open");
        return;
      }
      try {
        await this.gesture(pressed.dataset.act, pressed.dataset.value, Number(node?.dataset.id), pressed);
      } catch (error) {
        this.notice(error.message || this.page.texts.failed);
      }
    }

    async gesture(act, value, id, pressed) {
      if (act === "reply") this.aim("reply", id);
      else if (act === "edit") { this.type((await this.call(`source/${id}`)).text); this.aim("edit", id); }
      else if (act === "recall") { if (confirm(this.page.texts.recallSure)) await this.call("recall", { message: id }); }
      else if (act === "react") await this.call("react", { message: id, emoji: pressed.getAttribute("aria-pressed") === "true" ? null : value });
      else if (act === "press") await this.call("press", { message: id, button: Number(value) });
      else if (act === "why") this.tell((await this.call(`why/${id}`)).html);
      else if (act === "jump") this.jump(value);
      else if (act === "cite") this.cite(pressed);
      else if (act === "copy") await this.copy(pressed);
      else if (act === "older") await this.showOlder();
      else if (act === "cancel") { if (this.target?.kind === "edit") this.type(""); this.aim(null); }
    }

    jump(id) {
      const node = this.node(id);
      if (!node) return;
      node.scrollIntoView({ behavior: "smooth", block: "center" });
      node.classList.remove("found");
      requestAnimationFrame(() => node.classList.add("found"));
    }

    cite(mark) {
      const text = mark.closest(".text");
      text.querySelector(".sources").open = true;
      const source = text.querySelector(`.sources li[data-n="${mark.dataset.n}"]`);
      source.scrollIntoView({ behavior: "smooth", block: "nearest" });
      source.classList.remove("found");
      requestAnimationFrame(() => source.classList.add("found"));
    }

    async copy(pressed) {
      const text = pressed.closest(".code").querySelector("pre").textContent;
      try {
        await navigator.clipboard.writeText(text);
      } catch { // no clipboard outside a secure context
        const area = el("textarea");
        area.value = text;
        document.body.append(area);
        area.select();
        document.execCommand("copy");
        area.remove();
      }
      pressed.textContent = this.page.texts.copied;
      setTimeout(() => { pressed.textContent = this.page.texts.copy; }, 1500);
    }

    tell(html) {
      const dialog = el("dialog", "why");
      const text = el("div", "text");
      text.innerHTML = html;
      const close = button("act", this.page.texts.close);
      close.addEventListener("click", () => dialog.close());
      dialog.addEventListener("close", () => dialog.remove());
      dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
      dialog.append(text, close);
      this.find(".room").append(dialog);
      dialog.showModal();
    }

    // ── writing ──────────────────────────────────────────────────────────────────────────────────────

    get box() { return document.querySelector("#maodou-box textarea"); }

    type(text) {
      if (!this.box) return;
      this.box.value = text;
      this.box.dispatchEvent(new Event("input", { bubbles: true }));
      this.box.focus();
    }

    aim(kind, id) {
      const chip = this.find(".chip");
      this.target = kind ? { kind, id } : null;
      chip.hidden = !kind;
      if (!kind) return;
      const said = JSON.parse(this.shown.get(id));
      const name = said.ours ? this.page.texts.botName : said.name;
      const what = kind === "reply" ? fill(this.page.texts.replying, { name }) : this.page.texts.editing;
      const cancel = button("cancel", "×", "cancel");
      cancel.setAttribute("aria-label", this.page.texts.cancel);
      chip.replaceChildren(el("b", "", what), el("span", "", this.node(id).querySelector(".text")?.textContent.slice(0, 120) ?? ""), cancel);
      this.box?.focus();
    }

    act() {
      const text = this.box?.value ?? "";
      if (!this.draft || this.draft.text !== text) this.draft = { id: newId(), text };
      return JSON.stringify({ draft: this.draft.id, [this.target?.kind ?? "none"]: this.target?.id });
    }

    sent(outcome) {
      const { error } = JSON.parse(outcome || "{}");
      if (error) { this.notice(error); return; }
      document.querySelector(".notice")?.remove();
      this.draft = null;
      this.aim(null);
      sessionStorage.removeItem(DRAFT_KEY);
      this.toEnd();
    }

    // Gradio makes the box in its own time. What was being written survives a reload of the page.
    furnishBox() {
      const ready = setInterval(() => {
        if (!this.box) return;
        clearInterval(ready);
        const node = document.querySelector("#maodou-box");
        const isEmpty = () => !this.box.value.trim() && this.target?.kind !== "edit" && !node.querySelector(".thumbnail-item");
        this.gradio = new Box(node, this.find(".voice"), isEmpty, (text) => this.notice(text));
        if (this.page) this.gradio.speak(this.page);
        const kept = sessionStorage.getItem(DRAFT_KEY);
        if (kept && !this.box.value) this.type(kept);
        this.box.addEventListener("input", () => sessionStorage.setItem(DRAFT_KEY, this.box.value));
      }, 100);
    }
  }

  let room = null;
  window.maodou = {
    room(element, props, watch) {
      room = new Room(element, props);
      watch("value", () => room.update());
      room.update();
    },
    act: () => room.act(),
    sent: (outcome) => room.sent(outcome),
  };
})();
