/** A request as the queue takes it, charged what cost.ts says. */
import type { Caller } from '../../src/pool/callers.ts';
import { Pending } from '../../src/pool/pending.ts';
import type { CellRequest } from '../../src/wire/batch.ts';

export const pendingOf = (request: CellRequest, caller: Caller): Pending => new Pending(request, caller, {});
