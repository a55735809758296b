/**
 * Text that people tell keys and users by. What cannot be seen makes two of them look the same, or one look like another; a
 * control moves a terminal's cursor, and a bidirectional one turns its line round.
 */

/** Surrogates without their other half, controls, line and paragraph separators, what is no character, … */
const UNSEEN =
  // … and what is drawn as nothing: bidirectional controls, tags, fillers, annotations, all that Unicode lets be ignored, but for
  // the joiners that Persian, Indic scripts and emoji are written with, and the selectors of variants. What is not assigned yet
  // may be: a newer Unicode than this engine's has letters and emoji there.
  /(?!\u200c|\u200d|\p{Variation_Selector})[\p{Cs}\p{Cc}\p{Zl}\p{Zp}\p{Noncharacter_Code_Point}\p{Default_Ignorable_Code_Point}\ufff9-\ufffb]/gu;
const HALF = /\p{Cs}/u;

/** What `String.prototype.isWellFormed` says, which TypeScript's ES2023 does not know: every surrogate has its other half. */
export const isWellFormed = (text: string): boolean => !HALF.test(text);

const codePoint = (text: string): string => text.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0');

/** What is wrong with a text as a label or name, in words; undefined where nothing is. */
export function textFault(text: string): string | undefined {
  const at = text.search(UNSEEN);
  if (at < 0) return undefined;
  const found = codePoint(text.slice(at));
  return HALF.test(String.fromCodePoint(text.codePointAt(at)!))
    ? `half a character at ${at} (U+${found}), as where a text is cut inside an emoji: cut between characters`
    : `a control or invisible character at ${at} (U+${found}): leave it out`;
}

/** The text as a terminal may have it, wherever it comes from: what is not seen is written out. */
export const shown = (text: string): string => text.replace(UNSEEN, (each) => `\\u{${codePoint(each).toLowerCase()}}`);
