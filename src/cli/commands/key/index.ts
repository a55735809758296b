/** keycell key */
import type { Command } from 'commander';
import { group } from '../../group.ts';
import { derive } from './derive.ts';
import { destroy } from './destroy.ts';
import { exportKey } from './export.ts';
import { generate } from './generate.ts';
import { importKey } from './import.ts';
import { jwk } from './jwk.ts';
import { list } from './list.ts';
import { publicKey } from './public.ts';
import { set } from './set.ts';
import { show } from './show.ts';

export function key(parent: Command): void {
  group(parent, 'key', 'Make, bring in, show, change and destroy keys.', [
    generate,
    importKey,
    derive,
    exportKey,
    list,
    show,
    set,
    destroy,
    publicKey,
    jwk,
  ]);
}
