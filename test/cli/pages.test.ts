/** The pages on the command line are run: every block of shell, in order, with the real tools. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { needs } from '../support/tools.ts';
import { fileFolder, Shell } from './support.ts';

const PAGES = [
  { page: 'cli', tools: ['openssl', 'tar'] },
  { page: 'goals/backup', tools: ['openssl', 'tar'] },
  { page: 'goals/other-languages', tools: ['openssl', 'python3'] },
  { page: 'filesystem-luks', tools: ['openssl', 'cryptsetup'] },
  { page: 'filesystem-gocryptfs', tools: ['openssl', 'gocryptfs'] },
];

for (const { page, tools } of PAGES) {
  const shell = new Shell(fileFolder());
  // Side by side: a page is mostly waiting for processes.
  test.concurrent(`docs/${page}.md works as it stands`, { ...needs(...tools), timeout: 300_000 }, async () => {
    const text = readFileSync(new URL(`../../docs/${page}.md`, import.meta.url), 'utf8');
    const script = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].map((block) => block[1]).join('\n');
    const shown = [...script.matchAll(/^# → (.*)$/gm)].map((line) => line[1]!);
    expect(shown.length).toBeGreaterThan(1);

    // The page sets up its own secrets: nothing of the tests' own is there to help.
    const none = { CREDENTIALS_DIRECTORY: undefined, KEYCELL_PATH: undefined, KEYCELL_USER: undefined };
    const ran = await shell.bash(`mkdir page\ncd page\n${script}`, { env: none });
    expect(ran.code, ran.stderr).toBe(0);
    const printed = ran.stdout.split('\n');
    let from = 0;
    for (const line of shown) {
      const at = printed.indexOf(line, from);
      expect(at, `"${line}" in ${JSON.stringify(printed.slice(from))}`).toBeGreaterThanOrEqual(0);
      from = at + 1;
    }
  });
}
