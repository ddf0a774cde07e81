import { readFileSync } from 'node:fs';

/** The files that the page loads: those of browser/, which a build puts beside its own. */
const FOLDER = import.meta.url.endsWith('/src/web/assets.ts') ? './browser/' : './';
const read = (file: string): string => readFileSync(new URL(`${FOLDER}${file}`, import.meta.url), 'utf8');

export interface Asset {
  url: string;
  type: string;
  text: string;
}

export const loadAssets = (): Asset[] => [
  { url: '/dashboard.css', type: 'text/css; charset=utf-8', text: read('page.css') },
  { url: '/dashboard.js', type: 'text/javascript; charset=utf-8', text: read('page.js') },
  { url: '/favicon.svg', type: 'image/svg+xml', text: read('icon.svg') },
];
