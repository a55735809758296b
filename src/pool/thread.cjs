/**
 * What Piscina loads in a cell's thread; it loads the cell's module and runs it.
 *
 * Piscina tries `require` first, and a `require` of an ES module cannot be interrupted: a thread that is ended inside it
 * takes the whole process along (seen with Node 20.20, an assertion in ModuleWrap). So what it requires is CommonJS, and
 * the module comes by `import()`, which stood thousands of such ends.
 *
 * The task is over when the cell has begun, since Piscina keeps the process for as long as a task lasts. The cell lives on
 * by its port, and its death is its thread's.
 */
module.exports = async (/** @type {{ module: string }} */ start) => {
  const { default: serve } = await import(start.module);
  serve(start).catch((/** @type {unknown} */ error) => {
    // Outside of any promise: whoever listens for the thread's errors is told, and the thread ends.
    setImmediate(() => {
      throw error;
    });
  });
};
