/**
 * `npm run demo`: a licence server on Keycell, one on plain node:crypto, a packager, and a player; each a process.
 * --quick: smaller counts. --json: the report as JSON. --hold: leave the server up, to try it by hand.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { SingleBar } from 'cli-progress';
import { Child } from './ipc.ts';
import { checkLog } from './log-check.ts';
import { searchMemory } from './memory-search.ts';
import type { Job, RunOptions, RunResult } from './player.ts';
import { complaints, memoryResult, type Refused, type Report, type Speed, screen, type Variant } from './report.ts';
import type { Listing, Started, Theft } from './server-process.ts';
import { Shop } from './shop.ts';
import type { Attempt } from './thief.ts';
import type { DeviceJwk } from './vault.ts';

const { values: flags } = parseArgs({
  options: { quick: { type: 'boolean' }, json: { type: 'boolean' }, hold: { type: 'boolean' } },
});
const COUNTS = flags.quick
  ? { titles: 30, requests: 1000, measured: 50, rounds: 1, warmUp: 20 }
  : { titles: 500, requests: 5000, measured: 500, rounds: 4, warmUp: 1000 };
const CONCURRENCY = 64;
const DEVICES = 32;
const LICENCE_SECONDS = 3600;

interface Server {
  readonly process: Child;
  readonly url: string;
  readonly audience: string;
  /** As the shop has them; rotated, they are others. */
  titles: Listing;
  readonly samples: string;
  /** The content keys as the packager got them, in hex. */
  readonly keys: readonly string[];
  readonly canary: string;
}
type PublicDevice = { readonly jwk: DeviceJwk; readonly thumbprint: string };
type Title = Listing[number];

class Demo {
  readonly #folder: string;
  readonly #children: Child[] = [];
  #shop!: Shop;
  #player!: Child;
  #devices!: PublicDevice[];

  constructor(folder: string) {
    this.#folder = folder;
  }

  async run(): Promise<{ report: Report; keycell: Server }> {
    const started = performance.now();
    this.#shop = await Shop.open();
    this.#player = this.#spawn('player');
    this.#devices = await this.#player.call<PublicDevice[]>('devices', DEVICES);
    say('Making two catalogues, and packaging a sample for every content key …');
    await this.#writeSecrets();
    const keycell = await this.#startServer('keycell');
    const node = await this.#startServer('node');

    const refused = { keycell: await this.#tryBadEntitlements(keycell), node: await this.#tryBadEntitlements(node) };
    const main = await this.#mainRun(keycell);
    say('Measuring, by turns …');
    const speed = await this.#measure({ keycell, node });
    const thief = await keycell.process.call<Attempt[]>('steal', await this.#buyOne(keycell));
    say('Searching the memory of both servers …');
    const memory = { keycell: await this.#searchMemory(keycell), node: await this.#searchMemory(node) };
    const log = await checkLog(join(this.#folder, 'hsm'), join(this.#folder, 'copy-of-the.log'));

    const report: Report = {
      quick: flags.quick ?? false,
      seconds: (performance.now() - started) / 1000,
      cores: availableParallelism(),
      titles: keycell.titles.length,
      contentKeys: keycell.keys.length,
      ...main,
      refused,
      memory,
      thief,
      log,
      speed,
    };
    return { report, keycell };
  }

  /** Orderly: servers end what they do and close the HSM; then every process ends. */
  async stop(): Promise<void> {
    await Promise.all(this.#children.map((child) => child.stop()));
  }

  /** A request ready to be sent by hand. */
  async writeRequest(server: Server): Promise<string> {
    const title = pick(server.titles);
    const { device, entitlement } = await this.#job(server, title, title.kids);
    const challenge = { kids: title.kids, type: 'temporary' };
    const path = join(this.#folder, 'request.json');
    await writeFile(path, JSON.stringify({ challenge, device: this.#devices[device]!.jwk, entitlement }));
    return path;
  }

  #spawn(script: string, ...args: string[]): Child {
    const child = new Child(script, ...args);
    this.#children.push(child);
    return child;
  }

  async #writeSecrets(): Promise<void> {
    const secrets = join(this.#folder, 'secrets');
    await mkdir(secrets, { mode: 0o700 });
    for (const name of ['passphrase', 'officer', 'licences']) {
      await writeFile(join(secrets, name), randomBytes(24).toString('base64'), { mode: 0o600 });
    }
  }

  async #startServer(kind: Variant): Promise<Server> {
    const process = this.#spawn('server-process', kind);
    const canary = randomBytes(16).toString('hex');
    const { url, audience, titles } = await process.call<Started>('start', {
      folder: this.#folder,
      shop: this.#shop.jwk,
      titles: COUNTS.titles,
      licenceSeconds: LICENCE_SECONDS,
      canary,
    });
    const packager = this.#spawn('packager');
    const { thumbprint } = await packager.call<PublicDevice>('device');
    const jobs: Job[] = [];
    for (const { name, kids, blobs } of titles) {
      const entitlement = await this.#shop.entitle({ audience, blobs, jkt: thumbprint });
      jobs.push({ title: name, kids, device: 0, entitlement });
    }
    const samples = join(this.#folder, `${kind}-samples`);
    const keys = await packager.call<string[]>('package', { url, folder: samples, jobs });
    await packager.stop();
    return { process, url, audience, titles, samples, keys, canary };
  }

  async #job({ audience }: Server, title: Title, kids: readonly string[]): Promise<Job> {
    const device = randomInt(DEVICES);
    const blobs = kids.map((kid) => title.blobs[title.kids.indexOf(kid)]!);
    const entitlement = await this.#shop.entitle({ audience, blobs, jkt: this.#devices[device]!.thumbprint });
    return { title: title.name, kids, device, entitlement };
  }

  /** A thief buys one title, for a device of their own. */
  async #buyOne(server: Server): Promise<Theft> {
    const title = pick(server.titles);
    const { device, entitlement } = await this.#job(server, title, title.kids);
    return { title: title.name, device: this.#devices[device]!.jwk, entitlement };
  }

  /** Entitlements that don't hold, each wrong in one thing. */
  async #tryBadEntitlements(server: Server): Promise<Refused[]> {
    const { url, audience, titles } = server;
    const title = titles.find(({ kids }) => kids.length > 1)!;
    const { kids, blobs } = title;
    const ask = (job: Job) => this.#player.call<{ status: number; body: string }>('ask', { url, job });
    const good = await this.#job(server, title, kids);
    const jkt = this.#devices[good.device]!.thumbprint;
    const foreign = this.#devices[(good.device + 1) % DEVICES]!.thumbprint;

    const first = await ask(good);
    if (first.status !== 200) throw new Error(`a good entitlement was refused: ${first.status} ${first.body}`);
    const bought = { audience, blobs, jkt };
    const longAgo = Math.floor(Date.now() / 1000) - 3600;
    const bad = {
      forged: await (await Shop.open()).entitle(bought),
      expired: await this.#shop.entitle({ ...bought, issuedAt: longAgo }),
      replayed: good.entitlement,
      foreign: await this.#shop.entitle({ ...bought, jkt: foreign }),
      'one without the kid': await this.#shop.entitle({ ...bought, blobs: blobs.slice(1) }),
    };
    const answers: Refused[] = [];
    for (const [name, entitlement] of Object.entries(bad)) {
      answers.push({ entitlement: name, ...(await ask({ ...good, entitlement })) });
    }
    return answers;
  }

  /** The 5 000: both keys are replaced and a cell is killed on the way. */
  async #mainRun(server: Server): Promise<Pick<Report, 'run' | 'rotation' | 'killedCell'>> {
    const { requests } = COUNTS;
    const jobs: Job[] = [];
    for (let k = 0; k < requests; k++) {
      const title = pick(server.titles);
      jobs.push(await this.#job(server, title, title.kids));
    }
    const bar = flags.json ? undefined : progressBar(requests);
    const rotation = { startedAt: 0, endedAt: 0 };
    let at = 0;
    let killedAt = 0;
    const drills: Promise<void>[] = [];
    const start = (drill: Promise<void>) => {
      drill.catch(() => {}); // reported below, when the load has ended
      drills.push(drill);
    };
    const rotate = async () => {
      rotation.startedAt = at;
      server.titles = await server.process.call<Listing>('rotate');
      rotation.endedAt = at;
    };
    const kill = async () => {
      killedAt = at;
      await server.process.call('killCell');
    };
    this.#player.onEvent = ({ done, failed }: { done: number; failed: number }) => {
      at = done;
      bar?.update(done, { failed });
      if (drills.length === 0 && done >= requests * 0.3) start(rotate());
      if (drills.length === 1 && done >= requests * 0.75) start(kill());
    };
    let result: RunResult;
    try {
      result = await this.#load(server, jobs, false);
      await Promise.all(drills);
    } finally {
      bar?.stop(); // gives the terminal back as it was, also when the demo is interrupted
    }
    this.#player.onEvent = () => {};

    const jwks = await (await fetch(`${server.url}/.well-known/jwks.json`)).json();
    const stats = await server.process.call<{ cellRestarts: number }>('stats');
    const { failed, failures, keysOpened, samplesDecrypted, licenceKeys, seconds } = result;
    return {
      run: { requests, concurrency: CONCURRENCY, failed, failures, keysOpened, samplesDecrypted, licenceKeys, seconds },
      rotation: { ...rotation, publishedKeys: (jwks as { keys: unknown[] }).keys.length },
      killedCell: { at: killedAt, restarts: stats.cellRestarts },
    };
  }

  #load({ url, samples }: Server, jobs: readonly Job[], checkAfterwards: boolean): Promise<RunResult> {
    const options: RunOptions = { url, jobs, concurrency: CONCURRENCY, samples, checkAfterwards };
    return this.#player.call<RunResult>('run', options);
  }

  /** Rounds of each in turn, so that what else the machine does falls on both. */
  async #measure(servers: Record<Variant, Server>): Promise<Record<Variant, Speed[]>> {
    const speed: Record<Variant, Speed[]> = { keycell: [], node: [] };
    const variants = ['keycell', 'node'] as const;
    const rounds = [1, 4].map((keys) => ({ keys, keycell: [] as MeasuredRound[], node: [] as MeasuredRound[] }));
    for (const variant of variants) await this.#measuredRound(servers[variant], 4, COUNTS.warmUp);
    for (let k = 0; k < COUNTS.rounds; k++) {
      for (const of of rounds) {
        for (const variant of k % 2 === 0 ? variants : variants.toReversed()) {
          of[variant].push(await this.#measuredRound(servers[variant], of.keys, COUNTS.measured));
        }
      }
    }
    for (const variant of variants) speed[variant] = rounds.map((of) => summary(of.keys, of[variant]));
    return speed;
  }

  async #measuredRound(server: Server, keys: number, requests: number): Promise<MeasuredRound> {
    const titles = server.titles.filter(({ kids }) => kids.length >= keys);
    const jobs: Job[] = [];
    for (let k = 0; k < requests; k++) {
      const title = pick(titles);
      jobs.push(await this.#job(server, title, title.kids.slice(0, keys)));
    }
    const before = await server.process.call<number>('cpu');
    let after = 0;
    // The clock of the processor stops with the last answer; checking comes after.
    this.#player.onEvent = ({ done }: { done: number }) => {
      if (done !== requests) return;
      server.process.call<number>('cpu').then(
        (cpu) => (after = cpu),
        () => {}, // asked again below
      );
    };
    const result = await this.#load(server, jobs, true);
    after ||= await server.process.call<number>('cpu');
    return { ...result, cpuMicros: after - before };
  }

  async #searchMemory({ process, keys, canary }: Server): Promise<Report['memory'][Variant]> {
    await process.call('canaryHeld');
    const needles = [...keys, canary].map((hex) => Buffer.from(hex, 'hex'));
    return memoryResult(await searchMemory(process.pid, needles));
  }
}

type MeasuredRound = RunResult & { readonly cpuMicros: number };

function summary(keys: number, rounds: readonly MeasuredRound[]): Speed {
  const sum = (of: (round: MeasuredRound) => number) => rounds.reduce((total, round) => total + of(round), 0);
  const requests = sum(({ done }) => done);
  const latencies = rounds.flatMap((round) => round.latencies).sort((a, b) => a - b);
  const percentile = (share: number) => latencies[Math.ceil(latencies.length * share) - 1] ?? Number.NaN;
  return {
    keys,
    requests,
    failed: sum(({ failed }) => failed),
    perSecond: requests / sum(({ seconds }) => seconds),
    cpuMs: sum(({ cpuMicros }) => cpuMicros) / requests / 1000,
    p50Ms: percentile(0.5),
    p99Ms: percentile(0.99),
  };
}

/** On a terminal a bar; elsewhere a line every five seconds. */
function progressBar(total: number): SingleBar {
  const bar = new SingleBar({
    format: 'Licences {bar} {value} of {total}, failed {failed}, {duration} s',
    barsize: 30,
    stream: process.stderr,
    noTTYOutput: true,
    notTTYSchedule: 5000,
  });
  bar.start(total, 0, { failed: 0 });
  return bar;
}

const pick = <T>(items: readonly T[]): T => items[randomInt(items.length)]!;
const say = (text: string): void => {
  if (!flags.json) console.error(text);
};

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'keycell-demo-'));
  const demo = new Demo(folder);
  const interrupted = new Promise<void>((resolve) => {
    // Handlers are called with the signal's name: the outcome must be nothing.
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => resolve());
  });
  try {
    const outcome = await Promise.race([demo.run(), interrupted]);
    if (outcome === undefined) {
      process.exitCode = 130;
      return;
    }
    const { report, keycell } = outcome;
    const wrong = complaints(report);
    console.log(flags.json ? JSON.stringify({ ...report, complaints: wrong }, undefined, 2) : screen(report));
    for (const complaint of wrong) console.error(`Not as it should be: ${complaint}`);
    if (wrong.length > 0) process.exitCode = 1;
    if (flags.hold) {
      console.log(`\nThe server is up. Ask it twice: the second time the entitlement has been used.`);
      console.log(`  curl -i -d @${await demo.writeRequest(keycell)} ${keycell.url}/licence`);
      console.log(`  curl ${keycell.url}/.well-known/jwks.json\nCtrl-C ends it.`);
      await interrupted;
    }
  } finally {
    await demo.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

await main();
