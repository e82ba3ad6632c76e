import { words } from '../platform.js';
import { Refusal } from '../refusal.js';
import { shown } from '../text.js';

/** Why something was not done, in the reader's language; in the agent's own words where there are none of ours. */
export function whyNot(/** @type {unknown} */ error) {
  const refusal = Refusal.of(error);
  const own = words(`reason_${refusal.reason}`);
  if (own) return own;
  const said = [refusal.text, refusal.hint].filter(Boolean).map((text) => shown(text, 200)).join(' ');
  return said || words('reason_INTERNAL');
}
