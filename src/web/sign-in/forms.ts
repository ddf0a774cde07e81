import { MIN_PASSWORD } from '../../access/people/password-rules.ts';
import { renderPanel, renderProblem } from '../forms/panel.ts';
import { type Html, html } from '../html.ts';

/** Fields that every form carries, and what is said about the last try. */
interface FormState {
  csrf: string;
  /** Where to go on; a path of this server. */
  to: string;
  /** Why the last try was refused. */
  problem?: string | null | undefined;
}

export interface SignInState extends FormState {
  email?: string;
  /** The text of the button and its address, where there is a provider. */
  provider?: { label: string; url: string } | null;
  /** Said where nobody can sign in yet. */
  nobody?: boolean;
}

export function renderSignIn(state: SignInState): Html {
  const { email = '', provider, problem, nobody = false } = state;
  return renderPanel(
    'Sign in',
    html`${renderProblem(problem)}
${nobody && html`<p>There is nobody yet who could. Where this server runs, <code>vedette users add EMAIL --role admin</code> makes the first user.</p>`}
${provider && html`<p><a class="button" href="${provider.url}">${provider.label}</a></p><p class="or">or</p>`}
<form method="post" action="/sign-in" class="stack">${hidden(state)}
<label for="email">E-mail address</label>
<input id="email" name="email" type="email" autocomplete="username" required${autofocus(email === '')} value="${email}" spellcheck="false" autocapitalize="none">
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required${autofocus(email !== '')}>
<button class="main">Sign in</button>
</form>
<details><summary>Sign in with an API key</summary>
<form method="post" action="/sign-in" class="stack">${hidden(state)}
<label for="key">API key</label>
<input id="key" name="key" type="password" autocomplete="off" required spellcheck="false">
<button>Sign in with the key</button>
</form></details>`,
  );
}

export function renderCode(state: FormState): Html {
  return renderPanel(
    'One more step',
    html`${renderProblem(state.problem)}
<form method="post" action="/sign-in" class="stack">${hidden(state)}
<label for="code">Code of your authenticator app</label>
<input id="code" name="code" autocomplete="one-time-code" inputmode="text" required autofocus spellcheck="false" autocapitalize="none" aria-describedby="code-hint">
<p id="code-hint" class="hint">Six digits, or one of your recovery codes.</p>
<button class="main">Sign in</button>
</form>
<p class="hint"><a href="/sign-in?again=1">Begin again</a></p>`,
  );
}

export function renderSignUp(state: FormState & { email?: string }): Html {
  return renderPanel(
    'Make the first user',
    html`${renderProblem(state.problem)}
<p>From then on everybody has to sign in, also on this machine. The first user may do everything.</p>
<form method="post" action="/sign-up" class="stack">${hidden(state)}
<label for="email">E-mail address</label>
<input id="email" name="email" type="email" autocomplete="username" required autofocus value="${state.email ?? ''}" spellcheck="false" autocapitalize="none">
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="new-password" required minlength="${MIN_PASSWORD}" aria-describedby="password-hint">
<p id="password-hint" class="hint">At least ${MIN_PASSWORD} characters, and none of the most common passwords.</p>
<button class="main">Make the user and sign in</button>
</form>
<p class="hint"><a href="/">Not now</a></p>`,
  );
}

const hidden = ({ csrf, to }: FormState): Html =>
  html`<input type="hidden" name="csrf" value="${csrf}"><input type="hidden" name="to" value="${to}">`;

const autofocus = (isWanted: boolean): Html | null => (isWanted ? html` autofocus` : null);
