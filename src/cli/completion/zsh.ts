/** Completion for zsh: a function named as the file that holds it, `_keycell`. */
import { type Flag, type Node, nodesOf } from './tree.ts';

/** Inside single quotes, and of _arguments' own syntax. */
const quoted = (text: string): string => text.replaceAll("'", "'\\''");
const described = (text: string): string => quoted(text.replaceAll('\n', ' ').replace(/[[\]:\\]/g, '\\$&'));

const functionOf = (path: readonly string[]): string => ['_keycell', ...path].join('_').replaceAll('-', '_');

function argument({ names, description, values }: Flag): string[] {
  const value = values === undefined ? '' : values.length > 0 ? `:value:(${values.join(' ')})` : ':file:_files';
  return names.map((name) => `'${name}[${described(description)}]${value}'`);
}

function body(node: Node): string {
  const flags = node.flags.flatMap(argument);
  if (node.children.length === 0) {
    const rest = node.values.length > 0 ? `'1:value:(${node.values.join(' ')})'` : `'*:file:_files'`;
    return `  _arguments -s \\\n    ${[...flags, rest].join(' \\\n    ')}`;
  }
  const choices = node.children.map((child) => `'${child.path.at(-1)}:${described(child.summary.split('\n')[0]!)}'`);
  const calls = node.children.map((child) => `      ${child.path.at(-1)}) ${functionOf(child.path)} ;;`);
  return `  local context state line
  typeset -A opt_args
  _arguments -s -C \\
    ${[...flags, `'1:command:->command'`, `'*::argument:->argument'`].join(' \\\n    ')}
  case $state in
    command)
      local -a commands=(
        ${choices.join('\n        ')}
      )
      _describe command commands ;;
    argument) case $line[1] in
${calls.join('\n')}
    esac ;;
  esac`;
}

export function zsh(root: Node): string {
  const functions = nodesOf(root).map((node) => `${functionOf(node.path)}() {\n${body(node)}\n}\n`);
  return `#compdef keycell\n${functions.join('\n')}\n_keycell "$@"\n`;
}
