import { words } from '../platform.js';
import { element, icon } from './element.js';
import { clock, left, numberOf, ofThisBrowser } from './model.js';

/** Login requests that wait for an answer. */
export function requests(/** @type {any} */ model, /** @type {any} */ act) {
  if (model.pending.length === 0) return undefined;
  return element(
    'section.requests', { 'aria-label': words('requestsLabel') },
    ...model.pending.map((/** @type {any} */ request) => card(request, model, act)),
  );
}

function card(/** @type {any} */ request, /** @type {any} */ model, /** @type {any} */ act) {
  const id = `request-${request.id}`;
  const locked = !request.service && !request.resource;
  const where = request.resource || request.service;
  const facts = [request.user, request.program, request.place, request.client_address].filter(Boolean);
  const mine = ofThisBrowser(request, model.page, model.browser);
  const waits = model.answering.has(request.id);
  const asked = locked ? undefined : number(request, model, act);
  const approve = (/** @type {Event} */ event) => {
    event.preventDefault();
    act.answer(request.id, 'approve', asked?.value());
  };
  const deny = (/** @type {string} */ verdict) => () => act.answer(request.id, verdict);
  return element(
    'form.card', { 'aria-labelledby': id, 'data-request': request.id, on: { submit: approve } },
    element(
      'div.top', {}, element('h2', { id }, locked ? words('requestHeld') : words('requestTitle')),
      element('span.left', { 'data-until': request.ends_ms, 'data-clock': '', title: words('requestLeft') }, remaining(request)),
    ),
    locked ? element('p.hint', {}, words('requestHeldText')) : element('p.where', {}, { theirs: where }),
    !locked && request.resource && request.service && request.resource !== request.service && element('p.by', {}, words('requestBy'), ' ', { theirs: request.service }),
    facts.length > 0 && element('ul.facts', {}, ...facts.map((fact) => element('li', {}, { theirs: fact, most: 60 }))),
    request.question && element('p.question', {}, { theirs: request.question, most: 200 }),
    mine ? element('p.mine', {}, icon('here'), words(mine === 'host' ? 'requestThisPage' : 'requestThisBrowser'))
      : !locked && element(`p.hint.${request.origin === 'other_address' ? 'far' : 'near'}`, {}, words(`origin_${request.origin}`)),
    asked?.element,
    element(
      'div.answers', {},
      element('button.quiet', { type: 'button', disabled: waits, 'data-focus': `${id}-deny`, on: { click: deny('deny') } }, words('deny')),
      !locked && (asked?.picks ? undefined : element('button', { type: 'submit', disabled: waits, 'data-focus': `${id}-approve` }, waits ? words('answering') : words('approve'))),
    ),
    element('button.link.report', { type: 'button', disabled: waits, 'data-focus': `${id}-report`, on: { click: deny('report') } }, words('report')),
  );
}

function remaining(/** @type {any} */ request) {
  return clock(left(request.ends_ms, Date.now(), 0).seconds);
}

/** What the page of the login shows has to be given here too. */
function number(/** @type {any} */ request, /** @type {any} */ model, /** @type {any} */ act) {
  const id = `number-${request.id}`;
  if (request.approval === 'choice' || request.choices?.length > 0) {
    return {
      picks: true,
      value: () => undefined,
      element: element(
        'fieldset.picks', {}, element('legend', {}, words('requestPick')),
        ...(request.choices ?? []).map((/** @type {string} */ choice, /** @type {number} */ at) => element(
          'button.quiet.pick', { type: 'button', 'data-focus': `${id}-${at}`, on: { click: () => act.answer(request.id, 'approve', choice) } }, { theirs: choice, most: 20 },
        )),
      ),
    };
  }
  if (request.approval !== 'number') return undefined;
  const field = /** @type {HTMLInputElement} */ (element('input', { id, type: 'text', inputmode: 'numeric', maxlength: 8, size: 4, autocomplete: 'off', 'data-focus': id, 'aria-required': 'true', 'aria-invalid': model.missing === request.id && 'true' }));
  return {
    picks: false,
    value: () => numberOf(field.value) ?? '',
    element: element('div.number', {}, element('label', { for: id }, words('requestNumber')), field),
  };
}

/** A code to type on the login page after the approval, shown until it is dismissed. */
export function afterwards(/** @type {any} */ model, /** @type {any} */ act) {
  if (!model.display) return undefined;
  return element(
    'section.card.display', {}, element('p', {}, words('displayCode')), element('output', {}, { theirs: model.display, most: 20 }),
    element('button.quiet', { type: 'button', 'data-focus': 'display', on: { click: act.seen } }, words('done')),
  );
}
