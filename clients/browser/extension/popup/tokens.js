import { words } from '../platform.js';
import { shown } from '../text.js';
import { element, icon } from './element.js';
import { grouped, isSearched, left, listed } from './model.js';

/** The tokens: what they are called, and a passcode of each when it is asked for. */
export function tokens(/** @type {any} */ model, /** @type {any} */ act) {
  const { tokens: all, search } = model;
  if (!all) return element('section.tokens', { 'aria-busy': 'true' });
  if (all.length === 0) {
    return element('section.tokens.none', {}, element('h2', {}, words('noTokensTitle')), element('p', {}, words('noTokensText')));
  }
  const list = listed(all, search);
  return element(
    isSearched(all.length) ? 'section.tokens.many' : 'section.tokens', {},
    isSearched(all.length) && element('input.search', {
      type: 'search', placeholder: words('search'), 'aria-label': words('search'), value: search, 'data-focus': 'search', autocomplete: 'off', spellcheck: 'false',
      on: {
        // The field is drawn anew with the list; not while a letter is still being put together (dead keys, input methods).
        input: (/** @type {any} */ event) => event.isComposing || act.search(event.target.value),
        compositionend: (/** @type {any} */ event) => act.search(event.target.value),
      },
    }),
    element('ul', { 'aria-label': words('tokensLabel') }, ...list.map((token) => row(token, model, act))),
    list.length === 0 && element('p.hint', {}, words('searchNone')),
  );
}

function row(/** @type {any} */ token, /** @type {any} */ model, /** @type {any} */ act) {
  const name = shown(token.name, 60);
  const code = model.codes.get(token.id);
  const unusable = token.state !== undefined && token.state !== 'active';
  return element(
    'li.token', { 'data-token': token.id, 'aria-label': name },
    element('span.monogram', { 'aria-hidden': 'true', 'data-tint': tint(token.issuer || token.name) }, [...(shown(token.issuer || token.name, 2).toUpperCase())][0] ?? '?'),
    element(
      'span.who', {}, element('strong', {}, { theirs: token.name, most: 60 }),
      element('small', {}, { theirs: token.issuer && token.issuer !== token.name ? token.issuer : '' }, token.bound && element('span.bound', {}, words('tokenHere'))),
    ),
    unusable ? element('span.hint', {}, words('tokenUnusable')) : token.mode === 'push' ? element('span.hint', {}, words('tokenPush')) : code ? revealed(token, code, name, act) : hidden(token, name, model, act),
  );
}

/** One of four tints, the same for the same name. */
function tint(/** @type {string} */ text) {
  return [...text].reduce((sum, character) => sum + (character.codePointAt(0) ?? 0), 0) % 4;
}

function hidden(/** @type {any} */ token, /** @type {string} */ name, /** @type {any} */ model, /** @type {any} */ act) {
  if (token.mode === 'challenge') {
    if (model.challenged !== token.id) {
      return element('span.do', {}, element('button.small', {
        type: 'button', 'data-focus': `token-${token.id}`, 'aria-label': words('challengeOf', name), on: { click: () => act.challenge(token.id) },
      }, words('challenge')));
    }
    const field = /** @type {HTMLInputElement} */ (element('input', {
      type: 'text', maxlength: 128, autocomplete: 'off', spellcheck: 'false', placeholder: words('challengeHint'), 'aria-label': words('challengeOf', name), 'data-focus': `token-${token.id}`,
    }));
    const submit = (/** @type {Event} */ event) => {
      event.preventDefault();
      act.passcode(token.id, field.value);
    };
    return element('form.challenge', { on: { submit } }, field, element('button.small', { type: 'submit', 'data-focus': `answer-${token.id}` }, words('challengeAnswer')));
  }
  const label = token.mode === 'event' ? words('nextOf', name) : words('showOf', name);
  return element(
    'span.do', {},
    element('button.small', {
      type: 'button', 'data-focus': `token-${token.id}`, 'aria-label': label, title: label, on: { click: () => act.passcode(token.id) },
    }, icon(token.mode === 'event' ? 'next' : 'eye'), token.mode === 'event' ? words('next') : words('show')),
    token.mode !== 'event' && element('button.small.square', {
      type: 'button', 'data-focus': `copy-${token.id}`, 'aria-label': words('copyOf', name), title: words('copyOf', name), on: { click: () => act.copy(token.id) },
    }, icon('copy')),
  );
}

function revealed(/** @type {any} */ token, /** @type {any} */ code, /** @type {string} */ name, /** @type {any} */ act) {
  const copied = code.copied === true;
  const more = another(token, name, act);
  const rest = code.until ? left(code.until, Date.now() + code.offset, code.whole) : undefined;
  return element(
    'span.code', {},
    element('output', { 'aria-label': [...code.passcode].join(' ') }, grouped(code.passcode)),
    rest && element('progress.ring', { max: 1, value: rest.share, 'data-until': code.until - code.offset, 'data-whole': code.whole, 'aria-label': words('secondsLeft') }),
    element(
      'span.do', {},
      element(more ? 'button.small.square' : 'button.small', {
        type: 'button', 'data-focus': `token-${token.id}`, 'aria-label': words('copyOf', name), title: words('copyOf', name), on: { click: () => act.copy(token.id) },
      }, icon(copied ? 'done' : 'copy'), !more && (copied ? words('copied') : words('copy'))),
      more,
    ),
  );
}

/** Beside a passcode that is used up by being shown: one more. */
function another(/** @type {any} */ token, /** @type {string} */ name, /** @type {any} */ act) {
  if (token.mode !== 'event' && token.mode !== 'challenge') return undefined;
  const again = token.mode === 'event' ? { label: words('nextOf', name), click: () => act.passcode(token.id) } : { label: words('challengeOf', name), click: () => act.challenge(token.id) };
  return element('button.small.square', { type: 'button', 'data-focus': `again-${token.id}`, 'aria-label': again.label, title: again.label, on: { click: again.click } }, icon('next'));
}
