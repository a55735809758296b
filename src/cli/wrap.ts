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

const COMMAND = '  $ ';
/** An option stands with its value. */
const SHELL_WORDS = /(?:--[a-z-]+ (?![-|&<>]))?(?:"[^"]*"|'[^']*'|\S)+/g;

/** The same for help: a command goes on behind a backslash, so that it can be copied; a row under its last cell. */
export function wrapHelp(text: string, columns: number | undefined): string {
  if (columns === undefined || columns <= 0) return text;
  return text
    .split('\n')
    .map((line) => {
      if (line.length <= columns) return line;
      if (line.startsWith(COMMAND))
        return fill(line.slice(COMMAND.length).match(SHELL_WORDS)!, columns, COMMAND, '      ', ' \\');
      const [front] = /^(?:.* {2}| *)/.exec(line)!;
      return fill(line.slice(front.length).match(WORDS)!, columns, front, ' '.repeat(front.length), '');
    })
    .join('\n');
}

/** Cells stand apart by two spaces or more. */
const isRow = (line: string): boolean => / {2}/.test(line.trim());

function wrapLine(line: string, columns: number): string {
  const [indent] = INDENT.exec(line)!;
  return fill(line.match(WORDS) ?? [], columns, indent, indent, '');
}

/** As many words a line as fit, at least one; `broken` ends each line but the last. */
function fill(words: readonly string[], columns: number, first: string, indent: string, broken: string): string {
  const lines: string[] = [];
  let current = first;
  let empty = true;
  for (const word of words) {
    const longer = empty ? current + word : `${current} ${word}`;
    if (!empty && longer.length + broken.length > columns) {
      lines.push(current + broken);
      current = indent + word;
    } else current = longer;
    empty = false;
  }
  return [...lines, current].join('\n');
}
