/** Completion for fish. */
import { type Flag, type Node, nodesOf } from './tree.ts';

const quoted = (text: string): string =>
  `'${text.replaceAll('\n', ' ').replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

/** True where these words, and no longer command, stand on the line. */
function condition({ path, children }: Node): string {
  const seen = path.map((word) => `__fish_seen_subcommand_from ${word}`);
  const unseen =
    children.length > 0
      ? [`not __fish_seen_subcommand_from ${children.map((child) => child.path.at(-1)).join(' ')}`]
      : [];
  return [...seen, ...unseen].join('; and ');
}

function flag(node: Node, { names, description, values }: Flag): string {
  const spelled = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`));
  const value = values === undefined ? '' : values.length > 0 ? ` -x -a ${quoted(values.join(' '))}` : ' -r -F';
  return `complete -c keycell -n ${quoted(condition(node) || 'true')} ${spelled.join(' ')}${value} -d ${quoted(description)}`;
}

export function fish(root: Node): string {
  const lines = nodesOf(root).flatMap((node) => [
    ...node.children.map(
      (child) =>
        `complete -c keycell -f -n ${quoted(condition(node) || 'true')} -a ${child.path.at(-1)} -d ${quoted(child.summary.split('\n')[0]!)}`,
    ),
    ...(node.values.length > 0
      ? [`complete -c keycell -f -n ${quoted(condition(node))} -a ${quoted(node.values.join(' '))}`]
      : []),
    ...node.flags.map((each) => flag(node, each)),
  ]);
  return `${lines.join('\n')}\n`;
}
