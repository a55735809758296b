/** How commands are put into the tree. */
import type { Command } from 'commander';
import { wrapHelp } from './wrap.ts';

/** What a list of commands says: the description as far as its first stop. */
const headline = (description: string): string => /^[^.:\n]*/.exec(description)![0];

/** Commander breaks lines where the terminal ends; those of our sources are not where it does. */
const paragraphs = (description: string): string => description.replace(/(?<!\n)\n(?!\n)/g, ' ');

/** A command with its first example below its help: each line is one that works as it stands. */
export function command(parent: Command, usage: string, description: string, examples: readonly string[]): Command {
  const shown = examples.map((line) => `  $ ${line}`).join('\n');
  return parent
    .command(usage)
    .summary(headline(description))
    .description(paragraphs(description))
    .addHelpText('after', () =>
      wrapHelp(
        `\nExamples:\n${shown}\n\nOptions of all commands (folder, user, secrets, --json): keycell --help`,
        process.stdout.columns,
      ),
    );
}

/** Commands that share a first word. */
export function group(
  parent: Command,
  name: string,
  description: string,
  members: readonly ((group: Command) => void)[],
): void {
  const made = parent.command(name).summary(headline(description)).description(description);
  for (const add of members) add(made);
}
