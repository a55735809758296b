/** keycell audit show */
import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { HsmError } from '../../../errors.ts';
import { shown } from '../../../model/text.ts';
import { type Cli, run } from '../../context.ts';
import { named } from '../../describe.ts';
import { UsageError } from '../../failure.ts';
import { command } from '../../group.ts';
import { time, whole } from '../../options.ts';
import { type Fact, LogReader, texts } from './facts.ts';

const LAST_MAX = 100_000;
const ID = /^(id:)?([0-9a-f]{32})$/;

export function show(parent: Command): void {
  command(
    parent,
    'show',
    'Show what the log says, with names: the oldest first, its chain verified on the way, exit code 1 where it breaks.\n\n' +
      "Users' names are in the log. Labels of keys are not: with --user, the HSM is unsealed for them, and an admin has those\n" +
      'of all; without, or with --no-labels, keys are shown by their ids, no passphrase is needed, and a service may have the\n' +
      'folder meanwhile. Whether the HSM itself wrote the entries, `keycell check` says.',
    [
      'keycell audit show --no-labels --last 20',
      'keycell audit show --user officer --by alice --operation sign,exportKey --since 2030-01-31',
      'keycell audit show --user officer --key releases',
      'keycell audit show --no-labels --json --log copy.log | tail -1',
    ],
  )
    .option('--by <user>', 'what this user did, or was done to them: a name or an id')
    .option('--key <key>', 'where this key was used, made or changed: an id, or a label of those that --user may see')
    .option('--operation <list>', 'as the log names it: sign, generateKey, login, user-create, …', listed)
    .option('--since <time>', 'from then on: 2030-01-31, or 2030-01-31T12:00Z', time)
    .option('--until <time>', 'before then', time)
    .addOption(new Option('--last <n>', 'no more than the last of them').argParser(lastOf))
    .option('--log <file>', "a copy, instead of the folder's own")
    .option('--no-labels', 'keys by their ids, from the log alone')
    .action(run(task));
}

const listed = (words: string): string[] => words.toLowerCase().split(',').filter(Boolean);

function lastOf(words: string): number {
  const count = whole(words);
  if (count < 1 || count > LAST_MAX) throw new InvalidArgumentError(`It is 1 to ${LAST_MAX}.`);
  return count;
}

interface ShowOptions {
  readonly by?: string;
  readonly key?: string;
  readonly operation?: string[];
  readonly since?: Date;
  readonly until?: Date;
  readonly last?: number;
  readonly log?: string;
  readonly labels: boolean;
}

/** Of the keys that are there, by id. */
type Labels = ReadonlyMap<string, string | undefined>;

async function task(cli: Cli, options: ShowOptions): Promise<void> {
  const { verifyAuditLog } = await import('../../../index.ts');
  const labels: Labels = options.labels && cli.options.user ? await labelsOf(cli) : new Map();
  const log = new LogReader();
  const wanted = filterOf(options, log, labels);
  const output = outputOf(cli, options.last, (fact) =>
    cli.json ? JSON.stringify(documentOf(fact, log, labels)) : rowOf(fact, log, labels),
  );

  const report = await verifyAuditLog(options.log ?? join(cli.options.path, 'audit.log'), {
    // The MAC takes the HSM's own keys; here a body is only read.
    checkBody: (body, seq) => {
      const facts = log.read(seq, body).filter(wanted);
      return facts.length === 0 ? true : output.take(facts).then(() => true);
    },
  });
  await output.end();
  if (!report.ok) {
    throw new UsageError(
      `the log is damaged: line ${report.line}: ${report.reason}`,
      'only what comes before that line is shown; `keycell check` says what the HSM remembers',
      { exit: 'no', code: 'KEYCELL_AUDIT_CORRUPT' },
    );
  }
  cli.note(`${output.shown} shown; the chain of all ${report.entries} entries holds.`);
}

/** Of all keys that the user may see: those that are destroyed have no label any more. */
async function labelsOf(cli: Cli): Promise<Labels> {
  try {
    return await cli.withSession(async (session) => {
      const labels = new Map<string, string | undefined>();
      for await (const { id, label } of session.findKeys()) labels.set(id, label);
      return labels;
    });
  } catch (error) {
    if (!(error instanceof HsmError) || error.code !== 'KEYCELL_STORE_LOCKED') throw error;
    throw new UsageError(error.message, '--no-labels reads the log beside the process that has the folder', {
      exit: 'unavailable',
      code: error.code,
    });
  }
}

function filterOf(options: ShowOptions, log: LogReader, labels: Labels): (fact: Fact) => boolean {
  const { by, key, operation, since, until } = options;
  const keys = key === undefined ? undefined : keysNamed(key, labels);
  const isBy = (user: string | undefined): boolean => user !== undefined && (user === by || log.nameOf(user) === by);
  return (fact) =>
    (by === undefined || isBy(fact.user) || isBy(fact.about) || usersOf(fact).some(isBy)) &&
    (keys === undefined || fact.keys.some((id) => keys.has(id)) || fact.made.some((id) => keys.has(id))) &&
    (operation === undefined || operation.includes(fact.operation.toLowerCase())) &&
    (since === undefined || fact.at >= since) &&
    (until === undefined || fact.at < until);
}

/**
 * An id, or else a label, as every command takes them; a label is unique for each user. A key that is gone has its id alone.
 */
function keysNamed(name: string, labels: Labels): ReadonlySet<string> {
  const [, only, id] = ID.exec(name) ?? [];
  if (id !== undefined && (only || labels.has(id))) return new Set([id]);
  const label = name.replace(/^label:/, '');
  const labelled = [...labels].filter(([, each]) => each === label).map(([each]) => each);
  if (labelled.length > 0) return new Set(labelled);
  if (id !== undefined) return new Set([id]);
  throw new UsageError(`no key has the label ${label}`, 'name it by its id, or log in with --user as who may see it', {
    exit: 'missing',
    code: 'KEYCELL_KEY_NOT_FOUND',
  });
}

/** At once, or the last of them in the end: as many as asked for are kept, whatever the log's length. */
function outputOf(cli: Cli, last: number | undefined, lineOf: (fact: Fact) => string) {
  const kept: string[] = [];
  let next = 0;
  let shown = 0;
  const print = async (line: string): Promise<void> => {
    if (shown++ === 0 && !cli.json) await cli.line(HEADING);
    await cli.line(line);
  };
  return {
    get shown() {
      return shown;
    },
    async take(facts: readonly Fact[]): Promise<void> {
      for (const fact of facts) {
        const line = lineOf(fact);
        if (last === undefined) await print(line);
        else {
          kept[next] = line;
          next = (next + 1) % last;
        }
      }
    },
    async end(): Promise<void> {
      for (const line of [...kept.slice(next), ...kept.slice(0, next)]) await print(line);
    },
  };
}

// For people and for programs

const TIME = 19;
const USER = 10;
const OPERATION = 15;
const rowWith = (when: string, user: string, operation: string, what: string): string =>
  `${when.padEnd(TIME)}  ${user.padEnd(USER)}  ${operation.padEnd(OPERATION)}  ${what}`.trimEnd();
const HEADING = rowWith('TIME (UTC)', 'USER', 'OPERATION', 'KEYS, AND WHAT ELSE');

/** Of a change that was not written: whom it was about. */
const usersOf = ({ rest }: Fact): string[] => texts(rest['users']);

const timeOf = (at: Date): string | undefined => (Number.isNaN(at.getTime()) ? undefined : at.toISOString());

function rowOf(fact: Fact, log: LogReader, labels: Labels): string {
  const userNamed = (id: string) => {
    const name = log.nameOf(id);
    return name === undefined ? shown(id) : named(name);
  };
  const keys = (ids: readonly string[]) =>
    ids
      .map((id) => {
        const label = labels.get(id);
        return label === undefined ? shown(id) : named(label);
      })
      .join(', ');
  const { session: _session, ...rest } = fact.rest;
  const said = [
    keys(fact.keys),
    fact.made.length > 0 ? `made ${keys(fact.made)}` : '',
    fact.about === undefined ? '' : userNamed(fact.about),
    fact.done !== undefined && fact.done > 1 ? `${fact.done} times` : '',
    ...Object.entries(fact.refused ?? {}).map(([code, count]) => `refused ${count} times: ${code}`),
    ...Object.entries(rest).map(([name, value]) =>
      name === 'users'
        ? `users ${usersOf(fact).map(userNamed).join(', ')}`
        : `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`,
    ),
  ];
  const when = (timeOf(fact.at) ?? '-').replace('T', ' ').slice(0, TIME);
  const user = fact.user === undefined ? '-' : userNamed(fact.user);
  return rowWith(when, user, shown(fact.operation), shown(said.filter(Boolean).join('; ')));
}

function documentOf(fact: Fact, log: LogReader, labels: Labels): object {
  // The first entry names the first admin, and has no id yet.
  const user = (id: string | undefined) => {
    if (id === undefined) return null;
    const name = log.nameOf(id) ?? null;
    return name !== null || ID.test(id) ? { id, name } : { id: null, name: id };
  };
  const key = (id: string) => ({ id, label: labels.get(id) ?? null });
  const { entry, at, operation, about, keys, made, done, refused, rest } = fact;
  return {
    entry,
    at: timeOf(at) ?? null,
    operation,
    user: user(fact.user),
    ...(about !== undefined && { about: user(about) }),
    keys: keys.map(key),
    made: made.map(key),
    ...(done !== undefined && { done }),
    ...(refused !== undefined && { refused }),
    ...rest,
  };
}
