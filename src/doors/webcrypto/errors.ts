/** Errors as users of WebCrypto know them: a DOMException by name, with what the HSM said as its cause. */
import { HsmError, type HsmErrorCode } from '../../errors.ts';

export type ErrorName = 'NotSupportedError' | 'SyntaxError' | 'InvalidAccessError' | 'DataError' | 'OperationError';

export function failure(name: ErrorName, message: string, cause?: unknown): DOMException {
  return new DOMException(message, cause === undefined ? { name } : { name, cause });
}

export const notSupported = (message: string): DOMException => failure('NotSupportedError', message);

/** Whatever is not here is an OperationError: the operation failed for a reason that is specific to it. */
const NAMES: Partial<Record<HsmErrorCode, ErrorName>> = {
  KEYCELL_PERMISSION_DENIED: 'InvalidAccessError',
  KEYCELL_KEY_NOT_FOUND: 'InvalidAccessError',
  KEYCELL_MECHANISM_INVALID: 'NotSupportedError',
};

/**
 * `invalidInput` is the name for an input that the HSM does not take: DataError where a key is read, NotSupportedError where all
 * that the specification refuses has been refused.
 */
export async function translated<T>(work: () => Promise<T>, invalidInput: ErrorName = 'OperationError'): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof HsmError)) throw error;
    const name = error.code === 'KEYCELL_INPUT_INVALID' ? invalidInput : (NAMES[error.code] ?? 'OperationError');
    throw failure(name, error.message, error);
  }
}
