import { shown } from '../text.js';

/** What the icons are drawn with, on a field of 24 by 24. */
const PATHS = {
  mark: ['M8 4H6.2A2.6 2.6 0 0 0 3.6 6.6v10.8A2.6 2.6 0 0 0 6.2 20H8', 'M16 4h1.8a2.6 2.6 0 0 1 2.6 2.6v10.8a2.6 2.6 0 0 1-2.6 2.6H16', 'M8 12.4l3 3 5.2-6.6'],
  copy: ['M9 9h10v11H9z', 'M5 15V4h10'],
  done: ['M5 12.5l4.5 4.5L19 7.5'],
  lock: ['M6 11h12v9H6z', 'M8.5 11V8a3.5 3.5 0 0 1 7 0v3'],
  open: ['M6 11h12v9H6z', 'M8.5 11V8a3.5 3.5 0 0 1 6.8-1.2'],
  next: ['M20 11a8 8 0 1 0-2.3 6.2', 'M20 5v6h-6'],
  eye: ['M2.8 12S6 5.8 12 5.8 21.2 12 21.2 12 18 18.2 12 18.2 2.8 12 2.8 12z', 'M12 9.2a2.8 2.8 0 1 1 0 5.6 2.8 2.8 0 0 1 0-5.6z'],
  key: ['M14.5 9.5a4 4 0 1 0-3.6 4l1.6 1.6h2v2h2v2h3.2v-3.2l-5.5-5.5', 'M10 8.5h.01'],
  plug: ['M9 3v5', 'M15 3v5', 'M6.5 8h11v3.5a5.5 5.5 0 0 1-11 0z', 'M12 17v4'],
  here: ['M4 5h16v11H4z', 'M9 20h6'],
};

/** An icon; it says nothing to a screen reader. */
export function icon(/** @type {keyof PATHS} */ name) {
  const space = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(space, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  svg.classList.add('icon', `icon-${name}`);
  for (const d of PATHS[name]) {
    const path = document.createElementNS(space, 'path');
    path.setAttribute('d', d);
    svg.append(path);
  }
  return svg;
}

/**
 * An element. Text goes in as text and never as markup, and through `shown` where it is somebody else's: pass it as
 * `{theirs: text}`.
 * @param {string} tag `name.class.class`
 * @param {Record<string, any>} [given] attributes; `on` holds listeners
 * @param {...(Node|string|{theirs: unknown, most?: number}|undefined|false)} content
 */
export function element(tag, given = {}, ...content) {
  const [name, ...classes] = tag.split('.');
  const made = document.createElement(name);
  made.classList.add(...classes);
  for (const [attribute, value] of Object.entries(given)) {
    if (attribute === 'on') for (const [event, listener] of Object.entries(value)) made.addEventListener(event, /** @type {EventListener} */ (listener));
    else if (value === true) made.setAttribute(attribute, '');
    else if (value !== false && value !== undefined) made.setAttribute(attribute, String(value));
  }
  for (const part of content) {
    if (part === undefined || part === false) continue;
    if (typeof part === 'object' && 'theirs' in part) made.append(theirs(part.theirs, part.most));
    else made.append(part);
  }
  return made;
}

/** Somebody else's text, in a box of its own: its direction ends with it. */
function theirs(/** @type {unknown} */ text, /** @type {number|undefined} */ most) {
  const box = document.createElement('bdi');
  box.textContent = shown(text, most);
  return box;
}
