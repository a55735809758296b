/** Helpers for tests that need processes and folders of their own. Children run against the built files in dist/. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

/** A new folder that is removed when the test is over. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'keycell-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Start `node script …` (a path below test/); `ended` resolves when it is over, `said`, with stdout so far, when that contains a text or has a match. */
export function startNode(script: string, ...args: string[]) {
  const path = fileURLToPath(new URL(`../${script}`, import.meta.url));
  const child: ChildProcess = spawn(process.execPath, [path, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stderr?.on('data', (chunk) => {
    stderr += chunk;
  });
  const listeners = new Set<() => void>();
  child.stdout?.on('data', (chunk) => {
    stdout += chunk;
    for (const listener of listeners) listener();
  });
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  const said = (what: string | RegExp) =>
    new Promise<string>((resolve, reject) => {
      const look = () => {
        if (typeof what === 'string' ? !stdout.includes(what) : !what.test(stdout)) return;
        listeners.delete(look);
        resolve(stdout);
      };
      listeners.add(look);
      ended.then((end) => reject(new Error(`the child ended without "${what}": ${JSON.stringify(end)}`)));
      look();
    });
  onTestFinished(() => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  });
  return { child, ended, said };
}

/** Run a script to its end and expect it to have ended well. */
export async function runNode(script: string, ...args: string[]): Promise<Ended> {
  const end = await startNode(script, ...args).ended;
  if (end.code !== 0) throw new Error(`${script} ended badly: ${JSON.stringify(end)}`);
  return end;
}
