import { api } from '../platform.js';
import { Refusal } from '../refusal.js';

/** The popup's way to the background, which alone talks to the agent. */
export class Door {
  #port = api.runtime.connect({ name: 'popup' });
  #open = new Map();
  #last = 0;

  /** @param {{told: (what: any) => void, closed: () => void}} listener */
  constructor(listener) {
    this.#port.onMessage.addListener((/** @type {any} */ message) => {
      const call = this.#open.get(message?.n);
      if (!call) {
        listener.told(message);
        return;
      }
      this.#open.delete(message.n);
      if (message.refusal) call.reject(new Refusal(message.refusal.reason, message.refusal.message, message.refusal.hint));
      else call.resolve(message.ok);
    });
    this.#port.onDisconnect.addListener(() => {
      for (const call of this.#open.values()) call.reject(new Refusal('HOST_ENDED'));
      this.#open.clear();
      listener.closed();
    });
  }

  /**
   * @param {string} wish
   * @param {object} [fields]
   * @returns {Promise<any>}
   */
  ask(wish, fields = {}) {
    this.#last += 1;
    const n = this.#last;
    return new Promise((resolve, reject) => {
      this.#open.set(n, { resolve, reject });
      this.#port.postMessage({ ...fields, n, wish });
    });
  }
}
