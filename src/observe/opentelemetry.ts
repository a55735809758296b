/**
 * `keycell/opentelemetry`: one span a batch. A batch serves many callers at once, so its span is a root, child of none
 * of theirs; what a single call took, its caller's own span shows.
 */
import { type Channel, channel } from 'node:diagnostics_channel';
import { type Attributes, ROOT_CONTEXT, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';
import type { Hsm, HsmChannels } from '../model/hsm.ts';

export interface TracingOptions {
  /** Default: the tracer `keycell` of the global provider. */
  readonly tracer?: Tracer;
}

const CHANNEL: keyof HsmChannels = 'keycell:batch';

/** Record a span for each batch of this HSM from now on; gives a function that ends this. */
export function instrument(hsm: Hsm, options: TracingOptions = {}): () => void {
  const { tracer = trace.getTracer('keycell') } = options;
  const batches: Channel = channel(CHANNEL);
  const listener = (message: unknown): void => {
    const batch = message as HsmChannels['keycell:batch'];
    if (batch.hsm === hsm) record(tracer, batch);
  };
  batches.subscribe(listener);
  return () => {
    batches.unsubscribe(listener);
  };
}

function record(tracer: Tracer, batch: HsmChannels['keycell:batch']): void {
  const { cell, size, operations, failures, outcome, startTime, queueTime, cellTime, logTime } = batch;
  const attributes: Attributes = {
    'keycell.cell': cell,
    'keycell.batch.size': size,
    'keycell.batch.outcome': outcome,
    'keycell.batch.failures': failures,
    'keycell.batch.queue_ms': queueTime,
    'keycell.batch.cell_ms': cellTime,
    'keycell.batch.log_ms': logTime,
  };
  for (const [operation, count] of Object.entries(operations)) attributes[`keycell.operations.${operation}`] = count;
  const span = tracer.startSpan('keycell batch', { kind: SpanKind.INTERNAL, startTime, attributes }, ROOT_CONTEXT);
  // A refused request is an answer; a batch without one is an error.
  if (outcome !== 'answered') span.setStatus({ code: SpanStatusCode.ERROR, message: outcome });
  span.end(startTime + cellTime + logTime);
}
