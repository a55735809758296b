/** keycell user */
import type { Command } from 'commander';
import { group } from '../../group.ts';
import { add } from './add.ts';
import { list } from './list.ts';
import { lock, unlock } from './lock.ts';
import { passwd } from './passwd.ts';
import { remove } from './remove.ts';

export function user(parent: Command): void {
  group(parent, 'user', 'Add, list, lock and remove users, and set their passwords.', [
    add,
    list,
    lock,
    unlock,
    remove,
    passwd,
  ]);
}
