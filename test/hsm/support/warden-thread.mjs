import './wall.mjs';

await import('../../../dist/cell/warden/worker.js');
