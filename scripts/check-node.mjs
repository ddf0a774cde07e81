// Says in one line what is wrong with an old Node, before anything else can fail on it. Keep to syntax that old ones know.
var wanted = [20, 20];
var version = process.versions.node.split('.').map(Number);
if (version[0] < wanted[0] || (version[0] === wanted[0] && version[1] < wanted[1])) {
  console.error(
    `Vedette needs Node.js ${wanted.join('.')} or newer; this is ${process.versions.node} (${process.execPath}).`,
  );
  process.exit(1);
}
