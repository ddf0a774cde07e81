import { type Html, html } from './html.ts';

interface Document {
  title: string;
  /** Where the link for keyboards leads. */
  skipTo?: { id: string; text: string };
  header: Html;
  main: Html;
  footer?: Html;
  /** Whether the script of the page is loaded. */
  hasScript?: boolean;
}

/** A whole page: its policy allows neither style nor script within it. */
export function renderDocument({ title, skipTo, header, main, footer, hasScript = false }: Document): Html {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="icon" href="/favicon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/dashboard.css">
${hasScript && html`<script src="/dashboard.js" defer></script>`}
</head>
<body>
${skipTo && html`<a class="skip" href="#${skipTo.id}">${skipTo.text}</a>`}
<header>
${header}
</header>
<main>
${main}
</main>
${footer && html`<footer>${footer}</footer>`}
</body>
</html>
`;
}
