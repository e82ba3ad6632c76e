/** The browser's own interface under one name: Firefox calls it `browser`, Chromium `chrome`; both answer with promises. */
export const api = globalThis.browser ?? globalThis.chrome;

/** What this browser calls itself, with its major version: "Chromium 156", "Firefox 153". */
export function browserName() {
  const brands = navigator.userAgentData?.brands ?? [];
  const brand = brands.find(({ brand: name }) => !/not.?a.?brand|^chromium$/iu.test(name)) ?? brands.find(({ brand: name }) => name === 'Chromium');
  if (brand) return `${brand.brand} ${brand.version}`;
  const firefox = /Firefox\/(\d+)/u.exec(navigator.userAgent);
  return firefox ? `Firefox ${firefox[1]}` : 'Browser';
}

/** Text of this extension in the browser's language. */
export function words(/** @type {string} */ name, /** @type {string[]} */ ...parts) {
  return api.i18n.getMessage(name, parts);
}
