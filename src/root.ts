/** URL of the package's folder, with a slash at its end: this file and its builds are in a subfolder. */
export const root = new URL('../', import.meta.url);
