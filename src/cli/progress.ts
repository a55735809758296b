/** A bar on stderr for work that takes a while, where a person looks. */
import type { Cli } from './context.ts';

export interface Progress {
  /** So much more is done. */
  readonly advance: (by: number) => void;
  readonly end: () => void;
}

const NONE: Progress = { advance: () => {}, end: () => {} };
/** Shorter work needs no bar. */
const PATIENCE = 700;

export async function progress(cli: Cli, total: number | undefined, unit = 'MiB'): Promise<Progress> {
  if (!process.stderr.isTTY || cli.json || cli.options.quiet || total === undefined || total === 0) return NONE;
  const { SingleBar, Presets } = await import('cli-progress');
  const scale = unit === 'MiB' ? 1 << 20 : 1;
  const format = `  {bar} {percentage}%  {value} of {total} ${unit}`;
  const bar = new SingleBar(
    { stream: process.stderr, format, clearOnComplete: true, hideCursor: true },
    Presets.shades_classic,
  );
  const shown = (amount: number) => Math.round(amount / scale);
  let done = 0;
  let visible = false;
  const begin = performance.now();
  return {
    advance: (by) => {
      done += by;
      if (visible) bar.update(shown(done));
      else if (performance.now() - begin > PATIENCE) {
        visible = true;
        bar.start(shown(total), shown(done));
      }
    },
    end: () => {
      if (visible) bar.stop();
    },
  };
}
