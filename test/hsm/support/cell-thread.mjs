import './wall.mjs';

export { default } from '../../../dist/cell/worker.js';
