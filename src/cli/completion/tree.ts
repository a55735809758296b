/** The command tree as completion needs it. */
import type { Command, Option } from 'commander';

export interface Flag {
  /** --long, and -s where there is one. */
  readonly names: readonly string[];
  readonly description: string;
  /** Undefined: it takes no value. Else what the value is one of; empty: a file. */
  readonly values: readonly string[] | undefined;
}

export interface Node {
  /** The words after `keycell`: [] for the tool itself. */
  readonly path: readonly string[];
  readonly summary: string;
  readonly children: readonly Node[];
  /** Its own and those of all commands. */
  readonly flags: readonly Flag[];
  /** What its first argument is one of; empty: a file. */
  readonly values: readonly string[];
}

export function treeOf(program: Command): Node {
  return nodeOf(program, [], program.options.map(flagOf));
}

function nodeOf(command: Command, path: readonly string[], common: readonly Flag[]): Node {
  const own = path.length === 0 ? [] : command.options.map(flagOf);
  const help: Flag = { names: ['--help', '-h'], description: 'help', values: undefined };
  return {
    path,
    summary: command.summary() || command.description(),
    children: command.commands.map((child) => nodeOf(child, [...path, child.name()], common)),
    flags: [...own, ...common, help],
    values: command.registeredArguments[0]?.argChoices ?? [],
  };
}

const flagOf = (option: Option): Flag => ({
  names: [option.long, option.short].filter((name) => name !== undefined),
  description: option.description,
  values: option.required || option.optional ? (option.argChoices ?? []) : undefined,
});

/** All nodes, the tool itself first. */
export const nodesOf = (node: Node): Node[] => [node, ...node.children.flatMap(nodesOf)];
