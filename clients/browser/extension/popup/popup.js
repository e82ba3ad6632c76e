import { api, browserName, words } from '../platform.js';
import { Refusal } from '../refusal.js';
import { Door } from './door.js';
import { element, icon } from './element.js';
import { here } from './here.js';
import { clock, counts, inPlace, left, pageOf } from './model.js';
import { wholePage } from './pages.js';
import { whyNot } from './refusals.js';
import { afterwards, requests } from './requests.js';
import { tokens } from './tokens.js';

/** How long a copied passcode stays in the clipboard while this window is there. Milliseconds. */
const CLIPBOARD = 30_000;
/** How long a passcode without an end of its own is shown. Milliseconds. */
const SHOWN = 60_000;

const head = /** @type {HTMLElement} */ (document.getElementById('head'));
const told = /** @type {HTMLElement} */ (document.getElementById('told'));
const main = /** @type {HTMLElement} */ (document.getElementById('main'));

/** All that the popup knows; what is drawn follows from it. */
const model = {
  browser: browserName(),
  state: /** @type {any} */ (undefined),
  refusal: /** @type {any} */ (undefined),
  pending: /** @type {any[]} */ ([]),
  standsSince: Date.now(),
  answering: new Set(),
  missing: '',
  tokens: /** @type {any[]|undefined} */ (undefined),
  codes: new Map(),
  challenged: '',
  search: '',
  page: /** @type {any} */ (undefined),
  note: /** @type {any} */ (undefined),
  busy: '',
  fingerprint: '',
  display: '',
  said: '',
  urgent: false,
};

const door = new Door({
  told: (message) => {
    if ('state' in message) arrived(message.state);
    if ('busy' in message) model.busy = message.busy;
    if ('note' in message) noted(message.note);
    if ('late' in message) reveal(message.late.token, message.late);
    draw();
  },
  closed: () => {
    model.state = { refusal: new Refusal('HOST_ENDED').plain() };
    draw();
  },
});
const tabId = targetTab();

/* What comes in. */

function arrived(/** @type {any} */ state) {
  const before = pageOf(model.state);
  model.state = state;
  model.refusal = state.refusal;
  const pending = inPlace(model.pending.map(({ id }) => id), Array.isArray(state.pending) ? state.pending : []);
  if (pending.map(({ id }) => id).join() !== model.pending.map(({ id }) => id).join()) model.standsSince = Date.now();
  const more = pending.some(({ id }) => !model.pending.some((request) => request.id === id));
  // What was said of an earlier request is not said beside this one.
  if (more && before !== 'connecting') say('');
  // One that comes into a window without any is seen, wherever that was scrolled to.
  if (more && model.pending.length === 0) scrollTo({ top: 0 });
  model.pending = pending;
  const page = pageOf(state);
  if (page !== 'open') {
    model.tokens = undefined;
    model.codes.clear();
  } else if (before !== 'open') {
    void loadTokens();
  }
  if (page === 'pair' && !model.fingerprint) void tried(door.ask('fingerprint'), (ok) => { model.fingerprint = ok.fingerprint; });
}

function noted(/** @type {any} */ note) {
  model.note = note;
  // What has a page of its own says it there.
  const told = note?.refusal && pageOf({ refusal: note.refusal }) === 'failed';
  say(told ? whyNot(new Refusal(note.refusal.reason, note.refusal.message, note.refusal.hint)) : '', true);
}

async function loadTokens() {
  const page = await looked;
  await tried(door.ask('tokens', page ? { origin: page.origin } : {}), (ok) => { model.tokens = ok.tokens ?? []; });
}

async function targetTab() {
  const given = Number(new URLSearchParams(location.search).get('tab'));
  if (Number.isSafeInteger(given) && given > 0) return given;
  const [tab] = await api.tabs.query({ active: true, currentWindow: true });
  return tab?.id;
}

/** The page in front; many pages cannot be looked at, and then it is nothing. */
const looked = tabId.then((tab) => (tab === undefined ? undefined : door.ask('look', { tab }))).catch(() => undefined);
looked.then((page) => {
  model.page = page;
  draw();
}, () => {});
api.storage.session.get('note').then(({ note }) => {
  void api.storage.session.remove('note');
  if (note) noted(note);
  draw();
}, () => {});

/* What the user does. */

const act = {
  again: () => void tried(door.ask('again')),
  pair: (/** @type {string} */ name) => void tried(door.ask('pair', { name })),
  unlock: () => void tried(door.ask('unlock'), () => say('')),
  lock: () => void tried(door.ask('lock')),
  seen: () => { model.display = ''; draw(); },
  search: (/** @type {string} */ search) => { model.search = search; draw(); },
  challenge: (/** @type {string} */ id) => { model.challenged = id; model.codes.delete(id); draw(); focusOn(`token-${id}`); },
  fill: async (/** @type {string|undefined} */ token = undefined) => {
    await tried(door.ask('fill', { tab: await tabId, token }), filled, (refusal) => { model.note = { refusal: refusal.plain() }; return undefined; });
  },
  use: async (/** @type {string} */ token, /** @type {string} */ scope) => {
    await tried(door.ask('use', { tab: await tabId, origin: model.page?.origin, token, scope }), filled);
  },
  answer: async (/** @type {string} */ request, /** @type {string} */ verdict, /** @type {string|undefined} */ number = undefined) => {
    if (!counts(model.standsSince, Date.now()) || model.answering.has(request)) return;
    model.missing = number === '' ? request : '';
    if (number === '') {
      say(words('reason_NUMBER_REQUIRED'), true);
      draw();
      focusOn(`number-${request}`);
      return;
    }
    model.answering.add(request);
    draw();
    await tried(door.ask('answer', { request, verdict, ...(number ? { number } : {}) }), (ok) => {
      model.display = ok.display_code ?? '';
      say(words(ok.reported ? 'outcome_reported' : `outcome_${ok.outcome}`) || String(ok.detail ?? ''), ok.outcome === 'refused');
    }, ({ reason }) => (number && reason === 'LOGIN_REQUEST_REFUSED' ? words('numberRefused') : undefined));
    model.answering.delete(request);
    draw();
  },
  passcode: async (/** @type {string} */ token, /** @type {string|undefined} */ challenge = undefined) => {
    await tried(door.ask('passcode', { token, challenge }), (ok) => {
      model.challenged = '';
      reveal(token, ok);
    });
    focusOn(`token-${token}`);
  },
  renew: (/** @type {string} */ token) => tried(door.ask('passcode', { token }), (ok) => reveal(token, ok)),
  copy: async (/** @type {string} */ token) => {
    stays = false;
    if (!model.codes.has(token)) await act.passcode(token);
    const code = model.codes.get(token);
    if (!code) return;
    try {
      await navigator.clipboard.writeText(code.passcode);
    } catch {
      // After a dialog of the agent the click is too long ago for the browser: one more will do.
      say(words('copyAgain'), true);
      draw();
      return;
    }
    code.copied = true;
    say(await clearsByItself() ? words('copiedFor', String(CLIPBOARD / 1000)) : words('copied'));
    draw();
    clearTimeout(clearing);
    clearing = setTimeout(clearClipboard, CLIPBOARD);
  },
};
/** @type {any} */
let clearing;
/** Whether a passcode is in the clipboard whose time there is up. */
let stays = false;

/** Whether the clipboard may be written to without a gesture: in Firefox it may not. */
function clearsByItself() {
  return navigator.permissions.query({ name: /** @type {any} */ ('clipboard-write') }).then(({ state }) => state === 'granted', () => false);
}

function clearClipboard() {
  stays = false;
  navigator.clipboard.writeText('').then(() => say(words('clipboardCleared')), () => {
    stays = true;
    say(words('clipboardStays'), true);
  }).finally(draw);
}
for (const gesture of ['click', 'keyup']) document.addEventListener(gesture, () => { if (stays) clearClipboard(); });

function filled(/** @type {any} */ ok) {
  if (ok.choose) {
    noted({ choose: ok.choose });
    return;
  }
  model.note = undefined;
  say(words('filledWith', String(ok.filled?.name ?? '')));
  // In a window of its own it stays in the way; the browser's popup closes.
  if (!location.search) window.close();
}

/** A passcode is shown until it ends, and never longer than a while. */
function reveal(/** @type {string} */ token, /** @type {any} */ ok) {
  const offset = Number(ok.now_ms) ? Number(ok.now_ms) - Date.now() : 0;
  const until = Number(ok.valid_until_ms) || 0;
  const whole = until && Number(ok.valid_from_ms) ? until - Number(ok.valid_from_ms) : Number(ok.period ?? 30) * 1000;
  model.codes.set(token, { passcode: String(ok.passcode), until, whole, offset, gone: until ? until - offset : Date.now() + SHOWN, copied: false });
}

/** Waits for an answer of the background; what was not done is said, in `refused`'s own words if it has any. */
async function tried(/** @type {Promise<any>} */ asked, /** @type {(ok: any) => void} */ done = () => {}, /** @type {(refusal: Refusal) => string|undefined} */ refused = () => undefined) {
  try {
    done(await asked);
  } catch (error) {
    const refusal = Refusal.of(error);
    const own = refused(refusal);
    if (refusal.reason !== 'CANCELLED') say(own ?? whyNot(refusal), true);
  }
  draw();
}

function say(/** @type {string} */ what, /** @type {boolean} */ urgent = false) {
  model.said = what;
  model.urgent = urgent;
}

/* What is drawn. */

function draw() {
  const page = pageOf(model.state);
  // Parts that hold what is being typed are not drawn anew under the hands.
  const focused = document.activeElement instanceof HTMLElement ? document.activeElement : undefined;
  const key = focused?.dataset.focus;
  const typed = focused instanceof HTMLInputElement ? { value: focused.value, from: focused.selectionStart, to: focused.selectionEnd } : undefined;
  const fields = [...main.querySelectorAll('input[data-focus], select[data-focus]')].map((field) => /** @type {HTMLInputElement} */ (field)).map(({ dataset, value, checked }) => ({ key: dataset.focus, value, checked }));

  put(head, header(page));
  // Beside the page in front it says itself that no token belongs there.
  const saidThere = page === 'open' && model.page && model.note?.refusal?.reason === 'ORIGIN_UNKNOWN' ? words('reason_ORIGIN_UNKNOWN') : '';
  put(told, model.said && model.said !== saidThere ? [element(`p.said${model.urgent ? '.urgent' : ''}`, {}, { theirs: model.said, most: 300 })] : []);
  put(main, body(page).filter((part) => part !== undefined));

  for (const field of fields) {
    const again = find(field.key);
    if (again instanceof HTMLSelectElement) {
      // What was chosen may be there no more.
      if ([...again.options].some(({ value }) => value === field.value)) again.value = field.value;
    } else if (again instanceof HTMLInputElement) {
      if (field.value !== '') again.value = field.value;
      again.checked = field.checked;
    }
  }
  // The button that was pressed may have gone with what it led to: its token stays.
  const again = find(key) ?? find(key?.replace(/^(again|answer|copy)-/u, 'token-'));
  if (again) {
    again.focus({ preventScroll: true });
    if (typed && again instanceof HTMLInputElement) again.setSelectionRange(typed.from, typed.to);
  } else if (!key) {
    first()?.focus({ preventScroll: true });
  }
  tick();
}

/** Replaces what is not as it should be, and nothing else: what is being clicked on or read stays the same thing. */
function put(/** @type {HTMLElement} */ place, /** @type {Node[]} */ parts) {
  parts.forEach((part, at) => {
    const there = place.childNodes[at];
    if (!there) place.append(part);
    else if (!there.isEqualNode(part)) there.replaceWith(part);
  });
  while (place.childNodes.length > parts.length) place.lastChild?.remove();
}

/** @returns {(Node|undefined)[]} */
function body(/** @type {string} */ page) {
  if (page === 'open') return [afterwards(model, act), requests(model, act), here(model, act), tokens(model, act)];
  if (page === 'locked') return [requests(model, act), locked()];
  return [wholePage(page, model, act)];
}

function locked() {
  const waits = model.busy === 'unlock';
  return element(
    'section.page', {}, element('div.sign', {}, icon('lock')), element('h1', {}, words('lockedTitle')), element('p', {}, words('lockedText')),
    element('button', { type: 'button', disabled: waits, 'data-focus': 'unlock', on: { click: act.unlock } }, waits ? words('unlockWaits') : words('unlock')),
  );
}

function header(/** @type {string} */ page) {
  const open = page === 'open';
  return [
    element('span.brand', {}, icon('mark'), 'Countersign'),
    ...(open ? [element('button.small.square', { type: 'button', 'data-focus': 'lock', 'aria-label': words('lock'), title: words('lock'), on: { click: act.lock } }, icon('lock'))] : []),
  ];
}

const find = (/** @type {string|undefined} */ key) => (key === undefined ? undefined
  : [...document.querySelectorAll('[data-focus]')].map((each) => /** @type {HTMLElement} */ (each)).find((each) => each.dataset.focus === key && !(/** @type {any} */ (each)).disabled));
const focusOn = (/** @type {string} */ key) => find(key)?.focus({ preventScroll: true });

/** Where the keyboard starts: never on an answer to a login request. */
function first() {
  const parts = ['fill', 'belongs', 'unlock', 'pair', 'search'].map(find).find(Boolean);
  return parts ?? /** @type {HTMLElement|null} */ (main.querySelector('.tokens [data-focus]'));
}

/** Moves what counts down. Nothing is drawn anew but what has ended. */
function tick() {
  const now = Date.now();
  for (const bar of main.querySelectorAll('progress[data-until]')) {
    const { until, whole } = /** @type {HTMLElement} */ (bar).dataset;
    const rest = left(Number(until), now, Number(whole));
    /** @type {HTMLProgressElement} */ (bar).value = rest.share;
    bar.setAttribute('aria-valuetext', words('secondsLeftOf', String(rest.seconds)));
    bar.classList.toggle('ending', rest.seconds <= 5);
  }
  for (const text of main.querySelectorAll('[data-clock]')) {
    text.textContent = clock(left(Number(/** @type {HTMLElement} */ (text).dataset.until), now, 0).seconds);
  }
}

function expire() {
  const now = Date.now();
  let changed = false;
  for (const [id, code] of model.codes) {
    if (code.gone > now) continue;
    model.codes.delete(id);
    changed = true;
    const token = model.tokens?.find((each) => each.id === id);
    // Where nobody is asked, the next one follows.
    if (token?.mode === 'time' && token.verification === 'none' && code.until) void act.renew(id);
  }
  if (changed) draw();
  else tick();
}

/** Arrows walk through the tokens, `c` copies the one that has the keyboard. */
document.addEventListener('keydown', (event) => {
  const target = /** @type {HTMLElement} */ (event.target);
  if (target instanceof HTMLInputElement && target.type !== 'search') return;
  if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
    const rows = [...main.querySelectorAll('.token')];
    const at = rows.findIndex((row) => row.contains(target));
    const next = rows[event.key === 'ArrowDown' ? at + 1 : Math.max(0, at - 1)];
    /** @type {HTMLElement|null|undefined} */ (next?.querySelector('[data-focus]'))?.focus();
    event.preventDefault();
  }
  const token = /** @type {HTMLElement|null} */ (target.closest('.token'))?.dataset.token;
  if (event.key === 'c' && token && !event.ctrlKey && !event.metaKey && !(target instanceof HTMLInputElement)) void act.copy(token);
});

document.documentElement.lang = api.i18n.getUILanguage();
draw();
setInterval(expire, 500);
