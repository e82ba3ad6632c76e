import { api } from './platform.js';
import { Refusal } from './refusal.js';

/** Links that hold a token. */
const LINK = /^(?:otpauth|otpauth-migration|countersign|pia):/iu;
/** Longest link, in characters. */
const LONGEST_LINK = 16_384;
/** Largest picture, in bytes. */
const LARGEST = 8 * 1024 * 1024;
/** Characters of base64 a message; a multiple of four, so that each part can be read alone. */
const PART = 48 * 1024;

/**
 * Adds a token from the link that was clicked on, else from the QR code that is in view. The agent reads it and asks.
 * @param {import('./agent.js').Agent} agent
 * @param {any} info what was clicked on
 * @param {any} tab
 * @returns {Promise<{name: string}>}
 */
export async function enroll(agent, info, tab) {
  const link = String(info.linkUrl ?? '');
  if (LINK.test(link)) {
    if (link.length > LONGEST_LINK) throw new Refusal('ENROLLMENT_INVALID');
    return agent.ask('enroll', { text: link });
  }
  const picture = await pictureOf(tab);
  const size = Math.floor(picture.length / 4) * 3 - (picture.endsWith('==') ? 2 : picture.endsWith('=') ? 1 : 0);
  if (size > LARGEST) throw new Refusal('PICTURE_TOO_LARGE');
  /** @type {(id: number) => void} */
  let started = () => {};
  const id = new Promise((resolve) => { started = resolve; });
  const enrolled = agent.ask('enroll', { picture: true, size }, started);
  const parts = (async () => {
    const of = await id;
    for (let at = 0; at < picture.length; at += PART) await agent.ask('chunk', { of, data: picture.slice(at, at + PART) });
  })();
  // A picture that is refused half-way is refused as a whole; the rest of it goes nowhere.
  parts.catch(() => {});
  return enrolled;
}

/** What is in view of the page, as base64. */
async function pictureOf(/** @type {any} */ tab) {
  for (const format of [{ format: 'png' }, { format: 'jpeg', quality: 90 }]) {
    let url;
    try {
      url = await api.tabs.captureVisibleTab(tab.windowId, format);
    } catch (error) {
      throw new Refusal('PAGE_UNREACHABLE', error instanceof Error ? error.message : '');
    }
    const picture = url.slice(url.indexOf(',') + 1);
    if (picture.length * 3 / 4 <= LARGEST || format.format === 'jpeg') return picture;
  }
  throw new Refusal('PICTURE_TOO_LARGE');
}
