// In a thread: the wall clock that a test sets for all threads of its HSM.
const real = Date.now;
let offset = 0;
Date.now = () => real() + offset;
const channel = new BroadcastChannel('keycell-test-wall');
channel.onmessage = ({ data }) => {
  offset = data;
};
channel.unref();
