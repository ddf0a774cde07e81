import { renderSVG } from 'uqr';
import { MIN_PASSWORD } from '../../access/people/password-rules.ts';
import type { StoredUser } from '../../access/people/user-store.ts';
import type { StoredSession } from '../../access/sessions/session-store.ts';
import { formatAgo } from '../../stats/index.ts';
import { renderDocument } from '../document.ts';
import { renderPanel, renderProblem } from '../forms/panel.ts';
import { Html, html } from '../html.ts';

export interface AccountState {
  csrf: string;
  user: StoredUser;
  sessions: readonly StoredSession[];
  /** The one of this browser. */
  presentSession: number;
  /** Why the last try was refused, and by which form. */
  problem?: { of: 'password' | 'two-factor'; text: string };
  /** What the last form has done. */
  done?: string | undefined;
  nowMs: number;
}

export function renderAccount(state: AccountState): Html {
  const { csrf, user, done } = state;
  return renderDocument({
    title: 'Your account · Vedette',
    header: html`<h1><a href="/">Vedette</a></h1>
<form class="who" method="post" action="/sign-out"><span>${user.email}</span>${hidden(csrf)}<button>Sign out</button></form>`,
    main: html`<section class="panel" aria-labelledby="title"><h2 id="title">Your account</h2>
${done !== undefined && html`<p class="notice" role="status">${done}</p>`}
${user.hasPassword ? renderPasswordForm(state) : html`<p>You sign in by the provider of your organization, which also keeps your password.</p>`}
</section>
${user.hasPassword && renderTwoFactor(state)}
${renderSessions(state)}`,
  });
}

function renderPasswordForm({ csrf, user, problem }: AccountState): Html {
  return html`<h3>Password</h3>
${problem?.of === 'password' && renderProblem(problem.text)}
<form method="post" action="/profile/password" class="stack">${hidden(csrf)}
<input type="hidden" name="username" autocomplete="username" value="${user.email}">
<label for="current">Present password</label>
<input id="current" name="current" type="password" autocomplete="current-password" required>
<label for="password">New password</label>
<input id="password" name="password" type="password" autocomplete="new-password" required minlength="${MIN_PASSWORD}" aria-describedby="password-hint">
<p id="password-hint" class="hint">At least ${MIN_PASSWORD} characters, and none of the most common passwords. Your other sessions end.</p>
<button>Change the password</button>
</form>`;
}

function renderTwoFactor({ csrf, user, problem }: AccountState): Html {
  const [text, action, button] = user.hasTwoFactor
    ? ['A code is asked for at each sign-in.', '/profile/two-factor/disable', 'Ask for no codes any more']
    : [
        'With an authenticator app (TOTP), somebody who learns your password still cannot sign in.',
        '/profile/two-factor',
        'Set up codes',
      ];
  return html`<section class="panel" aria-labelledby="two-factor"><h2 id="two-factor">Second factor</h2>
<p>${text}</p>
${problem?.of === 'two-factor' && renderProblem(problem.text)}
<form method="post" action="${action}" class="stack">${hidden(csrf)}
<label for="confirm">Your password</label>
<input id="confirm" name="password" type="password" autocomplete="current-password" required>
<button>${button}</button>
</form></section>`;
}

function renderSessions({ csrf, sessions, presentSession, nowMs }: AccountState): Html {
  const rows = sessions.map(
    ({ id, address, userAgent, seenAt }) => html`<li><div><strong>${userAgent ?? 'Unknown browser'}</strong>
<span class="hint">${address ?? 'unknown address'}, last used ${formatAgo(seenAt.getTime(), nowMs)}</span></div>
${
  id === presentSession
    ? html`<span class="hint">this one</span>`
    : html`<form method="post" action="/profile/session/${id}">${hidden(csrf)}<button>End</button></form>`
}</li>`,
  );
  return html`<section class="panel" aria-labelledby="sessions"><h2 id="sessions">Where you are signed in</h2>
<ul class="rows">${rows}</ul>
${sessions.length > 1 && html`<form method="post" action="/profile/session" class="stack">${hidden(csrf)}<button>End all but this one</button></form>`}
</section>`;
}

export interface EnrolState {
  csrf: string;
  secret: string;
  /** The otpauth address that holds the secret. */
  uri: string;
  problem?: string;
}

/** The secret is in the form, so that a code that was typed wrong can be typed again. */
export function renderEnrol({ csrf, secret, uri, problem }: EnrolState): Html {
  return renderPanel(
    'Set up codes',
    html`${renderProblem(problem)}
<p>Scan this with your authenticator app, or type the key into it.</p>
<div class="qr" role="img" aria-label="QR code of the key">${new Html(renderSVG(uri, { border: 2 }))}</div>
<p class="hint">Key: <code>${secret.replace(/(.{4})(?=.)/g, '$1 ')}</code></p>
<form method="post" action="/profile/two-factor/confirm" class="stack">${hidden(csrf)}
<input type="hidden" name="secret" value="${secret}"><input type="hidden" name="uri" value="${uri}">
<label for="code">The code that it shows</label>
<input id="code" name="code" autocomplete="one-time-code" inputmode="numeric" required autofocus spellcheck="false">
<button class="main">Ask for codes from now on</button>
</form>
<p class="hint"><a href="/profile">Not now</a></p>`,
  );
}

export function renderRecoveryCodes(codes: readonly string[]): Html {
  return renderPanel(
    'Keep these codes',
    html`<p>Each of them stands once for a code of the app, for the day when it is lost. They are not shown again.</p>
<ul class="codes">${codes.map((code) => html`<li><code>${code}</code></li>`)}</ul>
<p><a class="button" href="/profile">I have kept them</a></p>`,
  );
}

const hidden = (csrf: string): Html => html`<input type="hidden" name="csrf" value="${csrf}">`;
