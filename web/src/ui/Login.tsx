import { useEffect, useRef, useState } from 'preact/hooks';

import { login, loginError, owner, provider } from '../access.ts';

/** Who is it? Over everything, so that nothing of a patient is seen behind it. */
export function Login() {
  const dialog = useRef<HTMLDialogElement>(null);
  const field = useRef<HTMLInputElement>(null);
  const [name, setName] = useState(owner.value?.name ?? '');
  const [password, setPassword] = useState('');
  const [isBusy, setBusy] = useState(false);
  useEffect(() => dialog.current?.showModal(), []);
  const wasHere = owner.value !== null;
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (isBusy) return;
    setBusy(true);
    await login(name, password);
    setBusy(false);
    setPassword('');
    field.current?.focus();
  };
  return (
    <dialog
      ref={dialog}
      class="login"
      aria-labelledby="login-title"
      onCancel={(event) => event.preventDefault()}
      onKeyDown={(event) => {
        if (event.key === 'Escape') event.preventDefault();
      }}
    >
      <form onSubmit={(event) => void submit(event)}>
        <h1 id="login-title" class="brand">
          radcopilot
        </h1>
        <p class="quiet">
          {wasHere
            ? 'Your session has ended. Log in to go on where you were: nothing you typed is lost.'
            : 'Log in to read at this station.'}
        </p>
        <label>
          <span>Name</span>
          <input
            type="text"
            name="username"
            autocomplete="username"
            autoFocus={!wasHere}
            required
            value={name}
            readOnly={wasHere}
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </label>
        <label>
          <span>Password</span>
          <input
            ref={field}
            type="password"
            name="password"
            autocomplete="current-password"
            autoFocus={wasHere}
            required
            value={password}
            onInput={(event) => setPassword(event.currentTarget.value)}
          />
        </label>
        {loginError.value && (
          <p class="refused" role="alert">
            {loginError.value}
          </p>
        )}
        <button type="submit" class="primary" aria-disabled={isBusy}>
          {isBusy ? 'Looking…' : 'Log in'}
        </button>
        {provider.value && (
          <a
            class="provider"
            href="/api/access/openid"
            {...(wasHere ? { target: '_blank', rel: 'noopener' } : {})}
          >
            {provider.value}
            {wasHere && <span class="quiet"> (opens another tab; come back here then)</span>}
          </a>
        )}
        {wasHere && (
          <p class="quiet small">
            Not {owner.value!.name}?{' '}
            <button type="button" class="plain" onClick={() => location.replace('/')}>
              Begin as somebody else
            </button>
            . What is not saved goes.
          </p>
        )}
      </form>
    </dialog>
  );
}
