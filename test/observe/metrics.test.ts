/** The text that Prometheus reads, made by prom-client's own registry. */
import { Counter, Registry } from 'prom-client';
import { expect, onTestFinished, test } from 'vitest';
import { openEphemeralHsm } from '../../dist/index.js';
import { registerMetrics } from '../../dist/observe/metrics.js';
import { bytes, CIPHER, codeOf, SIGNING } from '../hsm/support/hsm.ts';

/** Every sample by its name and labels, as the text shows them; fails on a line that is neither sample nor comment. */
function parse(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('# ')) continue;
    const sample = line.match(/^([a-z_]+(?:\{[a-z]+="[^"]*"\})?) (\S+)$/);
    if (!sample) throw new Error(`not a sample: ${line}`);
    expect(samples.has(sample[1]!)).toBe(false);
    samples.set(sample[1]!, Number(sample[2]));
  }
  return samples;
}

async function busy() {
  const { hsm, session } = await openEphemeralHsm({ workers: 1 });
  onTestFinished(() => hsm.close());
  const key = await session.generateKey(SIGNING);
  const aes = await session.generateKey({ ...CIPHER, label: 'a label that stays here' });
  await Promise.all(Array.from({ length: 20 }, () => session.sign(key, bytes('m'))));
  expect(await codeOf(session.decrypt(aes, bytes('no envelope')))).toBe('KEYCELL_DECRYPT_FAILED');
  return { hsm, session, key };
}

test('every scrape shows the statistics of its moment', async () => {
  const { hsm, session, key } = await busy();
  const register = new Registry();
  registerMetrics(hsm, { register });
  const first = parse(await register.metrics());
  expect(first.get('keycell_operations_total{operation="sign"}')).toBe(20);
  expect(first.get('keycell_operations_total{operation="random"}')).toBe(0);
  expect(first.get('keycell_failures_total{code="KEYCELL_DECRYPT_FAILED"}')).toBe(1);
  expect(first.get('keycell_state{state="ready"}')).toBe(1);
  expect(first.get('keycell_state{state="sealed"}')).toBe(0);
  expect(first.get('keycell_cells{state="open"}')).toBe(1);
  expect(first.get('keycell_queue_limit')).toBe(4096);
  expect(first.get('keycell_lease_age_seconds')).toBeLessThan(5);
  expect(Math.abs(first.get('keycell_clock_ahead_seconds')!)).toBeLessThan(1);

  await session.sign(key, bytes('one more'));
  const stats = hsm.stats();
  const second = parse(await register.metrics());
  expect(second.get('keycell_operations_total{operation="sign"}')).toBe(21);
  for (const [name, unit, from] of [
    ['keycell_batch_requests', 1, stats.batchSize],
    ['keycell_cell_seconds', 1000, stats.cellTime],
    ['keycell_request_seconds', 1000, stats.requestTime],
  ] as const) {
    expect(second.get(`${name}_count`)).toBe(from.count);
    expect(second.get(`${name}_sum`)).toBeCloseTo(from.sum / unit, 9);
    expect(second.get(`${name}_bucket{le="+Inf"}`)).toBe(from.count);
    const buckets = [...second].filter(([sample]) => sample.startsWith(`${name}_bucket`)).map(([, count]) => count);
    expect(buckets).toEqual([...buckets].sort((a, b) => a - b));
    expect(buckets).toHaveLength(from.bounds.length + 1);
  }
  expect(second.get('keycell_batch_requests_bucket{le="1024"}')).toBe(stats.batches);

  await hsm.seal();
  const sealed = parse(await register.metrics());
  expect(sealed.get('keycell_state{state="sealed"}')).toBe(1);
  expect(sealed.has('keycell_lease_age_seconds')).toBe(false);
});

test('no name, id or label of a key or user stands in it', async () => {
  const { hsm, session, key } = await busy();
  const register = new Registry();
  registerMetrics(hsm, { register });
  const text = await register.metrics();
  for (const secret of [hsm.id, session.id, key.id, session.user.name, 'a label that stays here']) {
    expect(text).not.toContain(secret);
  }
});

test('registers beside others, under a prefix, and lets go again', async () => {
  const { hsm } = await busy();
  const register = new Registry();
  new Counter({ name: 'requests_total', help: "the service's own", registers: [register] });
  const remove = registerMetrics(hsm, { register });
  expect(() => registerMetrics(hsm, { register })).toThrow(/already been registered/);
  const removeSecond = registerMetrics(hsm, { register, prefix: 'second_' });
  expect(parse(await register.metrics()).get('second_logins_total')).toBe(0);
  remove();
  removeSecond();
  expect((await register.getMetricsAsJSON()).map(({ name }) => name)).toEqual(['requests_total']);
});

test('is OpenMetrics, too, where the registry is', async () => {
  const { hsm } = await busy();
  const register = new Registry();
  register.setContentType(Registry.OPENMETRICS_CONTENT_TYPE as never);
  const remove = registerMetrics(hsm, { register });
  for (let scrape = 0; scrape < 2; scrape++) {
    const text = await register.metrics();
    expect(text).toContain('# TYPE keycell_operations counter\n');
    expect(text).toContain('\nkeycell_operations_total{operation="sign"} 20\n');
    expect(text.endsWith('# EOF\n')).toBe(true);
  }
  remove();
  expect(await register.getMetricsAsJSON()).toEqual([]);
});
