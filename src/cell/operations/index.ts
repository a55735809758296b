/** The registry of operations; one that is not in it does not exist. */
import { OP, type OpName } from '../../wire/batch.ts';
import type { Operation } from '../call.ts';
import { deriveKey } from './derive.ts';
import { decrypt, encrypt, generateDataKey, reencrypt } from './encryption.ts';
import { destroyKey, exportKey, generateKey, importKey, random, setAttributes } from './keys.ts';
import { sign, verify } from './signatures.ts';
import { decryptSegment, encryptSegment, openStream } from './streams.ts';
import { rewrapKeys, unwrapKey, wrapKey } from './wrapping.ts';

const OPERATIONS: Readonly<Record<OpName, Operation>> = {
  sign,
  verify,
  encrypt,
  decrypt,
  wrapKey,
  unwrapKey,
  rewrapKeys,
  deriveKey,
  generateKey,
  importKey,
  exportKey,
  random,
  generateDataKey,
  setAttributes,
  destroyKey,
  openStream,
  encryptSegment,
  decryptSegment,
  reencrypt,
};

const BY_NUMBER = new Map<number, { readonly name: OpName; readonly run: Operation }>(
  (Object.keys(OP) as OpName[]).map((name) => [OP[name], { name, run: OPERATIONS[name] }]),
);

export const operation = (op: number) => BY_NUMBER.get(op);
