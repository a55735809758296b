/** A bar on stderr for work that takes a while, where a person looks. */
import type { Cli } from './context.ts';

export interface Progress {
  readonly at: (done: number, total: number) => void;
  /** May be called twice. */
  readonly end: () => void;
}

const NONE: Progress = { at: () => {}, end: () => {} };
const MIB = 1 << 20;
/** Shorter work needs no bar. */
const PATIENCE = 700;

/** Counted in bytes for MiB, else one by one. */
export async function progress(cli: Cli, unit: string): Promise<Progress> {
  if (!process.stderr.isTTY || cli.json || cli.options.quiet) return NONE;
  const { default: cliProgress } = await import('cli-progress');
  const format = `  {bar} {percentage}%  {value} of {total} ${unit}`;
  const style = { stream: process.stderr, format, clearOnComplete: true, hideCursor: true };
  const bar = new cliProgress.SingleBar(style, cliProgress.Presets.shades_classic);
  const shown = (amount: number) => (unit === 'MiB' ? Math.round(amount / MIB) : amount);
  const begin = performance.now();
  let visible = false;
  return {
    at: (done, total) => {
      if (visible) bar.update(shown(done));
      else if (performance.now() - begin > PATIENCE) {
        visible = true;
        bar.start(shown(total), shown(done));
      }
    },
    end: () => {
      if (visible) bar.stop();
      visible = false;
    },
  };
}
