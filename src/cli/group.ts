/** How commands are put into the tree. */
import type { Command } from 'commander';

/** A command with its first example below its help: each line is one that works as it stands. */
export function command(parent: Command, usage: string, summary: string, examples: readonly string[]): Command {
  const shown = examples.map((line) => `  $ ${line}`).join('\n');
  return parent
    .command(usage)
    .summary(summary)
    .description(summary)
    .addHelpText(
      'after',
      `\nExamples:\n${shown}\n\nOptions of all commands (folder, user, secrets, --json): keycell --help`,
    );
}

/** Commands that share a first word. */
export function group(
  parent: Command,
  name: string,
  summary: string,
  members: readonly ((group: Command) => void)[],
): void {
  const made = parent.command(name).summary(summary).description(summary);
  for (const add of members) add(made);
}
