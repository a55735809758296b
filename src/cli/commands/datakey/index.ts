/** keycell datakey */
import type { Command } from 'commander';
import { group } from '../../group.ts';
import { create } from './new.ts';
import { openDataKey } from './open.ts';

export function datakey(parent: Command): void {
  group(
    parent,
    'datakey',
    'Keys for what encrypts for itself, such as a file system: kept beside it as an envelope, opened when needed.',
    [create, openDataKey],
  );
}
