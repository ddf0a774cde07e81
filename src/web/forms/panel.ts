import { renderDocument } from '../document.ts';
import { type Html, html } from '../html.ts';

/** Something went wrong that no form can mend. */
export function renderMessage(title: string, text: string, link: { url: string; text: string }): Html {
  return renderPanel(title, html`${renderProblem(text)}<p><a href="${link.url}">${link.text}</a></p>`);
}

/** A page with one thing to do. */
export function renderPanel(title: string, content: Html): Html {
  return renderDocument({
    title: `${title} · Vedette`,
    header: html`<h1><a href="/">Vedette</a></h1>`,
    main: html`<section class="panel" aria-labelledby="title"><h2 id="title">${title}</h2>${content}</section>`,
  });
}

/** Why the last try was refused. */
export const renderProblem = (text: string | null | undefined): Html | null =>
  text ? html`<p class="notice" role="alert">${text}.</p>` : null;
