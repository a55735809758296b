/**
 * What Piscina loads in a cell's thread; it loads the cell's module and runs it.
 *
 * Piscina tries `require` first, and a `require` of an ES module cannot be interrupted: a thread that is ended inside it
 * takes the whole process along (seen with Node 20.20, an assertion in ModuleWrap). So what it requires is CommonJS, and
 * the module comes by `import()`, which stood thousands of such ends.
 */
module.exports = async (/** @type {{ module: string }} */ start) => {
  const { default: serve } = await import(start.module);
  return serve(start);
};
