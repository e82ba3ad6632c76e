/**
 * Text of others (a service's, a page's, a token's) on its way to the popup, as the agent's own screens treat it: one line, no
 * character that hides, breaks the line or turns the reading direction. What was removed leaves a mark.
 */

const BREAKS = /[\t-\r\u0085\u2028\u2029]+/gu;
const HIDDEN = /[\p{Cc}\p{Default_Ignorable_Code_Point}\p{Bidi_Control}\p{Co}\u{FFF9}-\u{FFFB}]|\p{Cs}/gu;

/**
 * @param {unknown} text
 * @param {number} most characters that are shown, the ellipsis included
 */
export function shown(text, most = 80) {
  const plain = String(text ?? '').trim().replace(BREAKS, ' ').replace(HIDDEN, '\u{FFFD}');
  const characters = [...plain];
  return characters.length > most ? `${characters.slice(0, most - 1).join('')}…` : plain;
}
