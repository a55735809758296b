/** keycell unwrap */
import type { Command } from 'commander';
import type { WrapOptions } from '../../model/hsm.ts';
import { type Cli, findAes, findKey, run } from '../context.ts';
import { keyDocument, nameOf } from '../describe.ts';
import { readInput } from '../files.ts';
import { command } from '../group.ts';
import {
  type AadOptions,
  aadOptions,
  issuerName,
  keyOption,
  partialTemplateOf,
  type TemplateOptions,
  templateOptions,
} from '../options.ts';
import { wrapMechanism, wrapOptionsOf } from './wrap.ts';

export function unwrap(parent: Command): void {
  templateOptions(
    aadOptions(
      command(
        parent,
        'unwrap [file]',
        'Unwrap a wrapped key into the HSM, where it stays: a key of the store with the attributes given here.\n' +
          "It can be no more than the wrapping key's unwrap template allows, which fills in what you leave out.\n" +
          'Prints its id.',
        [
          'keycell unwrap --key kek --label title-7 content-key.kw',
          'keycell unwrap --key kek --bits 128 --usage encrypt --label title-7 content-key.kw',
        ],
      ),
    ).addOption(keyOption('the key it is wrapped under (AES, usage unwrap): its label or id')),
    { template: "the wrapping key's template", extractable: true },
  )
    .addOption(wrapMechanism())
    .action(run(task));
}

interface Options extends TemplateOptions, AadOptions {
  readonly key: string;
  readonly mechanism: WrapOptions['mechanism'];
}

async function task(cli: Cli, file: string | undefined, options: Options): Promise<void> {
  await cli.beforeInput(file, 'binary');
  const blob = await readInput(file);
  await cli.withSession(async (session) => {
    const wrapping = await findAes(session, options.key);
    const issuer = issuerName(options);
    const named = issuer === undefined ? undefined : await findKey(session, issuer);
    const template = partialTemplateOf(options, named, wrapping.unwrapTemplate);
    const key = await session.unwrapKey(wrapping, blob, { ...template, persistent: true }, wrapOptionsOf(options));
    cli.note(`Unwrapped ${nameOf(key)}`);
    cli.answer(keyDocument(key), key.id);
  });
}
