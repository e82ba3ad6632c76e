/**
 * Finds the field that a page wants a passcode in, and puts one there.
 *
 * This function is handed to `scripting.executeScript`, which sends its text into the page's isolated world: it uses nothing
 * outside itself. It reads and writes fields and never submits a form, leaves nothing in the page and runs only when
 * the user asked for it.
 *
 * `find` looks, `place` types (at once, so that its answer is out before the page goes on), `keep` looks a little later whether that
 * was kept.
 *
 * @param {{do: 'find'} | {do: 'place'|'keep', passcode: string}} order
 * @returns {Promise<{origin: string, loaded: number, kind?: 'named'|'boxes'|'likely'|'alone'|'focused', why?: string, placed?: boolean}>}
 *   `origin` is what the document itself says (`null` in a sandbox), `loaded` when it began (Unix milliseconds);
 *   `why` without a `kind`: `none`, `several`, `frame`; after `place` and `keep` without success: `does_not_fit`, `not_kept`.
 */
export async function passcodeField(order) {
  // How sure one can be, by what stands at a field. Words are compared without case, marks and separators.
  const STRONG = [
    // English
    'totp', 'hotp', 'otp code', 'one-time code', 'one-time pass', 'one-time pin', '2fa code', '2fa token', 'two-factor', 'two-step', 'mfa code', 'mfa token',
    'multi-factor', 'second factor', 'verification code', 'verify code', 'security code', 'authentication code', 'authenticator code', 'authenticator app',
    'auth code', 'passcode', 'token code', 'login code',
    // German
    'Einmalcode', 'Einmalpass', 'Einmalkennwort', 'Bestätigungscode', 'Bestaetigungscode', 'Sicherheitscode', 'Zwei-Faktor', 'zweiter Faktor',
    'Verifizierungscode', 'Authentifizierungscode', 'Prüfcode', 'Pruefcode',
    // French, Italian, Spanish, Portuguese, Romanian, Catalan
    'code de vérification', 'code vérification', 'code de sécurité', 'code de validation', 'code à usage unique', 'mot de passe à usage unique',
    'code d’authentification', 'codice di verifica', 'codice di sicurezza', 'codice monouso', 'codice di autenticazione', 'codice d’accesso',
    'código de verificac', 'código de segurid', 'código de segurança', 'código de autentic', 'código de un solo uso', 'código de uso único',
    'cod de verificare', 'codi de verificació',
    // Dutch, Danish, Norwegian, Swedish, Finnish
    'verificatiecode', 'eenmalige code', 'beveiligingscode', 'bekræftelseskode', 'bekreftelseskode', 'verifikationskode', 'engangskode', 'engangskod',
    'engangsadgangskode', 'verifieringskod', 'säkerhetskod', 'sikkerhedskode', 'sikkerhetskode', 'vahvistuskoodi', 'kertakäyttökoodi',
    // Polish, Czech, Slovak, Hungarian, Croatian, Turkish
    'kod weryfikacyjny', 'kod jednorazowy', 'kod bezpieczeństwa', 'ověřovací kód', 'overovací kód', 'jednorázový kód', 'bezpečnostní kód',
    'ellenőrző kód', 'egyszeri kód', 'kontrolni kod', 'jednokratni kod', 'doğrulama kodu', 'güvenlik kodu', 'tek kullanımlık', 'tek şifrelik',
    // Greek, Russian, Ukrainian, Bulgarian
    'κωδικός επαλήθευσης', 'κωδικός μίας χρήσης', 'код подтверждения', 'проверочный код', 'одноразовый код', 'одноразовый пароль', 'код доступа',
    'код підтвердження', 'одноразовий код', 'код за потвърждение', 'код за проверка',
    // Hebrew, Arabic, Hindi
    'קוד אימות', 'קוד חד פעמי', 'رمز التحقق', 'كود التحقق', 'رمز التأكيد', 'सत्यापन कोड',
    // Chinese, Japanese, Korean
    '验证码', '驗證碼', '动态密码', '動態密碼', '动态口令', '一次性密码', '確認コード', '認証コード', 'ワンタイムパスワード', 'ワンタイムコード',
    '인증번호', '인증 코드', '일회용 비밀번호',
  ];
  const AMBIGUOUS = [
    'code', 'pin', 'otp', 'otc', '2fa', 'mfa', 'tfa', 'token', 'auth', 'challenge', 'kod', 'kode', 'kodi', 'koodi', 'código', 'codice', 'codi', 'cod',
    'код', 'κωδικός', '码', '碼', 'コード', '코드', 'קוד', 'رمز', 'كود', 'कोड',
  ];
  // A code of another kind, whatever else is said.
  const NEVER = [
    'backup', 'recovery', 'rescue code', 'emergency', 'Wiederherstellung', 'Notfall', 'code de secours', 'récupération', 'recuperación', 'recuperação',
    'recupero', 'herstelcode', 'odzyskiwan', 'obnoven', 'восстановлен', '恢复', '復元', '復旧', '백업', 'scratch code', 'captcha', '图形', '图片', '圖形',
    'coupon', 'voucher', 'promo', 'gift card', 'gift code', 'Gutschein', 'Aktionscode', 'kortingscode', 'card number', 'card code', 'Kartennummer',
    'Kartenprüfnummer', 'credit card', 'Kreditkarte', 'cvv', 'cvc', 'cvn', 'csc', 'postal', 'postcode', 'zip code', 'Postleitzahl', 'source code', 'barcode',
  ];
  // Of another kind, unless a strong word stands there too ("the verification code that your phone shows").
  const ELSE = [
    'bank', 'swift', 'iban', 'discount', 'Rabatt', 'plz', 'cap', 'zip', 'area code', 'country code', 'dial code', 'Vorwahl', 'phone', 'Telefon', 'mobile',
    'username', 'user id', 'login name', 'Benutzername', 'identifiant', 'e-mail', 'search', 'Suche', 'query', 'recherche', 'invite', 'invitation',
    'referral', 'Einladung', 'product code', 'tracking code', 'sort code', 'tax code', 'currency', 'language', 'airline', 'airport', 'booking',
    'reservation', 'birth', 'passport', 'Kundennummer', 'customer number', 'qr code', 'colour code', 'color code', 'first name', 'last name', 'address',
  ];
  // Where somebody says who they are: never filled only because it has the keyboard.
  const NAMES = ['login', 'user', 'name', 'account', 'konto', 'benutzer', 'compte', 'usuario', 'utente', 'gebruiker'];
  // Too short to be looked for inside other words.
  const SHORT = 4;
  const TYPED = new Set(['text', 'tel', 'number', 'password']);
  const MOST_FIELDS = 2000;
  const SHORTEST = 4;

  /** Words of a text: lower case, no marks, split at separators and humps. */
  const wordsOf = (/** @type {string} */ text) => text
    .slice(0, 200)
    .replace(/(\p{Ll}|\d)(\p{Lu})/gu, '$1 $2')
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/ı/gu, 'i').replace(/ł/gu, 'l').replace(/ø/gu, 'o').replace(/ß/gu, 'ss').replace(/æ/gu, 'ae')
    .split(/[^\p{L}\p{N}]+/u)
    .filter(Boolean);

  const run = (/** @type {string} */ text) => wordsOf(text).join('');
  const [strong, ambiguous, never, otherwise] = [STRONG, AMBIGUOUS, NEVER, ELSE].map((list) => list.map(run));
  const says = (/** @type {string[]} */ list, /** @type {string[]} */ words) => {
    const all = words.join('');
    return list.some((word) => (word.length < SHORT && word.charCodeAt(0) < 0x2E80 ? words.includes(word) : all.includes(word)));
  };

  /** All fields in the order of the page, also those in open shadow trees. */
  const fieldsOf = () => {
    /** @type {HTMLInputElement[]} */
    const fields = [];
    const walk = (/** @type {ParentNode} */ root) => {
      for (const element of root.querySelectorAll('*')) {
        if (fields.length >= MOST_FIELDS) return;
        if (element instanceof HTMLInputElement) fields.push(element);
        if (element.shadowRoot) walk(element.shadowRoot);
      }
    };
    walk(document);
    return fields;
  };

  /** The element that has the keyboard, also inside open shadow trees. */
  const focused = () => {
    let element = document.activeElement;
    while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
    return element;
  };

  const isRendered = (/** @type {Element} */ element) => {
    const box = element.getBoundingClientRect();
    return box.width > 4 && box.height > 4 && getComputedStyle(element).visibility === 'visible';
  };

  /** Seen by a person: not transparent, not shifted off the page. */
  const isSeen = (/** @type {Element} */ element) => {
    const box = element.getBoundingClientRect();
    if (box.right + scrollX <= 0 || box.bottom + scrollY <= 0) return false;
    let opacity = 1;
    for (let at = /** @type {Element|null} */ (element); at; at = at.parentElement) opacity *= Number(getComputedStyle(at).opacity);
    return opacity > 0.1;
  };

  const autocomplete = (/** @type {HTMLInputElement} */ field) => (field.getAttribute('autocomplete') ?? '').toLowerCase().split(/\s+/u).filter(Boolean);
  const isNamed = (/** @type {HTMLInputElement} */ field) => autocomplete(field).includes('one-time-code');
  /** Says by `autocomplete` that it is for something else. */
  const isElse = (/** @type {HTMLInputElement} */ field) =>
    !isNamed(field) && autocomplete(field).some((token) => !['on', 'off', 'false', 'nope', 'section', 'webauthn', 'new-password'].includes(token) && !token.startsWith('section-'));

  const takes = (/** @type {HTMLInputElement} */ field) => TYPED.has(field.type) && !field.disabled && !field.readOnly && isRendered(field);

  /** What stands at a field for people and programs to read. */
  const textsOf = (/** @type {HTMLInputElement} */ field) => {
    const root = /** @type {Document|ShadowRoot} */ (field.getRootNode());
    const described = (field.getAttribute('aria-labelledby') ?? '').split(/\s+/u).filter(Boolean)
      .map((id) => root.getElementById?.(id)?.textContent ?? '');
    return [
      field.id, field.name, field.placeholder, field.title, field.getAttribute('aria-label') ?? '', field.dataset.testid ?? '',
      ...described, ...[...(field.labels ?? [])].map((label) => label.textContent ?? ''),
    ].filter(Boolean);
  };

  /** @returns {'strong'|'ambiguous'|'other'|'nothing'} */
  const meaningOf = (/** @type {HTMLInputElement} */ field) => {
    const texts = textsOf(field).map(wordsOf);
    if (texts.some((words) => says(never, words))) return 'other';
    if (texts.some((words) => says(strong, words))) return 'strong';
    if (texts.some((words) => says(otherwise, words))) return 'other';
    const whole = (/** @type {string[]} */ words) => ambiguous.some((word) => words.includes(word) || (word.charCodeAt(0) > 0x2E7F && words.join('').includes(word)));
    return texts.some(whole) ? 'ambiguous' : 'nothing';
  };

  const holds = (/** @type {HTMLInputElement} */ field) => field.maxLength < 0 || field.maxLength >= SHORTEST;

  /** Boxes for one character each, side by side: runs of like fields of which all but one take a single character. */
  const boxesOf = (/** @type {HTMLInputElement[]} */ fields) => {
    const single = (/** @type {HTMLInputElement} */ field) => field.maxLength === 1 || /^(?:\[0-9\]|\\d)(?:\{1\})?$/u.test(field.pattern);
    const like = (/** @type {HTMLInputElement} */ one, /** @type {HTMLInputElement} */ other) => {
      const [a, b] = [one.getBoundingClientRect(), other.getBoundingClientRect()];
      return one.form === other.form && Math.abs(a.height - b.height) < 3 && Math.abs(a.width - b.width) < 3 && Math.abs(a.top - b.top) < a.height
        && a.width < 120;
    };
    /** @type {HTMLInputElement[][]} */
    const runs = [];
    for (const field of fields.filter((each) => TYPED.has(each.type) && isRendered(each) && !each.readOnly)) {
      const row = runs.at(-1);
      const last = row?.at(-1);
      if (row && last && like(last, field)) row.push(field);
      else runs.push([field]);
    }
    return runs.filter((row) => {
      if (row.length < SHORTEST || row.length > 10 || row.filter(single).length < row.length - 1) return false;
      const meanings = row.map(meaningOf);
      if (meanings.includes('other')) return false;
      // Four boxes may be a PIN, and any other number anything.
      return row.length === 6 || row.length === 8 || meanings.some((meaning) => meaning !== 'nothing') || row.some(isNamed);
    });
  };

  /** @returns {{kind: 'named'|'boxes'|'likely'|'alone'|'focused', fields: HTMLInputElement[]} | {why: 'none'|'several'|'frame'}} */
  const find = () => {
    const all = fieldsOf();
    const active = focused();
    const own = active instanceof HTMLInputElement ? active : undefined;
    const prefer = (/** @type {HTMLInputElement[]} */ fields) => (own && fields.includes(own) ? own : fields.find((field) => !field.value) ?? fields[0]);

    const boxes = boxesOf(all);
    const row = boxes.find((each) => own && each.includes(own)) ?? boxes[0];
    const named = all.filter((field) => takes(field) && isNamed(field) && holds(field) && !boxes.some((each) => each.includes(field)));
    if (named.length > 0) return { kind: 'named', fields: [prefer(named)] };
    if (row) return { kind: 'boxes', fields: row };

    const open = all.filter((field) => takes(field) && holds(field) && !isElse(field) && isSeen(field));
    const likely = open.filter((field) => meaningOf(field) === 'strong');
    if (own && open.includes(own) && meaningOf(own) === 'ambiguous') return { kind: 'focused', fields: [own] };
    if (likely.length > 0) return { kind: 'likely', fields: [prefer(likely)] };
    const unsure = open.filter((field) => meaningOf(field) === 'ambiguous');
    if (unsure.length === 1) return { kind: 'alone', fields: unsure };

    // Where the user has clicked. A password field may take a PIN and the passcode after it; a name field has the keyboard by itself.
    const wanted = own && takes(own) && holds(own) && meaningOf(own) !== 'other' && !textsOf(own).some((text) => says(NAMES, wordsOf(text)))
      && (!isElse(own) || own.type === 'password');
    if (own && wanted) return { kind: 'focused', fields: [own] };
    if (active instanceof HTMLIFrameElement || active instanceof HTMLFrameElement) return { why: 'frame' };
    return { why: unsure.length > 1 ? 'several' : 'none' };
  };

  const setter = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value')?.set;
  /** As if typed: the browser's own setter (a framework may have put another one on the element), then what a page listens to. */
  const type = (/** @type {HTMLInputElement} */ field, /** @type {string} */ value, /** @type {string} */ typed) => {
    field.focus({ preventScroll: true });
    setter?.call(field, value);
    field.dispatchEvent(new InputEvent('input', { bubbles: true, composed: true, data: typed, inputType: 'insertText' }));
    field.dispatchEvent(new Event('change', { bubbles: true }));
  };
  const paste = (/** @type {HTMLInputElement} */ field, /** @type {string} */ text) => {
    field.focus({ preventScroll: true });
    const kind = { bubbles: true, cancelable: true, composed: true };
    const clipboardData = new DataTransfer();
    clipboardData.setData('text/plain', text);
    let event = new ClipboardEvent('paste', { ...kind, clipboardData });
    // Firefox passes over `clipboardData` and takes the text by its own two names.
    if (event.clipboardData?.getData('text/plain') !== text) event = new ClipboardEvent('paste', /** @type {any} */ ({ ...kind, dataType: 'text/plain', data: text }));
    field.dispatchEvent(event);
  };
  /** Lets the page's own listeners and a framework's next drawing run. */
  const settled = () => new Promise((resolve) => { setTimeout(resolve, 30); });

  const typeAll = (/** @type {{kind: string, fields: HTMLInputElement[]}} */ found, /** @type {string} */ passcode) => {
    const { kind, fields } = found;
    const [first] = fields;
    const before = kind === 'focused' && first.type === 'password' ? first.value : '';
    if (kind === 'boxes' ? fields.length !== passcode.length : first.maxLength >= 0 && first.maxLength < before.length + passcode.length) return 'does_not_fit';
    // For the look afterwards; a page does not see this world.
    Object.assign(globalThis, { countersignPlaced: { fields, before } });
    if (kind === 'boxes') fields.forEach((field, at) => { type(field, passcode.charAt(at), passcode.charAt(at)); });
    else type(first, before + passcode, passcode);
    return undefined;
  };

  /** Whether the page has kept what was typed. Some take it only as if it were pasted: so once more, that way. */
  const keep = async (/** @type {string} */ passcode) => {
    const { fields, before } = /** @type {{fields: HTMLInputElement[], before: string}} */ (Reflect.get(globalThis, 'countersignPlaced'));
    const plain = (/** @type {string} */ text) => text.replace(/[\s-]/gu, '');
    // A page that went on by itself (the last digit sends it) has taken it.
    const held = () => plain(fields.map((field) => field.value).join('')) === plain(before + passcode) || !fields[0].isConnected;
    if (held()) return undefined;
    fields.forEach((field) => { type(field, fields.length > 1 ? '' : before, ''); });
    paste(fields[0], passcode);
    await settled();
    return held() ? undefined : 'not_kept';
  };

  const about = { origin: self.origin, loaded: Math.round(performance.timeOrigin) };
  if (order.do === 'keep') {
    const why = await keep(order.passcode);
    return { ...about, placed: why === undefined, why };
  }
  const found = find();
  if ('why' in found) return { ...about, why: found.why };
  if (order.do === 'find') return { ...about, kind: found.kind };
  const why = typeAll(found, order.passcode);
  return { ...about, kind: found.kind, placed: why === undefined, why };
}
