import { words } from '../platform.js';
import { shown } from '../text.js';
import { element, icon } from './element.js';

/** The page in front: what can be filled there, or which token belongs to it. */
export function here(/** @type {any} */ model, /** @type {any} */ act) {
  const { page, note, tokens } = model;
  if (!page) return undefined;
  const host = element('span.host', {}, icon('here'), element('strong', {}, { theirs: page.host, most: 60 }));
  if (note?.choose) return choice(host, note.choose, act);
  if (note?.refusal?.reason === 'ORIGIN_UNKNOWN') return unknown(host, tokens ?? [], act);
  if (!page.kind) return undefined;
  const busy = model.busy === 'fill' || model.busy === 'bind';
  return element(
    'section.here', { 'aria-label': words('hereLabel') }, host,
    element(
      'button.fill', { type: 'button', disabled: busy, 'data-focus': 'fill', 'aria-keyshortcuts': 'Alt+Shift+O', on: { click: () => act.fill() } },
      busy ? words('hereWaits') : words('hereFill'),
    ),
  );
}

/** Several tokens fit. */
function choice(/** @type {Node} */ host, /** @type {any[]} */ tokens, /** @type {any} */ act) {
  return element(
    'section.here.choice', { 'aria-label': words('hereLabel') }, host, element('p', {}, words('hereChoose')),
    element('div.choices', {}, ...tokens.map((token) => element(
      'button.quiet', { type: 'button', 'data-focus': `choose-${token.id}`, on: { click: () => act.fill(token.id) } },
      { theirs: token.name }, token.issuer && token.issuer !== token.name ? element('small', {}, { theirs: token.issuer }) : undefined,
    ))),
  );
}

/** No token is known here: one may be said to belong here, which the agent asks about in its own dialog. */
function unknown(/** @type {Node} */ host, /** @type {any[]} */ tokens, /** @type {any} */ act) {
  const usable = tokens.filter((token) => ['time', 'event'].includes(token.mode) && token.state !== 'revoked');
  const select = element(
    'select', { id: 'belongs', 'data-focus': 'belongs' },
    ...usable.map((token) => element('option', { value: token.id }, shown(token.name, 60))),
  );
  // What a domain is, the agent knows: its dialog shows how wide it would be, or it refuses.
  const widen = element('input', { type: 'checkbox', id: 'widen', 'data-focus': 'widen' });
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    const wide = /** @type {HTMLInputElement} */ (widen).checked;
    act.use(/** @type {HTMLSelectElement} */ (select).value, wide ? 'domain' : 'origin');
  };
  return element(
    'section.here.unknown', { 'aria-label': words('hereLabel') }, host,
    element('p', {}, usable.length > 0 ? words('hereUnknown') : words('hereNoToken')),
    usable.length > 0 && element(
      'form', { on: { submit } }, element('label.sr', { for: 'belongs' }, words('hereWhich')), select,
      element('button', { type: 'submit', 'data-focus': 'use' }, words('hereUse')),
      element('label.widen', { for: 'widen' }, widen, words('hereWiden')),
    ),
    element('p.hint', {}, words('hereUnknownHint')),
  );
}
