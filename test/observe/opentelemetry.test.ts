/** Spans as OpenTelemetry's own SDK exports them. */
import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { expect, onTestFinished, test } from 'vitest';
import { openEphemeralHsm } from '../../dist/index.js';
import { instrument } from '../../dist/observe/opentelemetry.js';
import { bytes, CIPHER, SIGNING } from '../hsm/support/hsm.ts';

function recorder() {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  onTestFinished(() => provider.shutdown());
  return { exporter, tracer: provider.getTracer('test') };
}
const ms = ([seconds, nanos]: readonly [number, number]): number => seconds * 1000 + nanos / 1e6;

test('one span a batch, with its times and what was in it', async () => {
  const { exporter, tracer } = recorder();
  const { hsm, session } = await openEphemeralHsm({ workers: 1 });
  onTestFinished(() => hsm.close());
  const other = await openEphemeralHsm({ workers: 1 });
  onTestFinished(() => other.hsm.close());
  const key = await session.generateKey(SIGNING);
  const aes = await session.generateKey(CIPHER);
  const stop = instrument(hsm, { tracer });

  await other.session.random(8);
  const before = Date.now();
  const parent = tracer.startSpan('a caller');
  await context.with(trace.setSpan(context.active(), parent), () =>
    Promise.all([session.sign(key, bytes('m')), session.sign(key, bytes('n')), session.encrypt(aes, bytes('m'))]),
  );
  stop();
  const after = Date.now();
  await session.random(8);

  const spans = exporter.getFinishedSpans();
  const requests = spans.reduce((sum, span) => sum + Number(span.attributes['keycell.batch.size']), 0);
  expect(requests).toBe(3);
  for (const span of spans) {
    expect([span.name, span.kind, span.status.code]).toEqual([
      'keycell batch',
      SpanKind.INTERNAL,
      SpanStatusCode.UNSET,
    ]);
    expect(span.parentSpanContext).toBeUndefined();
    expect(span.attributes).toMatchObject({
      'keycell.cell': 0,
      'keycell.batch.outcome': 'answered',
      'keycell.batch.failures': 0,
    });
    // Two clocks, of which one may be slewed.
    expect(ms(span.startTime)).toBeGreaterThan(before - 100);
    expect(ms(span.startTime)).toBeLessThan(after + 100);
    const inside = Number(span.attributes['keycell.batch.cell_ms']) + Number(span.attributes['keycell.batch.log_ms']);
    expect(ms(span.duration)).toBeCloseTo(inside, 2);
    expect(inside).toBeGreaterThan(0);
  }
  const count = (name: string) =>
    spans.reduce((sum, span) => sum + Number(span.attributes[`keycell.operations.${name}`] ?? 0), 0);
  expect([count('sign'), count('encrypt')]).toEqual([2, 1]);
});

test('a batch that is lost with its cell is a span in error', async () => {
  const { exporter, tracer } = recorder();
  const { hsm, session } = await openEphemeralHsm({ workers: 1 });
  onTestFinished(() => hsm.close());
  const key = await session.generateKey(SIGNING);
  onTestFinished(instrument(hsm, { tracer }));
  // Batches that are sent when the thread has its order to end, and before anybody knows that it has: none is answered.
  const killed = hsm.killCell(0);
  await Promise.resolve();
  const signatures = Array.from({ length: 60 }, () => session.sign(key, bytes('m')));
  await killed;
  await Promise.all(signatures);
  const [lost] = exporter.getFinishedSpans().filter((span) => span.attributes['keycell.batch.outcome'] === 'lost');
  expect(lost!.status).toEqual({ code: SpanStatusCode.ERROR, message: 'lost' });
  expect(lost!.attributes['keycell.batch.failures']).toBe(lost!.attributes['keycell.batch.size']);
});

test('without a provider nothing is recorded, and nothing fails', async () => {
  const { hsm, session } = await openEphemeralHsm({ workers: 1 });
  onTestFinished(() => hsm.close());
  onTestFinished(instrument(hsm));
  expect(await session.random(8)).toHaveLength(8);
});
