/** What the popup decides, without a page: from what was told to what is shown. */

/** A request is answered only after it has stood still for so long, so that no click meant for something else hits it. Milliseconds. */
export const STEADY = 600;
/** How far a login request and the page that it belongs to are apart at most. Milliseconds. */
const SAME_TIME = 45_000;
/** Over so many tokens there is a field to search in. */
const MANY = 7;

/** Refusals that leave nothing else to show. */
const WHOLE = new Map([
  ['HOST_MISSING', 'host'], ['HOST_FORBIDDEN', 'host'], ['HOST_ENDED', 'ended'], ['AGENT_NOT_RUNNING', 'away'], ['AGENT_VERSION', 'version'],
  ['NOT_PAIRED', 'pair'],
]);

/**
 * Which of the popup's pages is shown.
 * @param {{vault?: string, refusal?: {reason: string}}|undefined} state what the agent said last
 * @returns {'connecting'|'host'|'ended'|'away'|'version'|'pair'|'absent'|'unusable'|'locked'|'open'|'failed'}
 */
export function pageOf(state) {
  if (!state) return 'connecting';
  if (state.refusal) return /** @type {any} */ (WHOLE.get(state.refusal.reason) ?? 'failed');
  switch (state.vault) {
    case 'unlocked': return 'open';
    case 'locked': return 'locked';
    case 'absent': return 'absent';
    default: return 'unusable';
  }
}

/** A passcode in groups that are read in one go: `123 456`, `1234 5678`, `123 4567`. */
export function grouped(/** @type {string} */ passcode) {
  const characters = [...passcode];
  if (characters.length < 6) return passcode;
  const half = Math.floor(characters.length / 2);
  return `${characters.slice(0, half).join('')} ${characters.slice(half).join('')}`;
}

/**
 * What is left of a passcode or a request.
 * @param {number} until Unix milliseconds
 * @param {number} now
 * @param {number} whole milliseconds that it had
 * @returns {{seconds: number, share: number, over: boolean}} `share`: 1 at the beginning, 0 at the end
 */
export function left(until, now, whole) {
  const rest = Math.max(0, until - now);
  return { seconds: Math.ceil(rest / 1000), share: whole > 0 ? Math.min(1, rest / whole) : 0, over: rest === 0 };
}

/** `0:07`, `1:30`. */
export function clock(/** @type {number} */ seconds) {
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

/**
 * Whether a login request looks like the login on the page in front: it comes from this computer's address, and began when this
 * page did. A hint to read, never an answer.
 * @param {{from_this_computer?: boolean, created_ms?: number, program?: string, service?: string, resource?: string}} request
 * @param {{loaded?: number, host?: string}|undefined} page
 * @param {string} browser what this browser calls itself, "Firefox 153"
 * @returns {'host'|'time'|undefined}
 */
export function ofThisBrowser(request, page, browser) {
  if (!request.from_this_computer || !page?.loaded || !request.created_ms) return undefined;
  const [family] = browser.split(' ');
  const named = ['Chromium', 'Chrome', 'Firefox', 'Edge', 'Opera', 'Safari'].filter((name) => request.program?.includes(name));
  if (named.length > 0 && !named.includes(family) && !(family === 'Chromium' && named.includes('Chrome'))) return undefined;
  if (Math.abs(request.created_ms - page.loaded) > SAME_TIME) return undefined;
  const host = page.host?.toLowerCase() ?? '';
  const says = [request.service, request.resource].some((text) => host !== '' && text?.toLowerCase().includes(host));
  return says ? 'host' : 'time';
}

/**
 * Pending requests in an order that does not move: those that were there stay where they were, new ones come after them.
 * @template {{id: string}} Request
 * @param {string[]} before ids as they stood
 * @param {Request[]} pending
 * @returns {Request[]}
 */
export function inPlace(before, pending) {
  const stood = before.flatMap((id) => pending.filter((request) => request.id === id));
  return [...stood, ...pending.filter((request) => !before.includes(request.id))];
}

/** Whether an answer counts now: the cards have stood as they stand for a while. */
export function counts(/** @type {number} */ standsSince, /** @type {number} */ now) {
  return now - standsSince >= STEADY;
}

/**
 * Tokens as they are listed: those of the page first, then by name; only those that hold what was searched for.
 * @template {{id: string, name: string, issuer?: string, bound?: boolean}} Token
 * @param {Token[]} tokens
 * @param {string} search
 * @returns {Token[]}
 */
export function listed(tokens, search) {
  const wanted = search.trim().toLocaleLowerCase();
  return tokens
    .filter((token) => wanted === '' || `${token.name} ${token.issuer ?? ''}`.toLocaleLowerCase().includes(wanted))
    .sort((one, other) => Number(other.bound === true) - Number(one.bound === true) || one.name.localeCompare(other.name));
}

/** Whether there is a field to search in. */
export function isSearched(/** @type {number} */ tokens) {
  return tokens > MANY;
}

/** What may be typed as the number of a request: digits and nothing else. */
export function numberOf(/** @type {string} */ typed) {
  const digits = typed.replace(/\s/gu, '');
  return /^\d{1,8}$/u.test(digits) ? digits : undefined;
}

/** A name for this browser that is a good offer: "Firefox 153" becomes "Firefox". */
export function offeredName(/** @type {string} */ browser) {
  return browser.replace(/\s\d+$/u, '');
}
