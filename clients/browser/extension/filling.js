import { passcodeField } from './field.js';
import { api } from './platform.js';
import { Refusal } from './refusal.js';

/** What stands for the field finder's `why`. */
const WHY = {
  none: 'NO_FIELD', several: 'FIELD_UNCLEAR', frame: 'FIELD_IN_FRAME', does_not_fit: 'FIELD_TOO_SHORT', not_kept: 'FIELD_NOT_KEPT',
};

/** How long a page has for its own listeners and its next drawing, before it is looked at again. Milliseconds. */
const SETTLES = 40;
/** How long a page may take to answer. Milliseconds. */
const ANSWERS = 2_000;
/** How long is waited before a page is asked again. Milliseconds. */
const HEARD = [20, 60, 150];

/**
 * The page in front of the user.
 * @typedef {{origin: string, host: string, loaded: number, document: string, kind?: string, why?: string}} Page
 */

/**
 * Looks at the top document of a tab that the user has just pointed at (without that the browser refuses).
 * @returns {Promise<Page>}
 */
export async function look(/** @type {number} */ tabId) {
  const seen = await whenAllowed(tabId, () => inDocument({ tabId, frameIds: [0] }, { do: 'find' }));
  // The browser's word, asked for after the document's: had the tab gone elsewhere meanwhile, it would not tell or they
  // would differ.
  const { url } = await api.tabs.get(tabId);
  const address = url ? new URL(url) : undefined;
  const { result, documentId } = seen;
  if (!address || address.origin === 'null' || result.origin !== address.origin) throw new Refusal('ORIGIN_INVALID');
  return { origin: address.origin, host: address.host, loaded: result.loaded, document: documentId, kind: result.kind, why: result.why };
}

/**
 * Brings one passcode from the agent into the field of a page that was looked at when the user asked for it: whatever the tab
 * shows by now, no other document gets it.
 * @param {import('./agent.js').Agent} agent
 * @param {any} tab
 * @param {Page} page
 * @param {string} [token] the user's choice where several fit
 * @returns {Promise<{filled: {id: string, name: string}} | {choose: any[]}>}
 */
export async function fill(agent, tab, page, token) {
  if (!page.kind) throw new Refusal(WHY[/** @type {keyof WHY} */ (page.why)] ?? 'NO_FIELD');
  const given = await agent.ask('fill', { origin: page.origin, private: tab.incognito === true, ...(token ? { token } : {}) });
  if (Array.isArray(given.choose)) return { choose: given.choose };
  // A document that the tab has left may still be there, frozen: what is sent to it waits until the user goes back.
  const { documentId } = await inDocument({ tabId: tab.id, frameIds: [0] }, { do: 'find' }).catch(() => ({ documentId: '' }));
  if (documentId !== page.document) throw new Refusal('PAGE_CHANGED');
  const target = { tabId: tab.id, documentIds: [page.document] };
  const passcode = String(given.passcode);
  const { result: placed } = await inDocument(target, { do: 'place', passcode });
  await new Promise((resolve) => { setTimeout(resolve, SETTLES); });
  // A page that is no longer there has taken the passcode and gone on.
  const gone = { result: { placed: true, why: undefined } };
  const { result: kept } = placed.placed ? await inDocument(target, { do: 'keep', passcode }).catch(() => gone) : { result: placed };
  if (!kept.placed) throw new Refusal(WHY[/** @type {keyof WHY} */ (kept.why)] ?? 'FIELD_NOT_KEPT');
  return { filled: { id: String(given.token?.id ?? ''), name: String(given.token?.name ?? '') } };
}

/**
 * A page's process may hear of the user's gesture a moment after we do (seen in Chromium): as long as the browser lets us
 * see the address of the tab, what the page refuses is asked for again.
 * @template T
 * @param {number} tabId
 * @param {() => Promise<T>} act
 * @returns {Promise<T>}
 */
async function whenAllowed(tabId, act) {
  for (const wait of HEARD) {
    try {
      return await act();
    } catch (error) {
      const { url } = await api.tabs.get(tabId);
      if (!/^https?:/u.test(url ?? '')) throw error;
      await new Promise((resolve) => { setTimeout(resolve, wait); });
    }
  }
  return act();
}

/**
 * @param {object} target
 * @param {Parameters<typeof passcodeField>[0]} order
 */
async function inDocument(target, order) {
  let results;
  try {
    results = await Promise.race([
      api.scripting.executeScript({ target, func: passcodeField, args: [order] }),
      // A document that is frozen meanwhile answers when the user goes back, or never.
      new Promise((_, reject) => { setTimeout(() => reject(new Error('no answer')), ANSWERS); }),
    ]);
  } catch (error) {
    throw new Refusal(order.do === 'find' ? 'PAGE_UNREACHABLE' : 'PAGE_CHANGED', error instanceof Error ? error.message : '');
  }
  const [seen] = results ?? [];
  if (!seen?.result) throw new Refusal(order.do === 'find' ? 'PAGE_UNREACHABLE' : 'PAGE_CHANGED');
  return seen;
}
