/** The server did not answer, or cannot at the moment: try again later. */
export class Unreachable extends Error {}
/** No session, or that of somebody else. */
export class SignedOut extends Error {}
/** The server understood and said no; to repeat it is useless. */
export class Refused extends Error {}

const NO = new Set([400, 409, 413, 422]);

/** Requests of one person's page. */
export class Api {
  #person;
  #csrf;

  constructor({ person, csrf }) {
    this.#person = person;
    this.#csrf = csrf;
  }

  async post(path, body, { keepalive = false } = {}) {
    let response = await this.#send(path, body, keepalive);
    // A new session, opened in another tab, has another CSRF value.
    if (response.status === 403 && (await this.#renewCsrf())) response = await this.#send(path, body, keepalive);
    if (response.ok) return response.json();
    if (response.status === 401 || response.status === 403) throw new SignedOut();
    if (!NO.has(response.status)) throw new Unreachable(`status ${response.status}`);
    const problem = await response.json().catch(() => ({}));
    throw new Refused(problem.detail || problem.title || `status ${response.status}`);
  }

  /** At the end of the page nobody is left to hear the answer. */
  postAndLeave(path, body) {
    this.#send(path, body, true).catch(() => {});
  }

  async #send(path, body, keepalive) {
    try {
      return await fetch(path, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-CSRF-Token": this.#csrf },
        body: JSON.stringify(body),
        credentials: "same-origin",
        redirect: "error",
        keepalive,
        signal: keepalive ? undefined : AbortSignal.timeout(15_000),
      });
    } catch (error) {
      throw new Unreachable(error.message);
    }
  }

  async #renewCsrf() {
    try {
      const response = await fetch("/", { credentials: "same-origin", signal: AbortSignal.timeout(15_000) });
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const meta = (name) => page.querySelector(`meta[name="${name}"]`)?.content;
      if (meta("person") !== this.#person || !meta("csrf")) return false;
      this.#csrf = meta("csrf");
      return true;
    } catch (error) {
      throw new Unreachable(error.message);
    }
  }
}
