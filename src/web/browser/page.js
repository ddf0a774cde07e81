/*
 * Served as /dashboard.js. The page works without it; it refreshes the live parts, and starts and stops jobs.
 */
(() => {
  const REFRESH_MS = 5000;
  const message = /** @type {HTMLElement} */ (document.getElementById('said'));
  document.documentElement.classList.add('js');

  /** @param {string} text */
  const say = (text) => {
    message.textContent = text;
  };

  /**
   * Whether the session has ended meanwhile: then the browser goes to the sign-in.
   * @param {Response} answer
   */
  function hasEnded(answer) {
    const isOver = answer.status === 401 || (answer.redirected && new URL(answer.url).pathname === '/sign-in');
    if (isOver) location.reload();
    return isOver;
  }

  let refreshing = false;
  async function refresh() {
    if (refreshing || document.hidden) return;
    refreshing = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: 'text/html' }, cache: 'no-store' });
      if (hasEnded(answer)) return;
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
    const headers = { 'content-type': 'application/json' };
    try {
      const { job, action } = button.dataset;
      const answer = await fetch(`/job/${job}/${action}`, { method: 'POST', headers });
      if (hasEnded(answer)) return;
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
