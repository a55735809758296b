/** Progress on stderr: a bar where a person looks, a line a part elsewhere. */
import { Presets, SingleBar } from 'cli-progress';

const format = '{bar} {value} of {total}  {duration} s  {name}';

/** @param {string} part @param {number} total */
export function progress(part, total) {
  const bar = process.stderr.isTTY
    ? new SingleBar(
        { stream: process.stderr, format: `${part} ${format}`, barsize: 24, clearOnComplete: true, hideCursor: true },
        Presets.shades_classic,
      )
    : undefined;
  if (bar === undefined) process.stderr.write(`${part}: ${total} measurements …\n`);
  bar?.start(total, 0, { name: '' });
  return {
    begin: (/** @type {string} */ name) => bar?.update({ name }),
    done: () => bar?.increment(),
    end: () => bar?.stop(),
  };
}
