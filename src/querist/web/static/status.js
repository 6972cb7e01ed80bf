import { byId } from "./say.js";

/** How far the round is, whether all is saved, and what is wrong. */
export class StatusView {
  #say;
  #progress = null;
  #alarm = null;

  constructor(say) {
    this.#say = say;
  }

  /** The server's count, with the answers that are still on their way. */
  setProgress(progress, underway) {
    this.#progress = { ...progress };
    this.count(underway);
  }

  /** One answer more, or one less after an undo. */
  count(step) {
    const p = this.#progress;
    if (!p) return;
    p.today = Math.max(p.today + step, 0);
    p.mine = Math.max(p.mine + step, 0);
    p.round_done = Math.min(Math.max(p.round_done + step, 0), p.round_total);
    byId("round-bar").max = p.round_total || 1;
    byId("round-bar").value = p.round_done;
    byId("round-text").textContent =
      p.round === null ? "" : this.#say("round", { round: p.round, done: p.round_done, total: p.round_total });
    byId("counts").textContent = this.#say("counts", { today: p.today, mine: p.mine });
  }

  /** Until the next answer is taken. */
  alarm(words) {
    this.#alarm = words;
    this.#banner(words, { urgent: true });
  }

  calm() {
    this.#alarm = null;
  }

  show({ waiting, refused, state }) {
    const saved = byId("saved");
    saved.dataset.state = waiting && state !== "online" ? "kept" : waiting ? "sending" : "saved";
    saved.textContent = this.#say(saved.dataset.state, { n: waiting });
    if (this.#alarm) return;
    if (state === "signed-out") this.#banner(this.#say(waiting ? "signed_out" : "signed_out_none", { n: waiting }), { link: true });
    else if (state === "offline") this.#banner(this.#say(waiting ? "offline" : "offline_none", { n: waiting }));
    else if (refused) this.#banner(this.#say("refused", { n: refused }), { button: true });
    else byId("banner").hidden = true;
  }

  #banner(words, { link = false, button = false, urgent = false } = {}) {
    if (byId("banner-text").textContent !== words) byId("banner-text").textContent = words;
    byId("banner").classList.toggle("urgent", urgent);
    byId("banner-link").hidden = !link;
    byId("banner-button").hidden = !button;
    byId("banner").hidden = false;
  }
}
