import { isHelpOpen } from '../station.ts';

/** Opens the list of keys. */
export function Keys() {
  return (
    <button
      type="button"
      class="ghost"
      onClick={() => {
        isHelpOpen.value = true;
      }}
    >
      Keys <kbd>?</kbd>
    </button>
  );
}
