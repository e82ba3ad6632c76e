import { Host } from './host.js';
import { base64url, bytesOf, proof, publicKey } from './key.js';
import { api, browserName } from './platform.js';
import { Refusal } from './refusal.js';

/** How long an unused host stays, for the next wish comes soon or not at all. Milliseconds. */
const LINGER = 10_000;
/** How often an agent that is away is looked for while somebody looks on. Milliseconds. */
const LOOK_AGAIN = 2_000;
/** What the agent answers before it knows this browser. */
const FOR_ANYBODY = new Set(['status', 'pair']);

/**
 * The agent behind the host: starts the host when there is something to ask, says who asks, and lets it go again.
 */
export class Agent {
  #host = /** @type {Host|undefined} */ (undefined);
  #greeting = /** @type {Promise<{paired: boolean, name: string}>|undefined} */ (undefined);
  #watcher = /** @type {((state: any) => void)|undefined} */ (undefined);
  #timer = /** @type {any} */ (undefined);

  /**
   * Asks the agent one thing.
   * @param {string} op
   * @param {object} [fields]
   * @param {(id: number) => void} [started]
   */
  async ask(op, fields = {}, started = undefined) {
    try {
      const { paired } = await this.#greeted();
      if (!paired && !FOR_ANYBODY.has(op)) throw new Refusal('NOT_PAIRED');
      const ok = await this.#call(paired, op, fields, started);
      if (op === 'pair') this.#greeting = Promise.resolve({ paired: true, name: String(ok.name ?? '') });
      return ok;
    } catch (error) {
      this.#doubt(error);
      throw error;
    } finally {
      this.#restLater();
    }
  }

  /** One call; an agent that came back under the same host is told anew who asks. */
  async #call(/** @type {boolean} */ paired, /** @type {string} */ op, /** @type {object} */ fields, /** @type {any} */ started) {
    try {
      return await this.#host?.call(op, fields, started);
    } catch (error) {
      if (!paired || !(error instanceof Refusal) || error.reason !== 'NOT_PAIRED') throw error;
      this.#greeting = undefined;
      if (!(await this.#greeted()).paired) throw error;
      return this.#host?.call(op, fields, started);
    }
  }

  /** Whether the agent knows this browser, and by which name. */
  async greeted() {
    try {
      return await this.#greeted();
    } finally {
      this.#restLater();
    }
  }

  /**
   * Tells `watcher` of every change until it is called with nothing: an event of the agent, or `{refusal}` while there is
   * no agent that talks to us.
   */
  watch(/** @type {((state: any) => void)|undefined} */ watcher) {
    this.#watcher = watcher;
    if (watcher) void this.#look();
    else this.#restLater();
  }

  async #look() {
    clearTimeout(this.#timer);
    const watcher = this.#watcher;
    if (!watcher) return;
    try {
      const { paired } = await this.#greeted();
      if (!paired) throw new Refusal('NOT_PAIRED');
      await this.#host?.call('watch', {});
    } catch (error) {
      this.#doubt(error);
      const refusal = Refusal.of(error);
      if (watcher !== this.#watcher) return;
      watcher({ refusal: refusal.plain() });
      if (refusal.reason === 'AGENT_NOT_RUNNING' || refusal.reason === 'HOST_ENDED') this.#lookAgain();
    }
  }

  #lookAgain() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#look(), LOOK_AGAIN);
  }

  async #greeted() {
    clearTimeout(this.#timer);
    if (!this.#host) {
      this.#greeting = undefined;
      const host = new Host({
        event: (event) => { this.#event(event); },
        ended: (why) => { if (this.#host === host) this.#gone(why); },
      });
      this.#host = host;
    }
    const greeting = this.#greeting ?? this.#greet(this.#host);
    this.#greeting = greeting;
    greeting.catch(() => { if (this.#greeting === greeting) this.#greeting = undefined; });
    return greeting;
  }

  async #greet(/** @type {Host} */ host) {
    const spki = await publicKey();
    const { version } = api.runtime.getManifest();
    const { nonce } = await host.call('hello', {
      version: 1, key: base64url(spki), browser: browserName(), extension: version, locale: api.i18n.getUILanguage(),
    });
    const proven = await host.call('prove', { signature: base64url(await proof(bytesOf(String(nonce)), spki)) });
    return { paired: proven.paired === true, name: String(proven.name ?? '') };
  }

  #event(/** @type {any} */ event) {
    if (event.event === 'agent_gone') {
      this.#greeting = undefined;
      this.#watcher?.({ refusal: new Refusal('AGENT_NOT_RUNNING').plain() });
      if (this.#watcher) this.#lookAgain();
    } else if (event.event === 'unpaired') {
      this.#greeting = undefined;
      this.#watcher?.({ refusal: new Refusal('NOT_PAIRED').plain() });
    } else if (event.event === 'state') {
      this.#watcher?.(event);
    }
  }

  /** What was said at the greeting no longer holds: the agent has gone, or has forgotten us. */
  #doubt(/** @type {unknown} */ error) {
    const { reason } = Refusal.of(error);
    if (reason === 'AGENT_NOT_RUNNING' || reason === 'NOT_PAIRED' || reason === 'INTERNAL') this.#greeting = undefined;
  }

  #gone(/** @type {Refusal} */ why) {
    this.#host = undefined;
    this.#greeting = undefined;
    this.#watcher?.({ refusal: why.plain() });
    if (this.#watcher && why.reason === 'HOST_ENDED') this.#lookAgain();
  }

  #restLater() {
    if (this.#watcher || this.#host?.busy) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#watcher || this.#host?.busy) return;
      const host = this.#host;
      this.#host = undefined;
      this.#greeting = undefined;
      host?.close();
    }, LINGER);
  }
}
