/**
 * Programs of the system that tests are the other end of. Where one is missing, what needs it is left out and said to be;
 * in CI nothing is left out, and what is missing fails.
 */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Options of the tests that need these. `root` is no program: to be it. */
export function needs(...tools: readonly string[]): { readonly skip: boolean } {
  const missing = process.env['CI'] ? [] : tools.filter((tool) => !(tool === 'root' ? isRoot() : isInstalled(tool)));
  if (missing.length > 0) {
    console.warn(`Left out for want of ${missing.join(', ')}: \`npm run test:setup\` installs what Debian has.`);
  }
  return { skip: missing.length > 0 };
}

const isRoot = (): boolean => process.getuid?.() === 0;

function isInstalled(tool: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, tool), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
