// For a process whose memory is searched by another: it stops at each step until it is told to go on.
let go;
const keepAlive = setInterval(() => {}, 1000);
process.on('SIGUSR2', () => go());

export const step = (name) =>
  new Promise((resolve) => {
    go = resolve;
    process.stdout.write(`${name}\n`);
  });

/** There are no more steps: the process may end. */
export function endSteps() {
  clearInterval(keepAlive);
  process.removeAllListeners('SIGUSR2');
}
