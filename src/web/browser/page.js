/*
 * Served as /dashboard.js. The page works without it; it refreshes the live parts, and starts and stops jobs. The API key,
 * where one is needed, is kept for this tab only.
 */
(() => {
  const REFRESH_MS = 5000;
  const KEY = 'vedette-key';
  const message = /** @type {HTMLElement} */ (document.getElementById('said'));
  document.documentElement.classList.add('js');

  /** @param {string} text */
  const say = (text) => {
    message.textContent = text;
  };

  const keyForm = document.getElementById('key-form');
  if (keyForm instanceof HTMLFormElement) installKeyForm(keyForm);

  /** @param {HTMLFormElement} form */
  function installKeyForm(form) {
    const show = () => {
      const state = document.getElementById('key-state');
      if (!state) return;
      state.textContent = sessionStorage.getItem(KEY)
        ? 'An API key is set for this tab.'
        : 'Starting and stopping jobs needs an API key.';
    };
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      const value = String(new FormData(form).get('key') ?? '').trim();
      if (value) sessionStorage.setItem(KEY, value);
      else sessionStorage.removeItem(KEY);
      form.reset();
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
      for (const id of ['summary', 'jobs']) replace(page, id);
      document.body.classList.remove('offline');
      if (message.dataset.kind === 'offline') {
        say('');
        delete message.dataset.kind;
      }
    } catch {
      say('Vedette does not answer; the page shows what it last said.');
      message.dataset.kind = 'offline';
    } finally {
      refreshing = false;
    }
  }

  /**
   * Puts the part of the new page in place of the old one; the focus stays where it was.
   * @param {Document} page
   * @param {string} id
   */
  function replace(page, id) {
    const fresh = page.getElementById(id);
    const old = document.getElementById(id);
    if (!fresh || !old) return;
    const active = document.activeElement;
    const focused = active instanceof HTMLElement && old.contains(active) ? active.dataset.focus : undefined;
    old.replaceWith(document.adoptNode(fresh));
    if (!focused) return;
    const successor = document.querySelector(`[data-focus="${CSS.escape(focused)}"]`);
    if (successor instanceof HTMLElement) successor.focus();
  }

  document.addEventListener('click', async ({ target }) => {
    const button = target instanceof Element ? target.closest('button[data-action]') : null;
    if (!(button instanceof HTMLButtonElement)) return;
    button.disabled = true;
    const key = sessionStorage.getItem(KEY);
    /** @type {Record<string, string>} */
    const headers = { 'content-type': 'application/json' };
    if (key) headers.authorization = `Bearer ${key}`;
    try {
      const { job, action } = button.dataset;
      const answer = await fetch(`/job/${job}/${action}`, { method: 'POST', headers });
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
