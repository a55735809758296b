/** So many calls in flight for a while, and what each of them waited. */

export interface Load {
  readonly inFlight: number;
  readonly operationsPerSecond: number;
  readonly p50Milliseconds: number;
  readonly p99Milliseconds: number;
}

const percentile = (sorted: Float64Array, share: number): number =>
  sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]!;

/** Each of `inFlight` callers begins its next call when its last is answered. Milliseconds; one call is `operations`. */
export async function load(
  run: () => Promise<unknown>,
  inFlight: number,
  milliseconds: number,
  operations = 1,
): Promise<Load> {
  const waits: number[] = [];
  const began = performance.now();
  const end = began + milliseconds;
  const caller = async () => {
    for (let now = began; now < end; ) {
      const from = performance.now();
      await run();
      now = performance.now();
      waits.push(now - from);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, caller));
  const seconds = (performance.now() - began) / 1000;
  const sorted = Float64Array.from(waits).sort();
  return {
    inFlight,
    operationsPerSecond: (operations * waits.length) / seconds,
    p50Milliseconds: percentile(sorted, 0.5),
    p99Milliseconds: percentile(sorted, 0.99),
  };
}
