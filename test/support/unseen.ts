/** Records as an older version made them, which asked no label and no name whether a person can read it. */
import type { Hsm, Session } from '../../dist/index.js';

/** What the cells and the warden hear in place of `seen`, of as many bytes; the rest of the way is the real one. */
function replaced(seen: string, unseen: string, part: Uint8Array): Uint8Array {
  // A copy: the next template like this one is asked for by the same bytes.
  const own = Buffer.from(part);
  const at = own.indexOf(seen);
  if (at >= 0) own.write(unseen, at);
  return new Uint8Array(own);
}

// biome-ignore lint/suspicious/noExplicitAny: what sessions use, beneath the public interface
type Engine = any;

export async function keyLabelled(hsm: Hsm, session: Session, label: string): Promise<string> {
  const seen = 'S'.repeat(Buffer.byteLength(label));
  const engine = hsm as Engine;
  const { submit } = engine;
  engine.submit = (request: { parts: Uint8Array[] }, ...rest: unknown[]) => {
    const parts = request.parts.map((part) => replaced(seen, label, part));
    return submit.call(hsm, { ...request, parts }, ...rest);
  };
  try {
    const key = await session.generateKey({ type: 'AES', bits: 256, usage: ['encrypt', 'decrypt'], label: seen });
    return key.id;
  } finally {
    delete engine.submit;
  }
}

export async function userNamed(hsm: Hsm, admin: Session, name: string, password: string): Promise<void> {
  const engine = hsm as Engine;
  const { askWithSecrets } = engine;
  engine.askWithSecrets = (...args: unknown[]) => {
    const ask = args.pop() as (refs: unknown) => object;
    return askWithSecrets.call(hsm, ...args, (refs: unknown) => ({ ...ask(refs), name }));
  };
  try {
    await admin.createUser({ name: 'seen', role: 'crypto-user', password });
  } finally {
    delete engine.askWithSecrets;
  }
}
