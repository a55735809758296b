/** keycell random */
import { type Command, InvalidArgumentError } from 'commander';
import { type Cli, type DataOptions, run } from '../context.ts';
import { command } from '../group.ts';
import { encodeOption, outOption, whole } from '../options.ts';

const MAX = 65536;

export function random(parent: Command): void {
  command(parent, 'random', `Random bytes from a cell's generator, 1 to ${MAX}.`, [
    'keycell random 32 --encode hex',
    'keycell random 4096 --out noise.bin',
  ])
    .argument('<bytes>', 'how many', count)
    .addOption(outOption())
    .addOption(encodeOption())
    .action(run(task));
}

function count(text: string): number {
  const bytes = whole(text);
  if (bytes < 1 || bytes > MAX) throw new InvalidArgumentError(`It is 1 to ${MAX}.`);
  return bytes;
}

async function task(cli: Cli, bytes: number, options: DataOptions): Promise<void> {
  await cli.withSession(async (session) => {
    const drawn = await session.random(bytes);
    await cli.data(drawn, options, { kind: 'binary', document: {}, member: 'random' });
  });
}
