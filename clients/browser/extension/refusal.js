/** Something that was not done, and why: `reason` is one of the agent's reasons or one of ours. */
export class Refusal extends Error {
  /**
   * @param {string} reason e.g. `VAULT_LOCKED`
   * @param {string} [message] the agent's own words; others' text
   * @param {string} [hint] what can be done; others' text
   */
  constructor(reason, message = '', hint = '') {
    super(message || reason);
    this.name = 'Refusal';
    this.reason = reason;
    this.text = message;
    this.hint = hint;
  }

  /** Any error as a refusal. */
  static of(/** @type {unknown} */ error) {
    return error instanceof Refusal ? error : new Refusal('INTERNAL', error instanceof Error ? error.message : String(error));
  }

  /** For a message port. */
  plain() {
    return { reason: this.reason, message: this.text, hint: this.hint };
  }
}
