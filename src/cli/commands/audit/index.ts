/** keycell audit … */
import type { Command } from 'commander';
import { group } from '../../group.ts';
import { acceptLoss } from './accept-loss.ts';
import { show } from './show.ts';

export function audit(parent: Command): void {
  group(parent, 'audit', 'The log: who did what, when, with which key.', [show, acceptLoss]);
}
