/** Looking again and again at what lies on the disk, where others can reach it. */
import { background } from '../wire/clock.ts';

const INTERVAL_MS = 500;

/** Look twice a second, one look at a time: the disk may be slow. `look` never rejects. Returns what ends it. */
export function keepLooking(look: () => Promise<void>): () => void {
  let busy = false;
  const timer = background(
    setInterval(async () => {
      if (busy) return;
      busy = true;
      await look();
      busy = false;
    }, INTERVAL_MS),
  );
  return () => clearInterval(timer);
}
