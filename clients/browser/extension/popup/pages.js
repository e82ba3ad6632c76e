import { words } from '../platform.js';
import { whyNot } from './refusals.js';
import { element, icon } from './element.js';
import { offeredName } from './model.js';

/** A command to type, as text that can be selected. */
const command = (/** @type {string} */ line) => element('pre', {}, element('code', {}, line));

/** A page that says one thing: an icon, a title, what can be done. */
function page(/** @type {any} */ sign, /** @type {string} */ title, /** @type {(Node|string)[]} */ ...content) {
  return element('section.page', {}, element('div.sign', {}, icon(sign)), element('h1', {}, title), ...content);
}

const paragraph = (/** @type {string} */ text) => element('p', {}, text);
const button = (/** @type {string} */ label, /** @type {() => void} */ act, /** @type {object} */ more = {}) =>
  element('button', { type: 'button', on: { click: act }, 'data-focus': label, ...more }, label);

/**
 * The page that stands where tokens and requests cannot.
 * @param {string} name one of `pageOf`
 * @param {any} model what the popup knows
 * @param {Record<string, (...parts: any[]) => void>} act
 */
export function wholePage(name, model, act) {
  switch (name) {
    case 'connecting':
      return element('section.page.quiet', { 'aria-busy': 'true' }, element('p', {}, words('connecting')));
    case 'away':
      return page('plug', words('awayTitle'), paragraph(words('awayText')), command('systemctl --user start countersignd'), paragraph(words('awayWaits')));
    case 'host':
      return page('plug', words('hostTitle'), paragraph(words('hostText')), command('countersign browser install'), button(words('tryAgain'), act.again));
    case 'ended':
      return page('plug', words('endedTitle'), paragraph(words('endedText')), button(words('tryAgain'), act.again));
    case 'version':
      return page('plug', words('versionTitle'), paragraph(words('versionText')));
    case 'absent':
      return page('key', words('absentTitle'), paragraph(words('absentText')), command('countersign setup'));
    case 'unusable':
      return page('lock', words('unusableTitle'), element('p', {}, { theirs: model.state?.vault_message || words('unusableText'), most: 300 }), command('countersign status'));
    case 'pair':
      return pairing(model, act);
    default:
      return page('plug', words('failedTitle'), paragraph(whyNot(model.refusal)), button(words('tryAgain'), act.again));
  }
}

/** The first meeting: this browser introduces itself, and the user compares. */
function pairing(/** @type {any} */ model, /** @type {any} */ act) {
  const name = element('input', { id: 'name', type: 'text', maxlength: 40, value: offeredName(model.browser), autocomplete: 'off', spellcheck: 'false', 'data-focus': 'name' });
  const submit = (/** @type {Event} */ event) => {
    event.preventDefault();
    act.pair(/** @type {HTMLInputElement} */ (name).value.trim() || offeredName(model.browser));
  };
  const waits = model.busy === 'pair';
  return page(
    'mark', words('pairTitle'), paragraph(words('pairText')),
    element(
      'form', { on: { submit } },
      element('label', { for: 'name' }, words('pairName')), name,
      element('p.label', { id: 'mark' }, words('pairMark')),
      element('output.fingerprint', { 'aria-labelledby': 'mark' }, model.fingerprint ?? ''),
      element('p.hint', {}, words('pairCompare')),
      element('button', { type: 'submit', disabled: waits, 'data-focus': 'pair' }, waits ? words('pairWaits') : words('pairDo')),
    ),
  );
}
