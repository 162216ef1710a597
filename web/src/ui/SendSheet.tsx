import { useComputed } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';

import { whyNot } from '../access.ts';
import { deliveries, isSendOpen, said, station } from '../station.ts';
import { accepted, retry, sendAccepted } from '../orders.ts';
import { Speaking } from './Voice.tsx';
import { DELIVERY, OBJECTS, label, mainMeasures, quantity, title } from '../words.ts';

export function SendSheet() {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const ready = useComputed(accepted);
  const peers = station.value?.destinations ?? [];
  const refusal = whyNot('decide');
  const canSend = ready.value.length > 0 && peers.length > 0 && !refusal;
  const confirm = (event: Event): void => {
    event.preventDefault();
    if (canSend) void sendAccepted();
  };
  const close = (): void => {
    isSendOpen.value = false;
  };
  return (
    <dialog
      ref={dialog}
      class="sheet send"
      aria-labelledby="send-title"
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
      onClose={close}
    >
      <form method="dialog" onSubmit={confirm}>
        <h2 id="send-title">What is sent, and where</h2>
        {!ready.value.length && (
          <p class="quiet">Nothing is accepted yet. Accept a finding first (Y).</p>
        )}
        {ready.value.map((group) => (
          <section key={group[0]!.result.id} class="parcel">
            {group.map(({ key, mask, result }) => (
              <p key={key}>
                <strong>{title(mask)}</strong>{' '}
                <span class="quiet">
                  {mainMeasures(result, mask)
                    .map((each) => `${label(each)} ${quantity(each)}`)
                    .join(' · ')}
                </span>
              </p>
            ))}
          </section>
        ))}
        <h3>To</h3>
        {!peers.length && (
          <p class="quiet">No destination is configured: add [[peers]] to the settings.</p>
        )}
        <ul class="peers">
          {peers.map((peer) => (
            <li key={peer.name}>
              <strong>{peer.name}</strong>{' '}
              <span class="quiet">
                {peer.at}, {peer.by}
              </span>
              <ul>
                {peer.objects.map((each) => (
                  <li key={each}>{OBJECTS[each] ?? each}</li>
                ))}
              </ul>
            </li>
          ))}
        </ul>
        {refusal && <p class="quiet">{refusal}</p>}
        <Speaking />
        {said.value && <p role="status">{said.value.says}</p>}
        <footer>
          <button type="button" class="ghost" onClick={close}>
            Not now <kbd>Esc</kbd>
          </button>
          <button type="submit" class="primary" disabled={!canSend} autoFocus>
            Send <kbd>Enter</kbd>
          </button>
        </footer>
      </form>
    </dialog>
  );
}

/** What went where, of one result. */
export function Deliveries({ id }: { id: string }) {
  const mine = deliveries.value.filter((each) => each.result === id);
  if (!mine.length) return null;
  return (
    <ul class="deliveries">
      {mine.map((each) => (
        <li key={each.peer} class={each.state} title={each.says}>
          <span>{each.peer}</span> <span>{DELIVERY[each.state]}</span>
          {each.says && each.state !== 'committed' && <p class="says">{each.says}</p>}
          {(each.state === 'failed' || each.state === 'cancelled') && !whyNot('deliver') && (
            <button type="button" class="ghost" onClick={() => void retry(each)}>
              Try again
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}
