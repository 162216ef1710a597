// Who is here and what they may do; while nobody is, what the page asks of the server waits.

import { batch, computed, signal } from '@preact/signals';

export type Right = 'command' | 'decide' | 'sign' | 'deliver' | 'rules';

export interface Person {
  name: string;
  roles: string[];
  rights: string[];
  is_local: boolean;
}

interface Access {
  needs_login: boolean;
  says: string;
  provider: string | null;
  person: Person | null;
  page_token: string;
  /** For each right, which roles hold it. */
  holders: Record<Right, string>;
  idle_timeout_s: number;
}

const LOOK_MS = 2000;
const TELL_MS = 60_000;

const access = signal<Access | null>(null);

/** Whose page this is, from their login to their logout: also while a login is asked for again. */
export const owner = signal<Person | null>(null);

export const isLoginOpen = signal(false);

export const loginError = signal('');

export const provider = computed(() => access.value?.provider ?? null);

export const localSays = computed(() => access.value?.says ?? '');

/** Return why a person may not do something; null where they may. */
export function whyNot(right: Right): string | null {
  const person = owner.value;
  if (!person || person.rights.includes(right)) return null;
  const holders = access.value?.holders[right] ?? '';
  return `This takes the role ${holders}; ${person.name} is ${person.roles.join(' and ')}.`;
}

export const pageToken = (): string => access.value?.page_token ?? '';

let waiting: Promise<void> | null = null;
let enter: () => void = () => undefined;

/** Wait until somebody is here; the page of one person never becomes that of another. */
export async function someoneHere(): Promise<void> {
  let found = await look();
  while (found === 'away') {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    found = await look();
  }
  if (found === 'nobody') await (waiting ??= beginWaiting());
}

function beginWaiting(): Promise<void> {
  isLoginOpen.value = true;
  const looking = setInterval(() => void look(), LOOK_MS);
  return new Promise<void>((resolve) => {
    enter = () => {
      clearInterval(looking);
      waiting = null;
      resolve();
    };
  });
}

/** Ask who is here, which another tab may have changed. */
async function look(): Promise<'here' | 'nobody' | 'away'> {
  try {
    const answer = await fetch('/api/access');
    if (!answer.ok) return 'away';
    return take((await answer.json()) as Access) ? 'here' : 'nobody';
  } catch {
    return 'away';
  }
}

function take(said: Access): boolean {
  const { person } = said;
  const before = owner.value;
  if (person && before && person.name !== before.name) {
    location.replace('/'); // nothing of the one before stays on the screen or is sent
    return false;
  }
  batch(() => {
    access.value = said;
    if (!person) return;
    owner.value = person;
    isLoginOpen.value = false;
    loginError.value = '';
  });
  if (person) enter();
  return person !== null;
}

export async function login(name: string, password: string): Promise<void> {
  loginError.value = '';
  try {
    const answer = await fetch('/api/access/login', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ name, password }),
    });
    const said = (await answer.json()) as Access & { detail?: unknown };
    if (answer.ok) take(said);
    else
      loginError.value = sentence(
        typeof said.detail === 'string' ? said.detail : 'give a name and a password',
      );
  } catch {
    loginError.value = 'The server does not answer: see whether radcopilot serve is running.';
  }
}

const sentence = (words: string): string => `${words.charAt(0).toUpperCase()}${words.slice(1)}.`;

/** Go; nothing stays on the screen. */
export async function logout(): Promise<void> {
  await fetch('/api/access/logout', {
    method: 'POST',
    headers: { 'X-Page-Token': pageToken() },
  }).catch(() => undefined);
  location.replace('/');
}

/** Say what an OpenID provider's login came to, where the address tells. */
export function readAddress(): void {
  const [, refusal] = /^#login=(.*)$/.exec(location.hash) ?? [];
  if (refusal === undefined) return;
  loginError.value = sentence(decodeURIComponent(refusal));
  history.replaceState(null, '', '/');
}

/** Tell the server that the person is at the station, not more often than is needed. */
export function listenToPerson(): void {
  let told = 0;
  const here = (): void => {
    const now = Date.now();
    const idle = (access.value?.idle_timeout_s ?? TELL_MS) * 1000;
    if (isLoginOpen.value || !access.value?.needs_login) return;
    if (now - told < Math.min(TELL_MS, idle / 4)) return;
    told = now;
    void fetch('/api/access/here', {
      method: 'POST',
      headers: { 'X-Page-Token': pageToken() },
    }).then((answer) => (answer.ok ? undefined : someoneHere()));
  };
  for (const kind of ['pointerdown', 'pointermove', 'keydown', 'wheel'])
    document.addEventListener(kind, here, { passive: true, capture: true });
}
