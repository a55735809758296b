/** keycell completion */
import { Argument, type Command } from 'commander';
import { bash } from '../completion/bash.ts';
import { fish } from '../completion/fish.ts';
import { treeOf } from '../completion/tree.ts';
import { zsh } from '../completion/zsh.ts';
import { type Cli, run } from '../context.ts';
import { command } from '../group.ts';

const SHELLS = { bash, zsh, fish };

export function completion(parent: Command): void {
  command(parent, 'completion', 'Print the completion of commands and options for a shell.', [
    'source <(keycell completion bash)',
    'keycell completion zsh > ~/.zsh/completions/_keycell',
    'keycell completion fish > ~/.config/fish/completions/keycell.fish',
  ])
    .addArgument(new Argument('<shell>').choices(Object.keys(SHELLS)))
    .action(
      run(async (cli: Cli, shell: keyof typeof SHELLS) => {
        const script = SHELLS[shell](treeOf(parent));
        cli.answer({ shell, script }, script.trimEnd());
      }),
    );
}
