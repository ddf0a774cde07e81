/**
 * Served as /dashboard.js. The page works without it; it refreshes what is live, and starts and stops jobs. The API key,
 * where one is needed, is kept for this tab only.
 */
export const SCRIPT = `'use strict';
(() => {
  const REFRESH_MS = 5000;
  const said = document.getElementById('said');
  const keyForm = document.getElementById('key-form');
  document.documentElement.classList.add('js');
  const say = (text) => { said.textContent = text; };
  const key = () => sessionStorage.getItem('vedette-key');

  if (keyForm) {
    const show = () => { document.getElementById('key-state').textContent = key() ? 'An API key is set for this tab.' : 'Starting and stopping jobs needs an API key.'; };
    keyForm.addEventListener('submit', (event) => {
      event.preventDefault();
      const value = keyForm.elements.key.value.trim();
      if (value) sessionStorage.setItem('vedette-key', value); else sessionStorage.removeItem('vedette-key');
      keyForm.reset();
      show();
      say('');
    });
    show();
  }

  let refreshing = false;
  async function refresh() {
    if (refreshing || document.hidden) return;
    refreshing = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: 'text/html' }, cache: 'no-store' });
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      for (const id of ['summary', 'jobs']) {
        const fresh = page.getElementById(id);
        const old = document.getElementById(id);
        if (!fresh || !old) continue;
        const focused = old.contains(document.activeElement) ? document.activeElement.dataset.focus : null;
        old.replaceWith(document.adoptNode(fresh));
        if (focused) document.querySelector('[data-focus="' + CSS.escape(focused) + '"]')?.focus();
      }
      document.body.classList.remove('offline');
      if (said.dataset.kind === 'offline') { say(''); delete said.dataset.kind; }
    } catch {
      say('Vedette does not answer; the page shows what it last said.');
      said.dataset.kind = 'offline';
    } finally {
      refreshing = false;
    }
  }

  document.addEventListener('click', async (event) => {
    const button = event.target.closest('button[data-action]');
    if (!button) return;
    button.disabled = true;
    const headers = { 'content-type': 'application/json' };
    if (key()) headers.authorization = 'Bearer ' + key();
    try {
      const answer = await fetch('/job/' + button.dataset.job + '/' + button.dataset.action, { method: 'POST', headers });
      const body = await answer.json();
      say(answer.ok ? '' : body.message);
    } catch {
      say('Vedette does not answer.');
    }
    button.disabled = false;
    await refresh();
  });

  setInterval(refresh, REFRESH_MS);
  document.addEventListener('visibilitychange', refresh);
})();
`;
