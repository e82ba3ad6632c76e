// Runs on a page of the extension: the decisions of its popup, each with what it has to come to. Returns what is wrong.
(async () => {
  const model = await import('/popup/model.js');
  const { shown } = await import('/text.js');
  const { base64url, bytesOf, fingerprint, proof, publicKey } = await import('/key.js');
  const wrong = [];
  const same = (what, is, should) => {
    if (JSON.stringify(is) !== JSON.stringify(should)) wrong.push(`${what}: ${JSON.stringify(is)} instead of ${JSON.stringify(should)}`);
  };

  // Which page is shown.
  for (const [state, page] of [
    [undefined, 'connecting'], [{ vault: 'unlocked', pending: [] }, 'open'], [{ vault: 'locked' }, 'locked'], [{ vault: 'absent' }, 'absent'],
    [{ vault: 'unusable' }, 'unusable'], [{ vault: 'something new' }, 'unusable'], [{}, 'unusable'],
    [{ refusal: { reason: 'AGENT_NOT_RUNNING' } }, 'away'], [{ refusal: { reason: 'HOST_MISSING' } }, 'host'], [{ refusal: { reason: 'HOST_FORBIDDEN' } }, 'host'],
    [{ refusal: { reason: 'NOT_PAIRED' } }, 'pair'], [{ refusal: { reason: 'HOST_ENDED' } }, 'ended'], [{ refusal: { reason: 'OTHER' } }, 'failed'],
    [{ vault: 'unlocked', refusal: { reason: 'NOT_PAIRED' } }, 'pair'],
  ]) same(`page of ${JSON.stringify(state)}`, model.pageOf(state), page);

  // Passcodes in groups.
  for (const [passcode, groups] of [['123456', '123 456'], ['12345678', '1234 5678'], ['1234567', '123 4567'], ['1234', '1234'], ['1234567890', '12345 67890'], ['ABCDEF', 'ABC DEF']]) {
    same(`groups of ${passcode}`, model.grouped(passcode), groups);
  }

  // What is left.
  same('all is left', model.left(30_000, 0, 30_000), { seconds: 30, share: 1, over: false });
  same('half is left', model.left(30_000, 15_000, 30_000), { seconds: 15, share: 0.5, over: false });
  same('a second that has begun counts', model.left(30_000, 29_001, 30_000).seconds, 1);
  same('nothing is left', model.left(30_000, 30_000, 30_000), { seconds: 0, share: 0, over: true });
  same('no less than nothing', model.left(30_000, 90_000, 30_000), { seconds: 0, share: 0, over: true });
  same('a clock that was set back', model.left(30_000, -90_000, 30_000).share, 1);
  same('no length', model.left(10, 0, 0).share, 0);
  same('clock', [model.clock(7), model.clock(90), model.clock(0)], ['0:07', '1:30', '0:00']);

  // A login of this very browser: same address and same time, and never for another browser.
  const page = { loaded: 1_000_000, host: 'portal.example.org' };
  const request = { from_this_computer: true, created_ms: 1_010_000, program: 'Firefox on Linux', service: 'Example', resource: 'Example Portal' };
  const mine = (changes, browser = 'Firefox 153', where = page) => model.ofThisBrowser({ ...request, ...changes }, where, browser) ?? null;
  same('same address, same time', mine({}), 'time');
  same('and the same site', mine({ resource: 'https://portal.example.org/login' }), 'host');
  same('another address', mine({ from_this_computer: false }), null);
  same('no word about the address', mine({ from_this_computer: undefined }), null);
  same('long after the page', mine({ created_ms: 1_060_000 }), null);
  same('long before the page', mine({ created_ms: 900_000 }), null);
  same('another browser', mine({}, 'Chromium 156'), null);
  same('Chromium calls itself Chrome', mine({ program: 'Chrome on Linux' }, 'Chromium 156'), 'time');
  same('no program known', mine({ program: '' }), 'time');
  same('no page in sight', mine({}, 'Firefox 153', null), null);
  same('no host is no match', mine({ resource: '' }, 'Firefox 153', { loaded: 1_000_000, host: '' }), 'time');

  // Requests stand where they stood.
  const requests = [{ id: 'c' }, { id: 'b' }, { id: 'a' }];
  same('a new one comes last', model.inPlace(['a', 'b'], requests).map(({ id }) => id), ['a', 'b', 'c']);
  same('one that has gone leaves', model.inPlace(['x', 'b'], [{ id: 'b' }]).map(({ id }) => id), ['b']);
  same('too soon to be meant', model.counts(1000, 1000 + model.STEADY - 1), false);
  same('stood long enough', model.counts(1000, 1000 + model.STEADY), true);

  // Tokens.
  const tokens = [{ id: '1', name: 'b', issuer: 'Zoo' }, { id: '2', name: 'A' }, { id: '3', name: 'z', bound: true }];
  same('those of the page first', model.listed(tokens, '').map(({ id }) => id), ['3', '2', '1']);
  same('searched by issuer', model.listed(tokens, ' zOO ').map(({ id }) => id), ['1']);
  same('the list itself stays', tokens.map(({ id }) => id), ['1', '2', '3']);
  same('search from eight on', [model.isSearched(7), model.isSearched(8)], [false, true]);

  // Numbers.
  for (const [typed, number] of [['42', '42'], [' 4 2 ', '42'], ['', null], ['4a', null], ['-1', null], ['123456789', null], ['٤٢', null]]) same(`number ${typed}`, model.numberOf(typed) ?? null, number);
  same('offered name', [model.offeredName('Firefox 153'), model.offeredName('Chromium')], ['Firefox', 'Chromium']);

  // Text of others.
  for (const [text, safe] of [
    ['Example Portal', 'Example Portal'], [' a\n\tb ', 'a b'], ['a\u202Eb', 'a\uFFFDb'], ['a\u2066b\u2069', 'a\uFFFDb\uFFFD'], ['a\u200Bb', 'a\uFFFDb'], ['a\u0000b\u009Fc', 'a\uFFFDb\uFFFDc'],
    ['<b>x</b>', '<b>x</b>'], ['\uD800x', '\uFFFDx'], [undefined, ''], [7, '7'], ['Größe 日本 👍', 'Größe 日本 👍'], ['a\u{E0041}b', 'a\uFFFDb'],
  ]) same(`shown ${JSON.stringify(text)}`, shown(text), safe);
  same('shown and cut', shown('x'.repeat(100), 10), 'xxxxxxxxx…');
  same('cut between characters', shown('👍'.repeat(5), 3), '👍👍…');

  // The key: not extractable, the same at each look, and its signature holds.
  const spki = await publicKey();
  same('the key stays', base64url(await publicKey()), base64url(spki));
  same('P-256', spki.length, 91);
  same('a mark', /^[A-Z2-7]{4}-[A-Z2-7]{4}$/u.test(await fingerprint()), true);
  const nonce = bytesOf('AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8');
  const signature = await proof(nonce, spki);
  same('r and s', signature.length, 64);
  const label = new TextEncoder().encode('countersign/browser/1 hello');
  const signed = new Uint8Array([...label, 0, 0, 0, 0, 123, ...nonce, ...spki]);
  const imported = await crypto.subtle.importKey('spki', spki, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['verify']);
  same('the signature holds', await crypto.subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, imported, signature, signed), true);
  const kept = await new Promise((resolve, reject) => {
    const opening = indexedDB.open('countersign', 1);
    opening.onerror = reject;
    opening.onsuccess = () => {
      const asked = opening.result.transaction('keys').objectStore('keys').get('installation');
      asked.onsuccess = () => { opening.result.close(); resolve(asked.result.privateKey); };
    };
  });
  same('not extractable', kept.extractable, false);
  same('base64url', [base64url(new Uint8Array([251, 255])), [...bytesOf('-_8')]], ['-_8', [251, 255]]);
  return wrong;
})()
