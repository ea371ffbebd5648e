// The box to write in is Gradio's. Here its buttons get words in the page's language, and a voice message takes two
// presses: on the microphone, and on the stop that sends it.
"use strict";
(() => {
  const { el, button } = window.maodouMessage;

  class Box {
    // `node`: Gradio's; `bar`: ours, shown while it records; `isEmpty`: whether nothing else waits to be sent;
    // `tell`: shows a sentence.
    constructor(node, bar, isEmpty, tell) {
      this.node = node;
      this.bar = bar;
      this.isEmpty = isEmpty;
      this.tell = tell;
      this.page = null;
      this.voice = null; // asked → recording → sending | adding | dropping → (sending:) added
      node.addEventListener("click", (event) => this.pressed(event), true);
      new MutationObserver(() => this.changed()).observe(node, { childList: true, subtree: true });
    }

    speak(page) {
      this.page = page;
      this.changed();
    }

    find(selector) { return this.node.querySelector(selector); }

    pressed(event) {
      if (!event.isTrusted || !this.page) return; // our own presses
      if (event.target.closest(".microphone-button")) {
        this.voice = "asked";
        this.overlaid = this.offered = false;
        if (navigator.mediaDevices) return;
        event.stopPropagation();
        this.refused();
      } else if (event.target.closest(".recording-overlay .stop-button")) {
        if (this.voice === "recording") this.end(this.alone ? "sending" : "adding");
        else if (this.voice) event.stopPropagation(); // the second click of two: Gradio would take it for a cancel
      }
    }

    changed() {
      if (!this.page) return;
      this.translate();
      if (!this.voice) return;
      const overlay = this.find(".recording-overlay");
      const confirm = this.find(".confirm-button");
      const record = this.find(".record-button");
      this.overlaid ||= overlay !== null;
      if (this.voice === "added") {
        if (this.find(".thumbnail-item")) { this.voice = null; this.find(".submit-button").click(); }
      } else if (!overlay) {
        if (["asked", "recording"].includes(this.voice) && this.overlaid) this.refused();
        else if (this.voice !== "asked") this.end(null);
      } else if (confirm) {
        const was = this.voice;
        this.end(was === "sending" ? "added" : null);
        if (was === "dropping") this.find(".cancel-button").click();
        else if (was !== "asked") confirm.click();
      } else if (record) { // there are several microphones: the browser's own choice will do
        if (this.offered) this.refused();
        else { this.offered = true; record.click(); }
      } else if (this.voice === "asked") this.begin();
    }

    translate() {
      for (const node of this.node.querySelectorAll("[aria-label]")) {
        const word = this.page.labels[node.getAttribute("aria-label")];
        if (!word) continue;
        node.setAttribute("aria-label", word);
        if (node.tagName === "BUTTON") node.title = word;
      }
    }

    // ── a voice message ──────────────────────────────────────────────────────────────────────────────

    begin() {
      const { texts } = this.page;
      this.voice = "recording";
      this.alone = this.isEmpty();
      const drop = button("cancel", "×");
      drop.setAttribute("aria-label", texts.drop);
      drop.title = texts.drop;
      drop.addEventListener("click", () => { this.end("dropping"); this.find(".recording-overlay .stop-button")?.click(); });
      this.bar.replaceChildren(el("b", "", texts.recording), el("span", "", this.alone ? texts.stopSends : texts.stopAdds), drop);
      this.bar.hidden = false;
    }

    end(voice) {
      this.voice = voice;
      this.bar.hidden = true;
    }

    refused() {
      this.end(null);
      if (this.find(".recording-overlay")) this.find(".microphone-button").click(); // or it would lie over the box
      this.tell(this.page.texts.noMicrophone);
    }
  }

  window.maodouBox = { Box };
})();
