/**
 * The key of this installation: P-256, made once, not extractable, in this extension's own database. It tells the agent
 * which browser asks. It is a trace and a brake: a program of the same user can read the browser's profile.
 */

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' };
const LABEL = 'countersign/browser/1 hello';

/** @returns {Promise<IDBDatabase>} */
function database() {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open('countersign', 1);
    opening.onupgradeneeded = () => { opening.result.createObjectStore('keys'); };
    opening.onsuccess = () => { resolve(opening.result); };
    opening.onerror = () => { reject(opening.error); };
  });
}

/**
 * @param {IDBTransactionMode} mode
 * @param {(keys: IDBObjectStore) => IDBRequest} act
 * @returns {Promise<any>}
 */
async function inStore(mode, act) {
  const open = await database();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = open.transaction('keys', mode);
      const asked = act(transaction.objectStore('keys'));
      transaction.oncomplete = () => { resolve(asked.result); };
      transaction.onerror = () => { reject(transaction.error); };
      transaction.onabort = () => { reject(transaction.error); };
    });
  } finally {
    open.close();
  }
}

/** @returns {Promise<CryptoKeyPair>} */
async function pair() {
  const kept = await inStore('readonly', (keys) => keys.get('installation'));
  if (kept) return kept;
  const made = await crypto.subtle.generateKey(ALGORITHM, false, ['sign']);
  try {
    await inStore('readwrite', (keys) => keys.add(made, 'installation'));
    return made;
  } catch {
    // Another page of this extension was faster.
    return inStore('readonly', (keys) => keys.get('installation'));
  }
}

/** The public key as SubjectPublicKeyInfo. */
export async function publicKey() {
  return new Uint8Array(await crypto.subtle.exportKey('spki', (await pair()).publicKey));
}

/** Signs the agent's nonce: label, zero, length of the body, body (nonce and key). 64 bytes, r then s. */
export async function proof(/** @type {Uint8Array} */ nonce, /** @type {Uint8Array} */ spki) {
  const label = new TextEncoder().encode(`${LABEL}\0`);
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, nonce.length + spki.length);
  const signed = new Uint8Array(await new Blob([label, length, nonce, spki].map((part) => part.slice())).arrayBuffer());
  const { privateKey } = await pair();
  return new Uint8Array(await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, privateKey, signed));
}

/** What the user compares with the agent's dialog: the first 40 bits of the key's SHA-256 in base32 (RFC 4648), `ABCD-EFGH`. */
export async function fingerprint() {
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', await publicKey()));
  const bits = [...hash.subarray(0, 5)].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const letters = (bits.match(/.{5}/gu) ?? []).map((five) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.charAt(Number.parseInt(five, 2)));
  return `${letters.slice(0, 4).join('')}-${letters.slice(4).join('')}`;
}

/** base64url without padding. */
export function base64url(/** @type {Uint8Array} */ bytes) {
  return btoa(String.fromCharCode(...bytes)).replace(/\+/gu, '-').replace(/\//gu, '_').replace(/=+$/u, '');
}

/** The bytes of base64url; throws where it is none. */
export function bytesOf(/** @type {string} */ text) {
  return Uint8Array.from(atob(text.replace(/-/gu, '+').replace(/_/gu, '/')), (character) => character.charCodeAt(0));
}
