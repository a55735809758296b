/**
 * `keycell/metrics`: an HSM's statistics as Prometheus metrics, for prom-client. Nothing is counted twice: each scrape
 * reads `hsm.stats()`. No label carries a name, an id, or anything that grows with keys or users.
 */
import { type Metric, type Registry, register as standardRegister } from 'prom-client';
import type { HistogramStats, Hsm, HsmState, HsmStats } from '../model/hsm.ts';

export interface MetricsOptions {
  /** Default: prom-client's own, global one. */
  readonly register?: Registry;
  /** Before each name. Default `keycell_`; a second HSM in one registry needs another. */
  readonly prefix?: string;
}

interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  readonly metricName?: string;
}
type Read = (stats: HsmStats) => number | undefined | readonly Sample[];

const STATES: readonly HsmState[] = ['uninitialized', 'sealed', 'ready', 'tampered'];
const CELL_STATES = ['starting', 'ready', 'provisioning', 'open', 'dead'] as const;

const by = (label: string, counts: Iterable<readonly [string, number]>): Sample[] =>
  Array.from(counts, ([value, count]) => ({ labels: { [label]: value }, value: count }));

const GAUGES: Record<string, readonly [help: string, read: Read]> = {
  state: [
    'The state of the HSM: 1 for the one it is in',
    (s) =>
      by(
        'state',
        STATES.map((state) => [state, s.state === state ? 1 : 0]),
      ),
  ],
  uptime_seconds: ['Time since the HSM was opened', (s) => s.uptime / 1000],
  keys: ['Keys in the store; 0 unless ready', (s) => s.keys],
  cells: [
    'Cells by what they are doing; only open ones serve',
    (s) =>
      by(
        'state',
        CELL_STATES.map((state) => [state, s.cellList.filter((cell) => cell.state === state).length]),
      ),
  ],
  lease_age_seconds: [
    "Age of the warden's last lease, while ready: cells refuse one of 5 s",
    (s) => (s.leaseAge === undefined ? undefined : s.leaseAge / 1000),
  ],
  clock_ahead_seconds: [
    'How far the time by which sessions and dates are judged is ahead of the wall clock, while ready',
    (s) => (s.clockAhead === undefined ? undefined : s.clockAhead / 1000),
  ],
  queued_requests: ['Requests that wait for a cell', (s) => s.queued],
  queued_bytes: ['Bytes that wait for a cell', (s) => s.queuedBytes],
  queue_limit: ['Requests that may wait before KEYCELL_BUSY', (s) => s.queueLimit],
  in_flight_requests: ['Requests that are with a cell', (s) => s.inFlight],
  log_entries: ['Entries in the log', (s) => s.logEntries],
  log_backlog: ['Entries that could not be written to the log yet', (s) => s.logBacklog],
};

const COUNTERS: Record<string, readonly [help: string, read: Read]> = {
  operations_total: ['Requests that a cell answered', (s) => by('operation', Object.entries(s.byOperation))],
  failures_total: ['Requests and logins that ended in an error', (s) => by('code', Object.entries(s.failuresByCode))],
  logins_total: ['Logins that succeeded', (s) => s.logins],
  cell_restarts_total: ['Cells that died and were replaced', (s) => s.cellRestarts],
  slow_batches_total: ['Batches that a cell had for over a second', (s) => s.slowBatches],
  warden_restarts_total: ['Wardens that died and were replaced', (s) => s.wardenRestarts],
};

const HISTOGRAMS: Record<string, readonly [help: string, read: (stats: HsmStats) => HistogramStats, unit: number]> = {
  batch_requests: ['Requests in a batch', (s) => s.batchSize, 1],
  cell_seconds: ['From sending a batch to a cell to its answer', (s) => s.cellTime, 1000],
  request_seconds: ['From a call to its result: queue, cell and log', (s) => s.requestTime, 1000],
};

/**
 * Register the metrics of an HSM; gives a function that takes them out again, for after `hsm.close()`.
 * Throws what prom-client throws where a name is taken.
 */
export function registerMetrics(hsm: Hsm, options: MetricsOptions = {}): () => void {
  const { register = standardRegister, prefix = 'keycell_' } = options;
  // A scrape asks all metrics in one tick: they shall tell of one moment.
  let taken: HsmStats | undefined;
  const stats = (): HsmStats => {
    if (taken === undefined) {
      taken = hsm.stats();
      queueMicrotask(() => {
        taken = undefined;
      });
    }
    return taken;
  };
  const names: string[] = [];
  const add = (type: string, name: string, help: string, read: (name: string) => readonly Sample[]): void => {
    // prom-client's own classes count by themselves; what it asks of a metric is this.
    const metric = new StatsMetric(prefix + name, help, type, read);
    register.registerMetric(metric as unknown as Metric);
    names.push(metric.name);
  };
  const samples = (read: Read) => (): readonly Sample[] => {
    const value = read(stats());
    if (value === undefined) return [];
    return typeof value === 'number' ? [{ labels: {}, value }] : value;
  };
  for (const [name, [help, read]] of Object.entries(GAUGES)) add('gauge', name, help, samples(read));
  for (const [name, [help, read]] of Object.entries(COUNTERS)) add('counter', name, help, samples(read));
  for (const [name, [help, read, unit]] of Object.entries(HISTOGRAMS)) {
    add('histogram', name, help, (full) => histogramSamples(full, read(stats()), unit));
  }
  return () => {
    for (const name of names) register.removeSingleMetric(name);
  };
}

class StatsMetric {
  /** prom-client drops `_total` from it where it writes OpenMetrics. */
  name: string;
  readonly help: string;
  readonly type: string;
  readonly aggregator = 'sum';
  readonly #read: (name: string) => readonly Sample[];

  constructor(name: string, help: string, type: string, read: (name: string) => readonly Sample[]) {
    this.name = name;
    this.help = help;
    this.type = type;
    this.#read = read;
  }

  async get() {
    const { name, help, type, aggregator } = this;
    return { name, help, type, aggregator, values: this.#read(name) };
  }

  /** `register.resetMetrics()`: the counts are the HSM's. */
  reset(): void {}
}

/** Prometheus counts what is below each bound, `+Inf` included. */
function histogramSamples(name: string, histogram: HistogramStats, unit: number): Sample[] {
  const { bounds, counts, count, sum } = histogram;
  let below = 0;
  const buckets = bounds.map((bound, i): Sample => {
    below += counts[i]!;
    return { metricName: `${name}_bucket`, labels: { le: bound / unit }, value: below };
  });
  return [
    ...buckets,
    { metricName: `${name}_bucket`, labels: { le: '+Inf' }, value: count },
    { metricName: `${name}_sum`, labels: {}, value: sum / unit },
    { metricName: `${name}_count`, labels: {}, value: count },
  ];
}
