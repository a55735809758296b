/** Data of any size through a cell: read, transform and write a piece at a time. */
import type { Bytes } from '../model/key.ts';
import { type Cli, type DataKind, type DataOptions, isStdout } from './context.ts';
import { UsageError } from './failure.ts';
import type { Ahead } from './files.ts';
import { progress } from './progress.ts';

export interface Transformation {
  readonly by: TransformStream<Uint8Array, Bytes>;
  readonly kind: DataKind;
  readonly document: object;
}

export async function transform(cli: Cli, source: Ahead, options: DataOptions, how: Transformation): Promise<void> {
  if (cli.json && isStdout(options)) {
    throw new UsageError('a stream is not put into JSON', 'give --out FILE, or --envelope');
  }
  if (options.encode !== undefined && options.encode !== 'raw') {
    throw new UsageError('a stream is written as raw bytes', 'pipe it through base64, or use --envelope');
  }
  const output = await cli.output(options, how.kind);
  const bar = await progress(cli, 'MiB');
  let written = 0;
  try {
    for await (const part of ReadableStream.from(watched(source, bar.at)).pipeThrough(how.by)) {
      await output.write(part);
      written += part.length;
      if (how.kind === 'plaintext') part.fill(0);
    }
    await output.commit();
  } catch (error) {
    await output.discard();
    throw error;
  } finally {
    bar.end();
  }
  if (cli.json) cli.answer({ ...how.document, out: output.file, bytes: written }, '');
}

/** Without a size beforehand, as of a pipe, there is nothing to show. */
async function* watched(source: Ahead, at: (done: number, total: number) => void): AsyncGenerator<Uint8Array> {
  let done = 0;
  for await (const chunk of source) {
    yield chunk;
    done += chunk.length;
    if (source.size !== undefined) at(done, source.size);
  }
}
