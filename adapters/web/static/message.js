// One message as an element. Text of members is only ever set as text; `html` was made safe by the server.
"use strict";
(() => {
  const el = (tag, cls, text) => {
    const node = document.createElement(tag);
    if (cls) node.className = cls;
    if (text !== undefined) node.textContent = text;
    return node;
  };

  const button = (cls, text, act, value) => {
    const node = el("button", cls, text);
    node.type = "button";
    if (act) node.dataset.act = act;
    if (value !== undefined) node.dataset.value = value;
    return node;
  };

  const fill = (template, values) => template.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");

  const time = (seconds, language) =>
    new Date(seconds * 1000).toLocaleTimeString(language === "zh" ? "zh-CN" : "en-GB", { hour: "2-digit", minute: "2-digit" });

  function day(seconds, page) {
    const at = new Date(seconds * 1000);
    const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(at).setHours(0, 0, 0, 0)) / 86400000);
    if (days === 0) return page.texts.today;
    if (days === 1) return page.texts.yesterday;
    return at.toLocaleDateString(page.language === "zh" ? "zh-CN" : "en-GB", { year: "numeric", month: "long", day: "numeric" });
  }

  function avatar(name, hue, ours) {
    const node = el("div", ours ? "avatar bot" : "avatar", ours ? "" : Array.from(name)[0]?.toUpperCase() ?? "?");
    if (!ours) node.style.setProperty("--hue", hue);
    node.setAttribute("aria-hidden", "true");
    return node;
  }

  function size(bytes) {
    if (bytes < 1024) return `${bytes} B`;
    return bytes < 1048576 ? `${Math.round(bytes / 1024)} KB` : `${(bytes / 1048576).toFixed(1)} MB`;
  }

  function file(attached, name, page) {
    if (attached.kind === "image") {
      const link = el("a", "picture");
      link.href = attached.url;
      link.target = "_blank";
      link.rel = "noopener";
      const picture = el("img");
      picture.src = attached.url;
      picture.alt = attached.name;
      picture.loading = "lazy";
      link.append(picture);
      return link;
    }
    if (attached.kind === "voice") {
      const player = el("audio");
      player.controls = true;
      player.preload = "metadata";
      player.src = attached.url;
      player.setAttribute("aria-label", fill(page.texts.voice, { name }));
      return player;
    }
    const link = el("a", "file");
    link.href = attached.url;
    link.download = attached.name;
    link.append(el("span", "file-name", attached.name), el("span", "file-size", size(attached.size)));
    return link;
  }

  function quote(reply, page) {
    const node = button("quote", undefined, "jump", reply.id);
    if (reply.name || reply.ours) {
      const files = reply.files.map((file) => (file.kind === "voice" ? page.texts.quotedVoice : file.name)).join(" ");
      node.append(el("b", "", reply.ours ? page.texts.botName : reply.name), el("span", "", reply.text || files));
    } else {
      node.append(el("span", "", page.texts.gone));
    }
    return node;
  }

  function thumb(cls, emoji, label, act) {
    const node = act ? button(cls, undefined, act, emoji) : el("span", cls);
    node.append(el("i", emoji === "👍" ? "hand" : "hand down"));
    node.title = label;
    node.setAttribute("aria-label", label);
    return node;
  }

  function reaction(message, emoji, label, page, mine) {
    const members = message.reactions[emoji] ?? [];
    const node = thumb("thumb", emoji, label, mine ? null : "react");
    if (!mine) node.setAttribute("aria-pressed", String(members.includes(page.me.id)));
    if (members.length) node.append(el("span", "n", String(members.length)));
    return node;
  }

  // The bot's answers can always be judged; under other messages stand only the reactions they got.
  function thumbs(message, page) {
    const row = el("div", "thumbs");
    const mine = message.author === page.me.id;
    for (const [emoji, label] of [["👍", page.texts.good], ["👎", page.texts.bad]]) {
      if (message.ours || message.reactions[emoji]?.length) row.append(reaction(message, emoji, label, page, mine));
    }
    return row;
  }

  function acts(message, page) {
    const row = el("div", "acts");
    if (message.author === page.me.id) {
      row.append(button("act", page.texts.reply, "reply"), button("act", page.texts.edit, "edit"), button("act", page.texts.recall, "recall"));
    } else {
      if (!message.ours) row.append(thumb("act", "👍", page.texts.good, "react"));
      row.append(button("act", page.texts.reply, "reply"));
    }
    if (page.mayAskWhy) row.append(button("act", page.texts.why, "why"));
    return row;
  }

  function finish(bubble, page) {
    for (const copy of bubble.querySelectorAll(".copy")) {
      copy.textContent = page.texts.copy;
      copy.dataset.act = "copy";
    }
    for (const list of bubble.querySelectorAll("details.sources")) {
      list.querySelector("summary").prepend(`${page.texts.sources} `);
    }
    for (const mark of bubble.querySelectorAll("sup.cite")) {
      const source = bubble.querySelector(`.sources li[data-n="${mark.dataset.n}"]`);
      if (!source) continue;
      mark.title = source.textContent;
      mark.dataset.act = "cite";
    }
  }

  function message(said, page) {
    const node = el("article", "msg");
    node.dataset.id = said.id;
    node.dataset.author = said.author;
    node.dataset.at = said.at;
    const name = said.ours ? page.texts.botName : said.name;
    if (said.recalled) {
      node.classList.add("recalled");
      node.append(el("p", "", fill(page.texts.recalled, { name })));
      return node;
    }
    const mine = !said.ours && said.author === page.me.id;
    node.classList.add(said.ours ? "ours" : mine ? "mine" : "theirs");
    const who = el("div", "who");
    who.append(el("b", "", name));
    if (said.ours) who.append(el("span", "badge", page.texts.bot));
    const at = el("time", "", time(said.at, page.language));
    at.dateTime = new Date(said.at * 1000).toISOString();
    who.append(at);
    if (said.edited) who.append(el("span", "edited", page.texts.edited));
    const bubble = el("div", "bubble");
    if (said.reply) bubble.append(quote(said.reply, page));
    if (said.html) {
      const text = el("div", "text");
      text.innerHTML = said.html;
      finish(text, page);
      bubble.append(text);
    }
    for (const attached of said.files) bubble.append(file(attached, name, page));
    const held = el("div", "held");
    held.append(bubble, acts(said, page));
    const body = el("div", "body");
    body.append(who, held);
    if (said.buttons) {
      const row = el("div", "buttons");
      said.buttons.forEach((label, index) => row.append(button("press", label, "press", index)));
      body.append(row);
    }
    const given = thumbs(said, page);
    if (given.children.length) body.append(given);
    node.append(avatar(name, said.hue, said.ours), body);
    return node;
  }

  function thinking(page) {
    const node = el("article", "msg ours thinking");
    const body = el("div", "body");
    const bubble = el("div", "bubble");
    const dots = el("span", "dots");
    dots.append(el("i"), el("i"), el("i"));
    bubble.append(el("span", "label", page.texts.thinking), dots);
    body.append(bubble);
    node.append(avatar("", 0, true), body);
    return node;
  }

  window.maodouMessage = { el, button, fill, day, avatar, message, thinking };
})();
