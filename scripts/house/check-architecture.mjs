// docs/architecture.md and src/ agree: each folder that its tree names exists, and each folder of src is named.

/** The folders that the section "The tree" names, by their indentation. */
function namedFolders(text) {
  const tree = text.slice(text.indexOf('## The tree'), text.indexOf('## Glossary'));
  const folders = [];
  const path = [];
  for (const [, indent, name] of tree.matchAll(/^ {4}( *)([a-z-]+)\/ /gm)) {
    path.length = indent.length / 2;
    path.push(name);
    folders.push(path.join('/'));
  }
  return folders;
}

/** `files`: those of src, relative to it. Returns what is wrong, for people. */
export function checkArchitecture(text, files) {
  const named = new Set(namedFolders(text));
  const there = new Set(
    files.flatMap((file) => {
      const parts = file.split('/').slice(0, -1);
      return parts.map((_, at) => parts.slice(0, at + 1).join('/'));
    }),
  );
  return [
    ...[...named].filter((folder) => !there.has(folder)).map((folder) => `it names ${folder}/, which is not in src`),
    ...[...there].filter((folder) => !named.has(folder)).map((folder) => `it does not name ${folder}/ of src`),
  ].map((problem) => `docs/architecture.md: ${problem}`);
}
