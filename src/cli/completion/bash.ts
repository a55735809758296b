/** Completion for bash 4 and later. */
import { type Node, nodesOf } from './tree.ts';

export function bash(root: Node): string {
  const nodes = nodesOf(root);
  const commands = nodes.map(({ path, children, values }) => {
    const words = [...children.map((child) => child.path.at(-1)), ...values];
    return `    '${path.join(' ')}') words='${words.join(' ')}' ;;`;
  });
  const flags = nodes.map(
    ({ path, flags }) => `    '${path.join(' ')}') flags='${flags.flatMap(({ names }) => names).join(' ')}' ;;`,
  );
  const valued = [
    ...new Map(
      nodes.flatMap(({ path, flags }) =>
        flags
          .filter(({ values }) => values !== undefined)
          .flatMap(({ names, values }) =>
            names.map((name) => [`'${path.join(' ')} ${name}'`, values!.join(' ')] as const),
          ),
      ),
    ).entries(),
  ];
  return `# bash completion of keycell: source it, or put it into a folder of bash-completion.
_keycell() {
  local cur=\${COMP_WORDS[COMP_CWORD]} path='' words='' flags='' i
  # A word that belongs to an option is no command.
  for ((i = 1; i < COMP_CWORD; i++)); do
    local word=\${COMP_WORDS[i]}
    if [[ $word == -* ]]; then
      if _keycell_values "$path $word"; then ((i++)); fi
      continue
    fi
    case "\${path:+$path }$word" in
${nodes
  .filter(({ path }) => path.length > 0)
  .map(({ path }) => `      '${path.join(' ')}') path='${path.join(' ')}' ;;`)
  .join('\n')}
    esac
  done
  COMPREPLY=()
  if [[ \${COMP_WORDS[COMP_CWORD-1]} == -* ]] && _keycell_values "$path \${COMP_WORDS[COMP_CWORD-1]}"; then
    if [[ -n $values ]]; then mapfile -t COMPREPLY < <(compgen -W "$values" -- "$cur")
    else mapfile -t COMPREPLY < <(compgen -f -- "$cur"); fi
    return
  fi
  case "$path" in
${commands.join('\n')}
  esac
  case "$path" in
${flags.join('\n')}
  esac
  if [[ $cur == -* ]]; then mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$cur")
  elif [[ -n $words ]]; then mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
  else mapfile -t COMPREPLY < <(compgen -f -- "$cur"); fi
}
# Does this option of this command take a value? Sets values; empty: a file.
_keycell_values() {
  case "$1" in
${valued.map(([name, values]) => `    ${name}) values='${values}' ;;`).join('\n')}
    *) return 1 ;;
  esac
}
complete -o filenames -F _keycell keycell
`;
}
