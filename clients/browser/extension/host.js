import { api } from './platform.js';
import { Refusal } from './refusal.js';

const NAME = 'org.countersign.browser';

/** What the browser says when there is no program to talk to, in the words of Chromium and of Firefox. */
const REASONS = [
  [/not found|no such native application/iu, 'HOST_MISSING'],
  [/forbidden/iu, 'HOST_FORBIDDEN'],
];

/**
 * One run of the native program `countersign-browser` and the calls that are open on it. It lives as long as this
 * port, and everything of it (dialogs too) ends with the port.
 */
export class Host {
  #port;
  #open = new Map();
  #last = 0;
  #ended = /** @type {Refusal|undefined} */ (undefined);

  /**
   * @param {{event: (event: any) => void, ended: (why: Refusal) => void}} listener
   */
  constructor(listener) {
    this.#port = api.runtime.connectNative(NAME);
    this.#port.onMessage.addListener((/** @type {any} */ message) => {
      if (typeof message?.event === 'string') listener.event(message);
      else this.#reply(message);
    });
    this.#port.onDisconnect.addListener((/** @type {any} */ port) => {
      const said = port?.error?.message ?? api.runtime.lastError?.message ?? '';
      const reason = REASONS.find(([pattern]) => /** @type {RegExp} */ (pattern).test(said))?.[1] ?? 'HOST_ENDED';
      this.#end(new Refusal(String(reason), said));
      listener.ended(/** @type {Refusal} */ (this.#ended));
    });
  }

  /**
   * Asks, and waits for the answer.
   * @param {string} op
   * @param {object} fields
   * @param {(id: number) => void} [started] gets the number of the call
   * @returns {Promise<any>}
   */
  call(op, fields, started) {
    if (this.#ended) return Promise.reject(this.#ended);
    this.#last += 1;
    const id = this.#last;
    return new Promise((resolve, reject) => {
      this.#open.set(id, { resolve, reject });
      this.#port.postMessage({ ...fields, id, op });
      started?.(id);
    });
  }

  /** Whether an answer is waited for. */
  get busy() {
    return this.#open.size > 0;
  }

  close() {
    this.#end(new Refusal('CANCELLED'));
    this.#port.disconnect();
  }

  #reply(/** @type {any} */ message) {
    const call = this.#open.get(message?.id);
    if (!call) {
      // The host's last words before it goes: its number is 0, of no call.
      if (typeof message?.error?.reason === 'string') this.#end(new Refusal(message.error.reason, String(message.error.message ?? '')));
      return;
    }
    this.#open.delete(message.id);
    if (message.ok && typeof message.ok === 'object') call.resolve(message.ok);
    else call.reject(new Refusal(String(message.error?.reason ?? 'INTERNAL'), String(message.error?.message ?? ''), String(message.error?.hint ?? '')));
  }

  #end(/** @type {Refusal} */ why) {
    this.#ended ??= why;
    for (const call of this.#open.values()) call.reject(this.#ended);
    this.#open.clear();
  }
}
