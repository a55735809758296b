/**
 * Milliseconds of the monotonic clock (CLOCK_MONOTONIC), the same in every thread of this process. `performance.now()`
 * counts from the start of its own thread, and `Date.now()` goes wherever somebody sets it.
 */
export function monotonic(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + Math.floor(nanoseconds / 1e6);
}

/**
 * A timer that keeps no process alive. Where something stands in for Node's timers, jsdom or a test's, it is a number, and has
 * nothing to keep alive.
 */
export function background<T extends NodeJS.Timeout>(timer: T): T {
  (timer as Partial<T>).unref?.();
  return timer;
}

/** Wait for what no thread, port or timer of its own keeps the process for. */
export async function keepingProcess<T>(work: Promise<T>): Promise<T> {
  const timer = setInterval(() => {}, 2 ** 30);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}

/** A timer that keeps the process alive, again. */
export function foreground<T extends NodeJS.Timeout>(timer: T): T {
  (timer as Partial<T>).ref?.();
  return timer;
}
