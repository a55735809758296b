/** Lines for a terminal of any width: a terminal breaks them inside words, and a command that is broken can't be copied. */

/** A word, or words that stay together: `a command`. */
const WORDS = /(?:`[^`]*`|\S)+/g;
const INDENT = /^ */;

/** Each line broken between words at so many columns, under its own indent. Rows of a table are left alone. */
export function wrap(text: string, columns: number | undefined): string {
  if (columns === undefined || columns <= 0) return text;
  return text
    .split('\n')
    .map((line) => (line.length <= columns || isRow(line) ? line : wrapLine(line, columns)))
    .join('\n');
}

/** Cells stand apart by two spaces or more. */
const isRow = (line: string): boolean => / {2}/.test(line.trim());

function wrapLine(line: string, columns: number): string {
  const [indent] = INDENT.exec(line)!;
  const lines: string[] = [];
  let current = '';
  for (const word of line.match(WORDS) ?? []) {
    const longer = current === '' ? indent + word : `${current} ${word}`;
    if (current !== '' && longer.length > columns) {
      lines.push(current);
      current = indent + word;
    } else current = longer;
  }
  return [...lines, current].join('\n');
}
