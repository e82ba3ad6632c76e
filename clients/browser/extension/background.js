import { Agent } from './agent.js';
import { enroll } from './enrolling.js';
import { fill, look } from './filling.js';
import { fingerprint } from './key.js';
import { api, words } from './platform.js';
import { Refusal } from './refusal.js';

const POPUP = 'popup/popup.html';
/** How long the mark of a success stays on the button. Milliseconds. */
const MARK = 2_500;
/** How long a popup may take to open. Milliseconds. */
const OPENING = 3_000;
/** How long after a fill a second click opens the popup instead. Milliseconds. */
const AGAIN = 30_000;
/** How long an answer waits for a popup that the agent's dialog has closed. Milliseconds. */
const LATE = 60_000;

const agent = new Agent();
/** Open popups. */
const doors = new Set();
/** What is being asked, with dialogs of the agent perhaps: one thing at a time. */
let busy = '';
/** What the agent said last while a popup was open. */
let state = /** @type {any} */ (undefined);
/** The last fill: where and when. */
let filled = { document: '', at: 0 };
/** A passcode that came when no popup was there to show it. */
let late = /** @type {{answer: any, until: number}|undefined} */ (undefined);

/* What the user does with the browser. Each of these lets us see the page in front, until it changes. */

api.action.onClicked.addListener((/** @type {any} */ tab) => void clicked(tab));
api.commands.onCommand.addListener((/** @type {string} */ command, /** @type {any} */ tab) => {
  if (command === 'fill') void fillOrTell(tab);
  if (command === 'open') void open(tab);
});
api.contextMenus.onClicked.addListener((/** @type {any} */ info, /** @type {any} */ tab) => {
  if (info.menuItemId === 'fill') void (info.frameId ? tell(tab, new Refusal('FIELD_IN_FRAME')) : fillOrTell(tab));
  if (info.menuItemId === 'enroll') void enrollOrTell(info, tab);
  if (info.menuItemId === 'open') void open(tab);
});
api.runtime.onInstalled.addListener(async () => {
  await api.contextMenus.removeAll();
  api.contextMenus.create({ id: 'fill', title: words('menuFill'), contexts: ['page', 'editable'] });
  api.contextMenus.create({ id: 'enroll', title: words('menuEnroll'), contexts: ['page', 'image', 'link'] });
  api.contextMenus.create({ id: 'open', title: words('menuOpen'), contexts: ['action'] });
});

/** The button: fills; where nothing is to be filled, where a login waits for an answer, or after a fill, the popup. */
async function clicked(/** @type {any} */ tab) {
  let page;
  try {
    page = await look(tab.id);
    const { pending = 0 } = await agent.ask('status');
    const again = page.document === filled.document && Date.now() - filled.at < AGAIN;
    if (!page.kind || pending > 0 || again) return await open(tab);
  } catch {
    return open(tab);
  }
  return fillOrTell(tab, page);
}

async function fillOrTell(/** @type {any} */ tab, /** @type {any} */ page = undefined) {
  try {
    const done = await fillTab(tab, page ?? await look(tab.id));
    if (done.choose) await open(tab, { choose: done.choose });
  } catch (error) {
    await tell(tab, error);
  }
}

async function enrollOrTell(/** @type {any} */ info, /** @type {any} */ tab) {
  try {
    const { name } = await alone('enroll', () => enroll(agent, info, tab));
    await mark(tab.id, words('enrolled', String(name ?? '')));
  } catch (error) {
    await tell(tab, error);
  }
}

/** @returns {Promise<any>} */
async function fillTab(/** @type {any} */ tab, /** @type {any} */ page, /** @type {string|undefined} */ token = undefined) {
  const done = await alone('fill', () => fill(agent, tab, page, token));
  if ('filled' in done) {
    filled = { document: page.document, at: Date.now() };
    await mark(tab.id, words('filledWith', done.filled.name));
  }
  return done;
}

/** One thing at a time: a second gesture while a dialog is open is none. */
async function alone(/** @type {string} */ what, /** @type {() => Promise<any>} */ act) {
  if (busy) throw new Refusal('BUSY');
  busy = what;
  tellDoors({ busy });
  try {
    return await act();
  } finally {
    busy = '';
    tellDoors({ busy });
  }
}

/* What the user is told. */

/** Says on the button that it was done. The tab may have gone meanwhile: what was done is done all the same. */
async function mark(/** @type {number} */ tabId, /** @type {string} */ title) {
  const wear = (/** @type {string} */ text, /** @type {string} */ said) => Promise.all([api.action.setBadgeText({ tabId, text }), api.action.setTitle({ tabId, title: said })]).catch(() => {});
  await api.action.setBadgeBackgroundColor({ color: '#17705a' });
  await wear('✓', title);
  setTimeout(() => void wear('', words('actionTitle')), MARK);
}

/** A refusal is told in the popup; what the user took back or is still being asked is not told at all. */
async function tell(/** @type {any} */ tab, /** @type {unknown} */ error) {
  const refusal = Refusal.of(error);
  if (refusal.reason === 'CANCELLED' || refusal.reason === 'BUSY') return;
  await open(tab, { refusal: refusal.plain() });
}

/** Opens the popup on a tab's window, with a note for it. Where the browser cannot, a small window. */
async function open(/** @type {any} */ tab, /** @type {object} */ note = {}) {
  if (doors.size > 0) {
    tellDoors({ note });
    return;
  }
  await api.storage.session.set({ note });
  // The button has a popup only until it is there: a click is ours. (The promise of openPopup may never be kept.)
  await api.action.setPopup({ popup: POPUP });
  setTimeout(withoutPopup, OPENING);
  try {
    await api.action.openPopup({ windowId: tab.windowId });
  } catch {
    withoutPopup();
    const url = `${api.runtime.getURL(POPUP)}?tab=${Number(tab.id)}`;
    await api.windows.create({ type: 'popup', url, width: 400, height: 620 });
  }
}

function withoutPopup() {
  void api.action.setPopup({ popup: '' });
}
withoutPopup();

/* The popup. It asks through a port that only this extension's own pages get. */

api.runtime.onConnect.addListener((/** @type {any} */ port) => {
  const { sender } = port;
  if (sender?.id !== api.runtime.id || !String(sender.url).startsWith(api.runtime.getURL(POPUP))) {
    port.disconnect();
    return;
  }
  doors.add(port);
  withoutPopup();
  port.onDisconnect.addListener(() => {
    doors.delete(port);
    if (doors.size === 0) {
      state = undefined;
      agent.watch(undefined);
    }
  });
  port.onMessage.addListener((/** @type {any} */ message) => void answer(port, message));
  if (doors.size === 1) watch();
  else if (state) port.postMessage({ state });
  if (busy) port.postMessage({ busy });
  if (late && late.until > Date.now()) port.postMessage({ late: late.answer });
  late = undefined;
});

function watch() {
  agent.watch((told) => {
    state = told;
    tellDoors({ state });
  });
}

function tellDoors(/** @type {object} */ what) {
  for (const door of doors) door.postMessage(what);
}

const PASSED_ON = {
  status: [], lock: [], tokens: ['origin'], answer: ['request', 'verdict', 'number'], unbind: ['origin', 'token'],
};

/** @type {Record<string, (wish: any) => Promise<any>>} */
const WISHES = {
  look: async ({ tab }) => look(Number(tab)),
  fill: async ({ tab, token }) => fillTab(await api.tabs.get(Number(tab)), await look(Number(tab)), token),
  /** A token is used on this page from now on, and at once. */
  use: async ({ tab, origin, token, scope }) => {
    const page = await look(Number(tab));
    if (page.origin !== origin) throw new Refusal('PAGE_CHANGED');
    await alone('bind', () => agent.ask('bind', { origin, token, scope: scope === 'domain' ? 'domain' : 'origin' }));
    return fillTab(await api.tabs.get(Number(tab)), page, token);
  },
  fingerprint: async () => ({ fingerprint: await fingerprint() }),
  pair: async ({ name }) => {
    const ok = await alone('pair', () => agent.ask('pair', { name }));
    if (doors.size > 0) watch();
    return ok;
  },
  unlock: async () => alone('unlock', () => agent.ask('unlock')),
  passcode: async ({ token, challenge }) => alone('passcode', () => agent.ask('passcode', { token, ...(challenge ? { challenge } : {}) })),
  again: async () => {
    watch();
    return {};
  },
};

/** After these the popup comes back where the agent's dialog has closed it. */
const COME_BACK = new Set(['pair', 'unlock', 'passcode', 'use', 'fill']);

async function answer(/** @type {any} */ port, /** @type {any} */ message) {
  const wish = String(message?.wish);
  const reply = await fulfil(wish, message).then((ok) => ({ n: message.n, ok }), (error) => ({ n: message.n, refusal: Refusal.of(error).plain() }));
  if (doors.has(port)) port.postMessage(reply);
  else if (COME_BACK.has(wish)) await comeBack(wish, message, reply);
}

function fulfil(/** @type {string} */ wish, /** @type {any} */ message) {
  const fields = Object.hasOwn(PASSED_ON, wish) ? PASSED_ON[/** @type {keyof PASSED_ON} */ (wish)] : undefined;
  if (fields) return agent.ask(wish, Object.fromEntries(fields.filter((name) => message[name] !== undefined).map((name) => [name, message[name]])));
  return Object.hasOwn(WISHES, wish) ? WISHES[wish](message) : Promise.reject(new Refusal('USAGE'));
}

/** The agent's dialog took the keyboard, so the popup is closed: it comes back with what it was asked for. */
async function comeBack(/** @type {string} */ wish, /** @type {any} */ message, /** @type {any} */ reply) {
  if (reply.refusal?.reason === 'CANCELLED' || reply.ok?.filled) return;
  const [tab] = await api.tabs.query({ active: true, lastFocusedWindow: true });
  if (!tab) return;
  if (wish === 'passcode' && reply.ok) late = { answer: { token: message.token, ...reply.ok }, until: Date.now() + LATE };
  await open(tab, reply.refusal ? { refusal: reply.refusal } : reply.ok?.choose ? { choose: reply.ok.choose } : {});
}
