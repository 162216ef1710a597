import { localSays, logout, owner } from '../access.ts';

/** Who is here, and the way out. */
export function Who() {
  const person = owner.value;
  if (!person) return null;
  if (person.is_local) {
    return (
      <p class="who quiet" title={localSays.value}>
        {person.name}, no login
      </p>
    );
  }
  return (
    <p class="who">
      <span title={person.roles.join(', ')}>{person.name}</span>
      <button type="button" class="ghost" onClick={() => void logout()}>
        Log out
      </button>
    </p>
  );
}
