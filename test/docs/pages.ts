/** The pages of the documentation, as the tests read them: fenced blocks, headings and links. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A fenced block: ```<language> <mark>. Its code begins on `line`, counted from 1. */
export interface Block {
  readonly language: string;
  readonly mark: string;
  readonly line: number;
  readonly code: string;
}

export interface Page {
  /** From the root of the project. */
  readonly path: string;
  readonly text: string;
  readonly blocks: readonly Block[];
  /** The text outside of fenced blocks, line by line. */
  readonly prose: readonly { readonly line: number; readonly text: string }[];
}

export function readPage(path: string): Page {
  const text = readFileSync(join(ROOT, path), 'utf8');
  const blocks: Block[] = [];
  const prose: { line: number; text: string }[] = [];
  let open: { fence: string; language: string; mark: string; line: number; code: string[] } | undefined;
  text.split('\n').forEach((each, index) => {
    const line = index + 1;
    if (open === undefined) {
      const begin = /^(`{3,})(\w*) *(.*)$/.exec(each);
      if (begin === null) prose.push({ line, text: each });
      else open = { fence: begin[1]!, language: begin[2]!, mark: begin[3]!.trim(), line: line + 1, code: [] };
    } else if (each === open.fence) {
      blocks.push({ language: open.language, mark: open.mark, line: open.line, code: open.code.join('\n') });
      open = undefined;
    } else open.code.push(each);
  });
  if (open !== undefined) throw new Error(`${path}:${open.line}: a fenced block is not closed`);
  return { path, text, blocks, prose };
}

/** README.md and every page below docs/. */
export function allPages(): Page[] {
  const docs = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.md'))
    .sort();
  return ['README.md', ...docs.map((file) => `docs/${file}`)].map(readPage);
}

/** GitHub's anchors: lower case, no punctuation, a hyphen for each space; the nth of the same name gets -n. */
export function anchorsOf(page: Page): Set<string> {
  const anchors = new Set<string>();
  for (const { text } of page.prose) {
    const heading = /^#{1,6} +(.*?) *#*$/.exec(text)?.[1];
    if (heading !== undefined) {
      const plain = heading.replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1');
      const name = plain
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\p{M}_ -]/gu, '')
        .replaceAll(' ', '-');
      let anchor = name;
      for (let n = 1; anchors.has(anchor); n++) anchor = `${name}-${n}`;
      anchors.add(anchor);
    }
    for (const [, id] of text.matchAll(/<a (?:id|name)="([^"]+)"/g)) anchors.add(id!);
  }
  return anchors;
}
