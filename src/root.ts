/** The folder of the package, with a slash at its end: this file and its builds lie in a folder of it. */
export const root = new URL('../', import.meta.url);
