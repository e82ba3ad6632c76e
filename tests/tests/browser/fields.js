// Runs on a blank page of a browser, with `cases` and `passcodeField` in sight: what was found and filled in each case.
(async () => {
  const PASSCODE = '135790';
  const said = [];
  let sent = 0;
  document.addEventListener('submit', (event) => { sent += 1; event.preventDefault(); });
  for (const { name, html } of cases) {
    document.body.innerHTML = html;
    for (const host of document.querySelectorAll('[data-shadow]')) host.attachShadow({ mode: 'open' }).innerHTML = host.dataset.shadow;
    if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
    document.querySelector('[data-focus]')?.focus();
    const all = [document, ...[...document.querySelectorAll('[data-shadow]')].map((host) => host.shadowRoot)]
      .flatMap((root) => [...root.querySelectorAll('input')]);
    const before = new Map(all.map((field) => [field, field.value]));
    const heard = new Set();
    for (const type of ['input', 'change']) for (const field of all) field.addEventListener(type, () => heard.add(`${type} ${field.dataset.n}`));
    const found = await passcodeField({ do: 'find' });
    const changedByLooking = all.some((field) => field.value !== before.get(field));
    let placed = await passcodeField({ do: 'place', passcode: PASSCODE });
    if (placed.placed) placed = await passcodeField({ do: 'keep', passcode: PASSCODE });
    const filled = all.filter((field) => field.value !== before.get(field));
    const value = filled.map((field) => field.value.replace(field.dataset.after ?? '', '')).join('');
    said.push({
      name,
      found: found.kind ?? found.why,
      filled: filled.map((field) => field.dataset.n).join(' '),
      right: filled.length === 0 ? placed.placed !== true : placed.placed === true && value === PASSCODE
        && filled.every((field) => heard.has(`input ${field.dataset.n}`) && heard.has(`change ${field.dataset.n}`)),
      changedByLooking,
    });
  }
  return { said, sent };
})()
